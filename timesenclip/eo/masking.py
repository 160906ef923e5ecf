"""Which observations are clear: the scene classification layer, dilated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import SCL_CLASSES
from timesenclip.errors import InputError

__all__ = ["DROPPED_SCL", "clear_mask"]

DROPPED_SCL: tuple[int, ...] = (0, 1, 3, 8, 9, 10)
"""No data, saturated, cloud shadow, medium and high cloud, cirrus. Snow (11) is a real surface and stays.
Differs: the authors keep 3 and 8 and drop 11 (defect 22)."""

DILATED_SCL: tuple[int, ...] = (3, 8, 9, 10)
"""Classes that grow by `dilate_px`: the rim of clouds and shadows is not clear either."""


def clear_mask(
    scl: NDArray[np.integer], *, drop: tuple[int, ...] = DROPPED_SCL, dilate_px: int = 1
) -> NDArray[np.bool_]:
    """True where an observation is clear.

    Args:
        scl: (..., Y, X) scene classification, 0..11.
        drop: classes that are not clear.
        dilate_px: grow clouds and shadows by this many pixels of the array's own grid (a square neighbourhood).

    Raises:
        InputError: values outside 0..11: this is no scene classification layer.
    """
    if scl.size and (int(scl.min()) < 0 or int(scl.max()) > max(SCL_CLASSES)):
        raise InputError(f"SCL holds {int(scl.min())}..{int(scl.max())}; expected classes 0..{max(SCL_CLASSES)}.")
    gone = np.isin(scl, drop)
    if dilate_px > 0 and scl.size:
        growing = np.isin(scl, tuple(set(DILATED_SCL) & set(drop)))
        gone |= _dilate(growing, dilate_px)
    return np.asarray(~gone)


def _dilate(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    from scipy.ndimage import maximum_filter

    size = (1,) * (mask.ndim - 2) + (2 * pixels + 1,) * 2
    return np.asarray(maximum_filter(mask, size=size, mode="constant", cval=0), dtype=np.bool_)
