"""Metrics of predicted classes and probabilities; classes without a sample are named and left out.

With `block` every metric gets a 95 % interval from a bootstrap over blocks of land
(`timesenclip.evaluation.bootstrap`).

Accuracy, recall, precision and F1 are computed from sums over blocks rather than by scikit-learn, so that a thousand
bootstrap draws cost one matrix product; tests compare them with scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError
from timesenclip.evaluation.bootstrap import DRAWS, block_draws, percentile_interval

__all__ = [
    "ClassMetrics",
    "Metrics",
    "accuracy_ranges",
    "block_sums",
    "compute_metrics",
    "confusion_matrix",
    "metrics_from_sums",
    "reliability",
    "top_k_hits",
]

BINS = 15
"""Bins of the reliability diagram, as in Guo et al. 2017."""
TOP = 5
"""K of the top-K accuracy."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """Metrics of one class."""

    name: str
    """Its name."""
    support: int
    """Samples whose true class it is."""
    precision: float
    """Share of its predictions that are correct; NaN where it was never predicted."""
    recall: float
    """Share of its samples that were predicted as it."""
    f1: float
    """Harmonic mean of precision and recall."""
    intervals: dict[str, Interval] = field(default_factory=dict)
    """95 % intervals of `precision`, `recall` and `f1`; empty without blocks."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of a set of predictions."""

    count: int
    """Samples."""
    accuracy: float
    """Share of correct predictions (top-1); `unknown` counts as wrong."""
    balanced_accuracy: float
    """Average class accuracy: mean recall over the classes that are present."""
    macro_f1: float
    """Mean F1 over the classes that are present."""
    weighted_f1: float
    """Mean F1 over the classes that are present, weighted by their samples."""
    top5_accuracy: float | None
    """Share of samples whose class is among the five highest scores; None without scores, or with five classes or
    fewer, where it is always 1."""
    calibration_error: float | None
    """Expected calibration error over bins of equal width, of the answered samples: an `unknown` states no confidence.
    None where no confidences were given, or nothing was answered."""
    unknown_share: float
    """Share of samples predicted as `unknown`."""
    classes: tuple[ClassMetrics, ...]
    """The classes that are present."""
    absent: tuple[str, ...]
    """Classes without a sample; they enter no mean."""
    intervals: dict[str, Interval] = field(default_factory=dict)
    """95 % intervals by name of the field; empty without blocks."""
    blocks: int | None = None
    """Number of blocks of land in the bootstrap; with few blocks the intervals are rough."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compute_metrics(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    *,
    names: Sequence[str],
    confidence: NDArray[np.floating] | None = None,
    scores: NDArray[np.floating] | None = None,
    block: NDArray[np.int64] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Metrics:
    """Compute all metrics of predictions.

    Args:
        truth: (N,) class indices 0..K - 1.
        predicted: (N,) class indices, -1 = unknown.
        names: K class names.
        confidence: (N,) probability of each prediction; NaN where none is stated: no part of the calibration error.
        scores: (N, K) for the top-5 accuracy; a row of NaN (a series without a clear observation) counts as wrong.
        block: (N,) block of land of each sample; with two blocks or more there are intervals.
        draws, seed: number of draws and seed of the bootstrap.

    Raises:
        InputError: there are no samples, lengths differ, or a true index is out of range.
    """
    if len(truth) == 0 or len(truth) != len(predicted):
        raise InputError(f"{len(truth)} labels for {len(predicted)} predictions; expected equal numbers above 0.")
    if truth.min() < 0 or truth.max() >= len(names):
        raise InputError(f"Labels reach from {truth.min()} to {truth.max()}; expected 0..{len(names) - 1}.")
    sums = block_sums(truth, predicted, len(names), confidence=confidence, scores=scores, block=block)  # (G, M)
    whole = {key: value[0] for key, value in metrics_from_sums(sums.sum(axis=0)[None], len(names)).items()}
    intervals: dict[str, Any] = {}
    blocks = None if block is None else len(sums)
    if len(sums) > 1:
        drawn = [metrics_from_sums(part, len(names)) for part in block_draws(sums, draws=draws, seed=seed)]
        for key in whole:
            stacked = np.concatenate([part[key] for part in drawn])  # (draws,) or (draws, K)
            intervals[key] = np.apply_along_axis(percentile_interval, 0, stacked)  # (2,) or (2, K)
    return _assemble(truth, names, whole, intervals, blocks, predicted, _any_stated(confidence), scores)


def block_sums(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: int,
    *,
    confidence: NDArray[np.floating] | None = None,
    scores: NDArray[np.floating] | None = None,
    block: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Sums by block of land from which every metric can be computed, (G, 3 K + 1 + 3 BINS); G = 1 without blocks.

    Columns: samples by true class, by predicted class, and correct ones by class (K each), top-5 hits, then count,
    summed confidence and correct predictions by bin.
    """
    group = np.zeros(len(truth), np.int64) if block is None else np.unique(block, return_inverse=True)[1].ravel()
    out = np.zeros((int(group.max()) + 1, 3 * classes + 1 + 3 * BINS))
    np.add.at(out, (group, truth), 1)
    known, right = predicted >= 0, truth == predicted
    np.add.at(out, (group[known], classes + predicted[known]), 1)
    np.add.at(out, (group[right], 2 * classes + truth[right]), 1)
    if scores is not None:
        np.add.at(out[:, 3 * classes], group, top_k_hits(scores, truth, TOP))
    if confidence is not None:
        said = np.isfinite(confidence)
        stated = np.asarray(confidence, np.float64)[said]
        for part, value in enumerate((np.ones(len(stated)), stated, right[said])):
            np.add.at(out, (group[said], 3 * classes + 1 + part * BINS + confidence_bin(stated)), value)
    return out


def metrics_from_sums(sums: NDArray[np.float64], classes: int) -> dict[str, NDArray[np.float64]]:
    """Metrics of each of R rows of `block_sums`: name -> (R,), or (R, K) for precision, recall and f1.

    Means over classes are over the classes that are present in that row.
    """
    truth, predicted, hits = (sums[:, i * classes : (i + 1) * classes] for i in range(3))  # (R, K) each
    count = truth.sum(axis=1)  # (R,)
    present = truth > 0
    safe = np.maximum(present.sum(axis=1), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(present, hits / truth, np.nan)
        precision = np.where(present & (predicted > 0), hits / predicted, np.nan)
        f1 = np.where(present, 2 * hits / (truth + predicted), np.nan)
    bins = sums[:, 3 * classes + 1 :].reshape(len(sums), 3, BINS)  # (R, 3, bins)
    return {
        "accuracy": hits.sum(axis=1) / count,
        "balanced_accuracy": np.nansum(recall, axis=1) / safe,
        "macro_f1": np.nansum(f1, axis=1) / safe,
        "weighted_f1": np.nansum(f1 * truth, axis=1) / count,
        "top5_accuracy": sums[:, 3 * classes] / count,
        "calibration_error": np.abs(bins[:, 2] - bins[:, 1]).sum(axis=1) / np.maximum(bins[:, 0].sum(axis=1), 1),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def top_k_hits(scores: NDArray[np.floating], truth: NDArray[np.integer], k: int) -> NDArray[np.bool_]:
    """(N,) whether the true class is among the k highest scores of its row; k may exceed the number of classes.

    Of equal scores the first ranks higher, as with argmax. A row of NaN is never a hit.
    """
    own = scores[np.arange(len(truth)), truth][:, None]  # (N, 1)
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < truth[:, None]))
    return np.asarray((before.sum(axis=1) < k) & np.isfinite(own[:, 0]))


def confusion_matrix(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """(K, K + 1) counts: row = true class, column = predicted class, the last column `unknown`."""
    from sklearn import metrics

    column = np.where(predicted < 0, classes, predicted)
    counts = metrics.confusion_matrix(truth, column, labels=np.arange(classes + 1))  # (K + 1, K + 1)
    return np.asarray(counts[:classes], dtype=np.int64)


def accuracy_ranges(runs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Mean, minimum and maximum over repeats, by names of fields of `RobustnessPoint` and `FewShotPoint`.

    Args:
        runs: accuracy and balanced accuracy of each repeat.
    """
    found = np.array(runs)  # (repeats, 2)
    low, high = found.min(axis=0), found.max(axis=0)
    return {
        "accuracy": float(found[:, 0].mean()),
        "balanced_accuracy": float(found[:, 1].mean()),
        "accuracy_range": (float(low[0]), float(high[0])),
        "balanced_accuracy_range": (float(low[1]), float(high[1])),
    }


def reliability(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(bins, 3): count, mean confidence and share of correct predictions of each bin; NaN in empty bins.

    Predictions without a confidence (NaN) are left out.
    """
    confidence, right = confidence[np.isfinite(confidence)], right[np.isfinite(confidence)]
    slot = confidence_bin(confidence)
    count = np.bincount(slot, minlength=BINS)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(slot, weights=confidence, minlength=BINS) / count
        share = np.bincount(slot, weights=right, minlength=BINS) / count
    return np.stack([count, mean, share], axis=1)


def _any_stated(confidence: NDArray[np.floating] | None) -> bool:
    return confidence is not None and bool(np.isfinite(confidence).any())


def confidence_bin(confidence: NDArray[np.floating]) -> NDArray[np.int64]:
    """(N,) the bin of each confidence (N,), 0..`BINS` - 1."""
    return np.clip((np.asarray(confidence, np.float64) * BINS).astype(np.int64), 0, BINS - 1)


def _assemble(
    truth: NDArray[np.integer],
    names: Sequence[str],
    whole: dict[str, Any],
    intervals: dict[str, Any],
    blocks: int | None,
    predicted: NDArray[np.integer],
    calibrated: bool,
    scores: NDArray[np.floating] | None,
) -> Metrics:
    support = np.bincount(truth, minlength=len(names))
    per_class = ("precision", "recall", "f1")
    rows = []
    for k in np.flatnonzero(support):
        spread = {key: (float(intervals[key][0, k]), float(intervals[key][1, k])) for key in per_class if intervals}
        precision, recall, f1 = (float(whole[key][k]) for key in per_class)
        rows.append(ClassMetrics(names[int(k)], int(support[k]), precision, recall, f1, spread))
    overall = ["accuracy", "balanced_accuracy", "macro_f1", "weighted_f1"]
    topped = scores is not None and len(names) > TOP
    overall += ["top5_accuracy"] * topped + ["calibration_error"] * calibrated
    return Metrics(
        count=len(truth),
        accuracy=float(whole["accuracy"]),
        balanced_accuracy=float(whole["balanced_accuracy"]),
        macro_f1=float(whole["macro_f1"]),
        weighted_f1=float(whole["weighted_f1"]),
        top5_accuracy=float(whole["top5_accuracy"]) if topped else None,
        calibration_error=float(whole["calibration_error"]) if calibrated else None,
        unknown_share=float((predicted < 0).mean()),
        classes=tuple(rows),
        absent=tuple(name for k, name in enumerate(names) if not support[k]),
        intervals={key: (float(intervals[key][0]), float(intervals[key][1])) for key in overall if intervals},
        blocks=blocks,
    )
