"""The month in which two years of a place differ most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.series import Cube

__all__ = ["month_of_change"]


def month_of_change(before: Cube, after: Cube) -> NDArray[np.uint8]:
    """Calendar month, 1..12, in which the reflectance of a pixel differs most; 0 where no month was seen in both.

    The difference is the root mean square, over the bands that both have, of the differences of the square roots of
    reflectance, so that a change in dark water counts like one on bright soil.

    Args:
        before, after: monthly composites of one window, of any two stretches of time.

    Returns:
        (Y, X)
    """
    best = np.zeros(before.shape, dtype=np.float32)
    month = np.zeros(before.shape, dtype=np.uint8)
    for i, start in enumerate(before.start):
        number = _month(start)
        for j in np.flatnonzero([_month(other) == number for other in after.start]):
            difference = np.sqrt(np.maximum(after.reflectance[j], 0)) - np.sqrt(np.maximum(before.reflectance[i], 0))
            size = np.sqrt(_mean(difference**2, _seen_in_both(before, i, after, int(j))))  # (Y, X)
            larger = before.valid[i] & after.valid[j] & (size > best)
            best = np.where(larger, size, best)
            month[larger] = number
    return month


def _seen_in_both(before: Cube, i: int, after: Cube, j: int) -> NDArray[np.bool_] | None:
    """(C, Y, X) bands that step i of one cube and step j of the other have; None: all of them."""
    masks = [cube.band_valid[step] for cube, step in ((before, i), (after, j)) if cube.band_valid is not None]
    return None if not masks else np.logical_and.reduce(masks)


def _mean(squares: NDArray[np.float32], seen: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Mean over the bands (C, Y, X) that were seen; 0 where none was."""
    if seen is None:
        return np.asarray(squares.mean(axis=0))
    total = np.sum(squares, axis=0, where=seen, dtype=np.float32)
    return np.asarray(total / np.maximum(seen.sum(axis=0), 1), dtype=np.float32)


def _month(day: np.datetime64) -> int:
    return int(day.astype("datetime64[M]").astype(int)) % 12 + 1
