"""Counts of a comparison of two stores: distances, and transitions between classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.ground.taxonomy import Taxonomy

__all__ = ["DistanceHistogram", "Transition", "TransitionCounts"]

_BINS = 4000
"""Bins of distances 0..2: as fine as eight bits can distinguish."""


@dataclass(frozen=True, slots=True)
class Transition:
    """Pixels whose class changed from one class to another."""

    before: str
    """Class in the first store."""
    after: str
    """Class in the second store."""
    pixels: int
    """Number of pixels."""
    hectares: float
    """Area in hectares."""


class DistanceHistogram:
    """Cosine distances 0..2 of an area, counted block by block."""

    def __init__(self) -> None:
        """Begin with empty counts."""
        self._counts = np.zeros(_BINS, dtype=np.int64)

    def add(self, distance: NDArray[np.float32]) -> None:
        """Count distances (N,)."""
        self._counts += np.histogram(distance, bins=_BINS, range=(0.0, 2.0))[0]

    @property
    def total(self) -> int:
        """Number of distances."""
        return int(self._counts.sum())

    def quantile(self, share: float) -> float:
        """The distance below which a share 0..1 of all lie, to the width of a bin."""
        total = np.cumsum(self._counts)
        return float((np.searchsorted(total, total[-1] * share) + 0.5) * 2 / _BINS)

    def outlier_threshold(self) -> float:
        """Median + 3 x 1.4826 x the median absolute deviation: a threshold for outliers of the distances."""
        median = self.quantile(0.5)
        centres = (np.arange(_BINS) + 0.5) * 2 / _BINS
        order = np.argsort(np.abs(centres - median), kind="stable")
        total = np.cumsum(self._counts[order])
        deviation = abs(centres[order][int(np.searchsorted(total, total[-1] / 2))] - median)
        return float(min(2.0, median + 3 * 1.4826 * max(deviation, 2 / _BINS)))


class TransitionCounts:
    """How many pixels went from one class to another."""

    def __init__(self) -> None:
        """Begin with empty counts."""
        self._counts = np.zeros((256, 256), dtype=np.int64)

    def add(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
        """Count pixels (N,) by their values in both class maps."""
        pairs = before.astype(np.int64) * 256 + after
        self._counts += np.bincount(pairs, minlength=256 * 256).reshape(256, 256)

    def transitions(self, taxonomy: Taxonomy, pixel_m: float) -> tuple[Transition, ...]:
        """The pairs of different classes that occur, the most frequent first.

        Args:
            taxonomy: the classes.
            pixel_m: side of a pixel in metres.
        """
        names, counts = ["unknown", *taxonomy.names], self._counts
        pairs = [(int(counts[a, b]), a, b) for a in range(len(names)) for b in range(len(names)) if a != b]
        return tuple(
            Transition(names[a], names[b], pixels, pixels * pixel_m**2 / 10_000)
            for pixels, a, b in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))
            if pixels
        )
