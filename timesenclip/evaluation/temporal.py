"""Temporal ablations: fewer months, longer composites, and the contribution of each month.

Bands are not ablated in this way. The encoder reads all bands through one matrix and has no mask for bands; with a band
set to zero, its response to impossible spectra would be measured. A model for fewer bands is another
checkpoint, which the suite evaluates like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.composite import masked_median
from timesenclip.evaluation.embedding_cache import EmbeddingCache
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.metrics import Metrics, accuracy_ranges, compute_metrics
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries
from timesenclip.tasks.explain import step_contribution

__all__ = ["RobustnessPoint", "coarsen", "keep_random_steps", "month_contribution", "robustness", "zero_shot_metrics"]

Length = Literal["month", "quarter", "year"]
_MONTHS: dict[Length, int] = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class RobustnessPoint:
    """One point of the robustness curve."""

    kept: int
    """Steps kept of each series; a series that has fewer keeps them all."""
    accuracy: float
    """Mean over the draws of the steps."""
    balanced_accuracy: float
    """Mean over the draws of the steps."""
    accuracy_range: tuple[float, float]
    """Minimum and maximum over the draws."""
    balanced_accuracy_range: tuple[float, float]
    """Minimum and maximum over the draws."""
    mean_steps: float
    """Valid steps that were left, mean over the series."""


def keep_random_steps(series: PixelSeries, keep: int, *, rng: np.random.Generator) -> PixelSeries:
    """The series with at most `keep` valid steps each, drawn at random; all other steps are invalid."""
    draw = np.where(series.valid, rng.random(series.valid.shape), np.inf)
    rank = np.argsort(np.argsort(draw, axis=1), axis=1)
    return replace(series, valid=series.valid & (rank < keep))


def coarsen(series: PixelSeries, length: Length) -> PixelSeries:
    """Composites of calendar quarters or years: the median by band of the valid steps that start in each.

    Source: arXiv 2508.11919, where quarterly and annual inputs are medians of monthly composites.
    """
    if length == "month":
        return series
    months = _MONTHS[length]
    number = series.start.astype("datetime64[M]").astype(np.int64) // months  # (N, T)
    first = number.min(axis=1, keepdims=True)
    slots = int((number - first).max()) + 1
    tail = series.reflectance.shape[2:]
    values = np.zeros((len(series), slots, *tail), np.float32)
    seen = np.zeros((len(series), slots, tail[0]), np.bool_)
    for slot in range(slots):
        use = series.bands_seen() & (number - first == slot)[..., None]  # (N, T, C)
        seen[:, slot] = use.any(axis=1)
        mask = np.broadcast_to(use.reshape(*use.shape, *(1,) * (len(tail) - 1)), series.reflectance.shape)
        values[:, slot] = masked_median(series.reflectance.swapaxes(0, 1), mask.swapaxes(0, 1))
    start = ((first + np.arange(slots)) * months).astype("datetime64[M]")
    return replace(
        series,
        reflectance=values,
        valid=np.asarray(np.any(seen, axis=2)),
        start=start.astype("datetime64[D]"),
        end=(start + months).astype("datetime64[D]"),
        band_valid=None if series.band_valid is None else seen,
    )


def robustness(
    data: LabelledSet,
    weights: NDArray[np.float32],
    *,
    model: Model,
    kept: Sequence[int] = tuple(range(12, 0, -1)),
    draws: int = 3,
    seed: int = 0,
    cache: EmbeddingCache | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[RobustnessPoint]:
    """Zero-shot accuracy with fewer and fewer months, removed at random.

    Args:
        data: N labelled samples.
        weights: (K, D) class vectors.
        model: the model.
        kept: numbers of months to keep.
        draws: random choices of months for each number.
        seed: seed of the choices.
        cache: embeddings of the same model; default: an empty cache.
        progress: called with (done, all) points.
    """
    cache = cache or EmbeddingCache(model)
    out = []
    for done, count in enumerate(kept):
        runs, steps = [], []
        for draw in range(draws):
            less = keep_random_steps(data.series, count, rng=np.random.default_rng([seed, count, draw]))
            runs.append(zero_shot_metrics(data, less, weights, model=model, cache=cache))
            steps.append(float(less.valid.sum(axis=1).mean()))
        accuracies = accuracy_ranges([(run.accuracy, run.balanced_accuracy) for run in runs])
        out.append(RobustnessPoint(kept=count, mean_steps=float(np.mean(steps)), **accuracies))
        if progress is not None:
            progress(done + 1, len(kept))
    return out


def zero_shot_metrics(
    data: LabelledSet,
    series: PixelSeries,
    weights: NDArray[np.float32],
    *,
    model: Model,
    draws: int = 0,
    seed: int = 0,
    cache: EmbeddingCache | None = None,
) -> Metrics:
    """Zero-shot metrics of a labelled set whose series are replaced by others, such as composites.

    A series without a valid step counts as wrong. With `draws` above 0 each metric has an interval from the bootstrap
    over blocks of land.
    """
    vectors = embed(series, model=model, missing="nan") if cache is None else cache.embed(series)
    scores = vectors @ weights.T
    seen = np.isfinite(scores).all(axis=1)
    predicted = np.where(seen, np.nan_to_num(scores, nan=-2.0).argmax(axis=1), -1)
    block = data.block if draws else None
    return compute_metrics(data.truth, predicted, names=data.taxonomy.names, block=block, draws=draws, seed=seed)


def month_contribution(
    data: LabelledSet, weights: NDArray[np.float32], *, model: Model, most: int = 300, seed: int = 0
) -> NDArray[np.float64]:
    """Mean contribution of each calendar month to the margin of the true class, (K, 12); NaN where there is no step.

    Args:
        data: N labelled samples.
        weights: (K, D) class vectors.
        model: the model.
        most: samples used of each class, drawn at random.
        seed: seed of the draw.
    """
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(data.truth == k))[:most] for k in np.unique(data.truth)])
    part = data.take(np.sort(chosen))
    value = step_contribution(part.series, weights, model=model, label_index=part.truth)  # (N, T)
    month = part.series.months() % 12
    use = np.isfinite(value)
    total, count = np.zeros((len(data.taxonomy), 12)), np.zeros((len(data.taxonomy), 12))
    kind = np.broadcast_to(part.truth[:, None], month.shape)
    np.add.at(total, (kind[use], month[use]), value[use])
    np.add.at(count, (kind[use], month[use]), 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
