"""The month in which two years of a place differ most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.series import Cube

__all__ = ["month_of_change"]


def month_of_change(before: Cube, after: Cube) -> NDArray[np.uint8]:
    """Calendar month, 1..12, in which the reflectance of a pixel differs most; 0 where no month was seen in both.

    The difference is the root mean square over the ten bands of the square roots of reflectance, so that a change in
    dark water counts like one on bright soil.

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
            size = np.sqrt((difference**2).mean(axis=0))  # (Y, X)
            larger = before.valid[i] & after.valid[j] & (size > best)
            best = np.where(larger, size, best)
            month[larger] = number
    return month


def _month(day: np.datetime64) -> int:
    return int(day.astype("datetime64[M]").astype(int)) % 12 + 1
