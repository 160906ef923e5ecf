"""Figures of merit for labels and probabilities, with the classes that are absent named and left out.

With `block` every figure gets a 95 % interval from a bootstrap over blocks of land (`timesenclip.evaluation.bootstrap`).
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
    "ClassFigures",
    "Figures",
    "block_sums",
    "calibration_error",
    "confusion_matrix",
    "figures",
    "figures_of_sums",
    "reliability",
    "top_k_hits",
]

BINS = 15
"""Bins of the reliability diagram, as Guo et al. 2017."""
TOP = 5

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class."""

    name: str
    """Its name."""
    support: int
    """Samples that truly are of it."""
    precision: float
    """Share of its predictions that are right; NaN where it was never predicted."""
    recall: float
    """Share of its samples that were found."""
    f1: float
    """Harmonic mean of the two."""
    intervals: dict[str, Interval] = field(default_factory=dict)
    """95 % intervals of precision, recall and f1, where asked for."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A set of predictions against the truth."""

    count: int
    """Samples."""
    accuracy: float
    """Share of right answers (top-1); `unknown` is a wrong one."""
    balanced_accuracy: float
    """Average class accuracy: mean recall of the classes that are present."""
    macro_f1: float
    """Mean F1 of the classes that are present."""
    weighted_f1: float
    """Mean F1 of the classes that are present, weighted by their samples."""
    top5_accuracy: float | None
    """Share of samples whose class is among the five best scores; None without scores, or with five classes or fewer
    (it would be 1 by itself)."""
    calibration_error: float | None
    """Expected calibration error, where confidences were given."""
    unknown_share: float
    """Share of samples answered with `unknown`."""
    classes: tuple[ClassFigures, ...]
    """The classes that are present."""
    absent: tuple[str, ...]
    """Classes without a single sample: not counted anywhere."""
    intervals: dict[str, Interval] = field(default_factory=dict)
    """95 % intervals by field name, where asked for."""
    blocks: int | None = None
    """Blocks of land the intervals come from; few blocks make rough intervals."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def figures(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    *,
    names: Sequence[str],
    confidence: NDArray[np.floating] | None = None,
    scores: NDArray[np.floating] | None = None,
    block: NDArray[np.int64] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Figures:
    """Compare predictions with the truth.

    Args:
        truth: (N,) class indices 0..K - 1.
        predicted: (N,) class indices, -1 = unknown.
        names: K class names.
        confidence: (N,) probability of each prediction.
        scores: (N, K) for the top-5; a row of NaN (never seen) is wrong.
        block: (N,) block of land of each sample, for the intervals; at least two blocks are needed.
        draws, seed: of the bootstrap.

    Raises:
        InputError: nothing to compare, lengths differ, or a true index is out of range.
    """
    if len(truth) == 0 or len(truth) != len(predicted):
        raise InputError(f"{len(truth)} labels for {len(predicted)} predictions; expected equal numbers above 0.")
    if truth.min() < 0 or truth.max() >= len(names):
        raise InputError(f"Labels reach from {truth.min()} to {truth.max()}; expected 0..{len(names) - 1}.")
    sums = block_sums(truth, predicted, len(names), confidence=confidence, scores=scores, block=block)  # (G, M)
    whole = {key: value[0] for key, value in figures_of_sums(sums.sum(axis=0)[None], len(names)).items()}
    intervals: dict[str, Any] = {}
    blocks = None if block is None else len(sums)
    if len(sums) > 1:
        drawn = [figures_of_sums(part, len(names)) for part in block_draws(sums, draws=draws, seed=seed)]
        for key in whole:
            stacked = np.concatenate([part[key] for part in drawn])  # (draws,) or (draws, K)
            intervals[key] = np.apply_along_axis(percentile_interval, 0, stacked)  # (2,) or (2, K)
    return _assemble(truth, names, whole, intervals, blocks, predicted, confidence is not None, scores)


def block_sums(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    classes: int,
    *,
    confidence: NDArray[np.floating] | None = None,
    scores: NDArray[np.floating] | None = None,
    block: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """The sums that every figure is made of, by block of land, (G, 3 K + 1 + 3 BINS); G = 1 without blocks.

    Columns: true class, predicted class and hits by class (K each), top-5 hits, then count, confidence and hits by bin.
    """
    group = np.zeros(len(truth), np.int64) if block is None else np.unique(block, return_inverse=True)[1].ravel()
    out = np.zeros((int(group.max()) + 1, 3 * classes + 1 + 3 * BINS))
    np.add.at(out, (group, truth), 1)
    said, right = predicted >= 0, truth == predicted
    np.add.at(out, (group[said], classes + predicted[said]), 1)
    np.add.at(out, (group[right], 2 * classes + truth[right]), 1)
    if scores is not None:
        np.add.at(out[:, 3 * classes], group, top_k_hits(scores, truth, TOP))
    if confidence is not None:
        slot = _bin(confidence)
        for part, value in enumerate((np.ones(len(truth)), np.asarray(confidence, np.float64), right)):
            np.add.at(out, (group, 3 * classes + 1 + part * BINS + slot), value)
    return out


def figures_of_sums(sums: NDArray[np.float64], classes: int) -> dict[str, NDArray[np.float64]]:
    """Figures of R rows of `block_sums`: name -> (R,), or (R, K) for precision, recall and f1.

    Means over classes are over those that are present in a set.
    """
    truth, said, hits = (sums[:, i * classes : (i + 1) * classes] for i in range(3))  # (R, K) each
    count = truth.sum(axis=1)  # (R,)
    present = truth > 0
    safe = np.maximum(present.sum(axis=1), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(present, hits / truth, np.nan)
        precision = np.where(present & (said > 0), hits / said, np.nan)
        f1 = np.where(present, 2 * hits / (truth + said), np.nan)
    bins = sums[:, 3 * classes + 1 :].reshape(len(sums), 3, BINS)  # (R, 3, bins)
    return {
        "accuracy": hits.sum(axis=1) / count,
        "balanced_accuracy": np.nansum(recall, axis=1) / safe,
        "macro_f1": np.nansum(f1, axis=1) / safe,
        "weighted_f1": np.nansum(f1 * truth, axis=1) / count,
        "top5_accuracy": sums[:, 3 * classes] / count,
        "calibration_error": np.abs(bins[:, 2] - bins[:, 1]).sum(axis=1) / count,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def top_k_hits(scores: NDArray[np.floating], truth: NDArray[np.integer], k: int) -> NDArray[np.bool_]:
    """(N,) whether the true class is among the k best scores of its row; fewer than k classes are no error.

    Of equal scores the first counts as the better one, as with argmax. A row of NaN is never a hit.
    """
    own = scores[np.arange(len(truth)), truth][:, None]  # (N, 1)
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < truth[:, None]))
    return np.asarray((before.sum(axis=1) < k) & np.isfinite(own[:, 0]))


def confusion_matrix(truth: NDArray[np.integer], predicted: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """(K, K + 1) counts: row = true class, column = predicted class, the last column `unknown`."""
    said = np.where(predicted < 0, classes, predicted)
    flat = np.bincount(truth * (classes + 1) + said, minlength=classes * (classes + 1))
    return np.asarray(flat.reshape(classes, classes + 1), dtype=np.int64)


def reliability(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(bins, 3): count, mean confidence and share of right answers in each bin; NaN in empty ones."""
    slot = _bin(confidence)
    count = np.bincount(slot, minlength=BINS)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(slot, weights=confidence, minlength=BINS) / count
        share = np.bincount(slot, weights=right, minlength=BINS) / count
    return np.stack([count, mean, share], axis=1)


def calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_], *, bins: int = BINS) -> float:
    """Expected calibration error over equal-width bins. Source: Guo et al. 2017, arXiv:1706.04599.

    Args:
        confidence: (N,) probability of each prediction, 0..1.
        right: (N,) whether it was right.
        bins: number of bins.
    """
    slot = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        here = slot == b
        if here.any():
            total += float(here.mean()) * abs(float(right[here].mean()) - float(np.asarray(confidence)[here].mean()))
    return total


def _bin(confidence: NDArray[np.floating]) -> NDArray[np.int64]:
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
) -> Figures:
    support = np.bincount(truth, minlength=len(names))
    per_class = ("precision", "recall", "f1")
    rows = []
    for k in np.flatnonzero(support):
        spread = {key: (float(intervals[key][0, k]), float(intervals[key][1, k])) for key in per_class if intervals}
        precision, recall, f1 = (float(whole[key][k]) for key in per_class)
        rows.append(ClassFigures(names[int(k)], int(support[k]), precision, recall, f1, spread))
    overall = ["accuracy", "balanced_accuracy", "macro_f1", "weighted_f1"]
    topped = scores is not None and len(names) > TOP
    overall += ["top5_accuracy"] * topped + ["calibration_error"] * calibrated
    return Figures(
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
