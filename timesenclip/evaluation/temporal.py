"""What time is worth: fewer months, longer composites, and what each month adds.

Bands cannot be studied in this way. The encoder reads ten bands at once through one matrix and was never shown a
missing one; setting a band to zero would measure how it takes impossible spectra. A model for fewer bands is another
checkpoint, which the suite evaluates like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.metrics import Figures, figures
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries
from timesenclip.tasks.explain import step_contribution

__all__ = ["KeptMonths", "coarser", "fewer_steps", "month_contribution", "robustness"]

Length = Literal["month", "quarter", "year"]
_MONTHS: dict[Length, int] = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class KeptMonths:
    """One point of the robustness curve."""

    kept: int
    """Steps left of each series; a series that has fewer keeps them all."""
    accuracy: float
    """Mean over the draws."""
    balanced_accuracy: float
    """Mean over the draws."""
    accuracy_range: tuple[float, float]
    """Lowest and highest of the draws."""
    balanced_accuracy_range: tuple[float, float]
    """Lowest and highest of the draws."""
    mean_steps: float
    """Steps that were really left, mean over the series."""


def fewer_steps(series: PixelSeries, keep: int, *, rng: np.random.Generator) -> PixelSeries:
    """The series with at most `keep` valid steps each, chosen at random; the rest is missing."""
    draw = np.where(series.valid, rng.random(series.valid.shape), np.inf)
    rank = np.argsort(np.argsort(draw, axis=1), axis=1)
    return replace(series, valid=series.valid & (rank < keep))


def coarser(series: PixelSeries, length: Length) -> PixelSeries:
    """Composites of calendar quarters or years: the median of the valid steps that begin in them.

    Source: PAPER section 4, where quarterly and annual inputs are medians of monthly composites.
    """
    if length == "month":
        return series
    months = _MONTHS[length]
    number = series.start.astype("datetime64[M]").astype(np.int64) // months  # (N, T)
    first = number.min(axis=1, keepdims=True)
    slots = int((number - first).max()) + 1
    tail = series.reflectance.shape[2:]
    values = np.zeros((len(series), slots, *tail), np.float32)
    valid = np.zeros((len(series), slots), np.bool_)
    for slot in range(slots):
        use = series.valid & (number - first == slot)  # (N, T)
        some = use.any(axis=1)
        inside = np.where(use[some].reshape(*use[some].shape, *(1,) * len(tail)), series.reflectance[some], np.nan)
        values[some, slot], valid[:, slot] = np.nanmedian(inside, axis=1), some
    start = ((first + np.arange(slots)) * months).astype("datetime64[M]")
    return replace(
        series,
        reflectance=values,
        valid=valid,
        start=start.astype("datetime64[D]"),
        end=(start + months).astype("datetime64[D]"),
    )


def robustness(
    data: LabelledSet,
    weights: NDArray[np.float32],
    *,
    model: Model,
    kept: Sequence[int] = tuple(range(12, 0, -1)),
    draws: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[KeptMonths]:
    """Zero-shot accuracy when months are taken away at random, from many to few.

    Args:
        data: N labelled samples.
        weights: (K, D) class vectors.
        model: the model.
        kept: months to keep.
        draws: random choices of months for each number.
        seed: of the choices.
        progress: called with (done, all) points.
    """
    out = []
    for done, count in enumerate(kept):
        runs, steps = [], []
        for draw in range(draws):
            less = fewer_steps(data.series, count, rng=np.random.default_rng([seed, count, draw]))
            runs.append(answered(data, less, weights, model=model))
            steps.append(float(less.valid.sum(axis=1).mean()))
        found = np.array([(run.accuracy, run.balanced_accuracy) for run in runs])
        low, high = found.min(axis=0), found.max(axis=0)
        out.append(
            KeptMonths(
                kept=count,
                accuracy=float(found[:, 0].mean()),
                balanced_accuracy=float(found[:, 1].mean()),
                accuracy_range=(float(low[0]), float(high[0])),
                balanced_accuracy_range=(float(low[1]), float(high[1])),
                mean_steps=float(np.mean(steps)),
            )
        )
        if progress is not None:
            progress(done + 1, len(kept))
    return out


def answered(
    data: LabelledSet,
    series: PixelSeries,
    weights: NDArray[np.float32],
    *,
    model: Model,
    draws: int = 0,
    seed: int = 0,
) -> Figures:
    """Zero-shot figures of another version of a set's series; a series without any step is a wrong answer.

    With `draws` each figure gets an interval over blocks of land.
    """
    scores = embed(series, model=model, missing="nan") @ weights.T
    seen = np.isfinite(scores).all(axis=1)
    said = np.where(seen, np.nan_to_num(scores, nan=-2.0).argmax(axis=1), -1)
    block = data.block if draws else None
    return figures(data.truth, said, names=data.taxonomy.names, block=block, draws=draws, seed=seed)


def month_contribution(
    data: LabelledSet, weights: NDArray[np.float32], *, model: Model, most: int = 300, seed: int = 0
) -> NDArray[np.float64]:
    """What each calendar month adds to the margin of the true class, (K, 12); NaN where a class has none.

    Args:
        data: N labelled samples.
        weights: (K, D) class vectors.
        model: the model.
        most: samples of each class that are looked at, drawn at random.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(data.truth == k))[:most] for k in np.unique(data.truth)])
    part = data.take(np.sort(chosen))
    value = step_contribution(part.series, weights, model=model, label_index=part.truth)  # (N, T)
    middle = part.series.start + (part.series.end - part.series.start) // 2
    month = middle.astype("datetime64[M]").astype(np.int64) % 12
    use = np.isfinite(value)
    total, count = np.zeros((len(data.taxonomy), 12)), np.zeros((len(data.taxonomy), 12))
    kind = np.broadcast_to(part.truth[:, None], month.shape)
    np.add.at(total, (kind[use], month[use]), value[use])
    np.add.at(count, (kind[use], month[use]), 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
