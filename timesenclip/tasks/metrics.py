"""Figures of merit for labels and probabilities, with the classes that are absent named and left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError

__all__ = ["ClassFigures", "Figures", "calibration_error", "figures"]


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


@dataclass(frozen=True, slots=True)
class Figures:
    """A set of predictions against the truth."""

    count: int
    """Samples."""
    accuracy: float
    """Share of right answers; `unknown` is a wrong one."""
    balanced_accuracy: float
    """Mean recall of the classes that are present."""
    macro_f1: float
    """Mean F1 of the classes that are present."""
    calibration_error: float | None
    """Expected calibration error, where confidences were given."""
    unknown_share: float
    """Share of samples answered with `unknown`."""
    classes: tuple[ClassFigures, ...]
    """The classes that are present."""
    absent: tuple[str, ...]
    """Classes without a single sample: not counted anywhere."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def figures(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    *,
    names: Sequence[str],
    confidence: NDArray[np.floating] | None = None,
) -> Figures:
    """Compare predictions with the truth.

    Args:
        truth: (N,) class indices 0..K - 1.
        predicted: (N,) class indices, -1 = unknown.
        names: K class names.
        confidence: (N,) probability of each prediction.

    Raises:
        InputError: nothing to compare, lengths differ, or a true index is out of range.
    """
    if len(truth) == 0 or len(truth) != len(predicted):
        raise InputError(f"{len(truth)} labels for {len(predicted)} predictions; expected equal numbers above 0.")
    if truth.min() < 0 or truth.max() >= len(names):
        raise InputError(f"Labels reach from {truth.min()} to {truth.max()}; expected 0..{len(names) - 1}.")
    rows = []
    for k, name in enumerate(names):
        mine, said = truth == k, predicted == k
        if not mine.any():
            continue
        hits = int((mine & said).sum())
        precision = hits / int(said.sum()) if said.any() else float("nan")
        recall = hits / int(mine.sum())
        rows.append(
            ClassFigures(name, int(mine.sum()), precision, recall, 2 * hits / (int(mine.sum()) + int(said.sum())))
        )
    right = truth == predicted
    return Figures(
        count=len(truth),
        accuracy=float(right.mean()),
        balanced_accuracy=float(np.mean([row.recall for row in rows])),
        macro_f1=float(np.mean([row.f1 for row in rows])),
        calibration_error=None if confidence is None else calibration_error(confidence, right),
        unknown_share=float((predicted < 0).mean()),
        classes=tuple(rows),
        absent=tuple(name for k, name in enumerate(names) if not (truth == k).any()),
    )


def calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_], *, bins: int = 15) -> float:
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
