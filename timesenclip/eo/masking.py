"""Clouds are masked here: which observations are clear by the scene classification (SCL), with a rim around clouds.

- `clear_mask`: SCL that is whole, as arrays of classes. Sen4Map (`data/monthly.py`) calls it on pixels of 10 m.
- `clear_where_seen`: SCL as a file holds it, any type, with holes, which count as class 0 (no data). Cubes
  (`cube/source.py`) and scenes (`stac/reader.py`) call it on SCL's own grid.

All of them read a rim around the window: a cloud outside the window grows into it, and a pixel's mask does not depend
on the block in which it is read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import SCL_CLASSES
from timesenclip.errors import InputError

__all__ = ["DILATE_PX", "DROPPED_SCL", "clear_mask", "clear_where_seen", "describe_mask"]

DROPPED_SCL: tuple[int, ...] = (0, 1, 3, 8, 9, 10)
"""No data, saturated, cloud shadow, medium and high cloud, cirrus. Snow (11) is a real surface and stays.
Differs: the authors' composites keep cloud shadow (3) and medium cloud (8), and drop snow (11)."""

DILATED_SCL: tuple[int, ...] = (3, 8, 9, 10)
"""Classes that grow by `dilate_px`: the rim of clouds and shadows is not clear either."""

DILATE_PX = 1
"""Default of `dilate_px` where SCL has its own grid of 20 m. Sen4Map has SCL on 10 m and grows by 2 pixels: as far."""


def clear_mask(scl: NDArray[np.integer], *, dilate_px: int = DILATE_PX) -> NDArray[np.bool_]:
    """True where an observation is clear; every value must be a class (`clear_where_seen` takes files with holes).

    Args:
        scl: (..., Y, X) scene classification, 0..11.
        dilate_px: grow clouds and shadows by this many pixels of the array's own grid (a square neighbourhood).

    Raises:
        InputError: values outside 0..11: this is no scene classification layer.
    """
    if scl.size and (int(scl.min()) < 0 or int(scl.max()) > max(SCL_CLASSES)):
        raise InputError(f"SCL holds {int(scl.min())}..{int(scl.max())}; expected classes 0..{max(SCL_CLASSES)}.")
    gone = np.isin(scl, DROPPED_SCL)
    if dilate_px > 0 and scl.size:
        gone |= _dilate(np.isin(scl, DILATED_SCL), dilate_px)
    return np.asarray(~gone)


def clear_where_seen(values: NDArray[Any], seen: NDArray[np.bool_], *, dilate_px: int) -> NDArray[np.bool_]:
    """True where an observation is clear: `clear_mask` of values as a file holds them, "no data" where it has none.

    Args:
        values: (..., Y, X) of any type; NaN is "no data".
        seen: same shape, False where the file has no value.
        dilate_px: as `clear_mask`.

    Raises:
        InputError: as `clear_mask`.
    """
    return clear_mask(np.where(seen & np.isfinite(values), values, 0).astype(np.int16), dilate_px=dilate_px)


def describe_mask(*, masked: bool, dilate_px: int) -> str:
    """What was masked, for the provenance."""
    return f"SCL without {list(DROPPED_SCL)}, dilated by {dilate_px} pixel(s)" if masked else "none"


def _dilate(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    from scipy.ndimage import maximum_filter

    size = (1,) * (mask.ndim - 2) + (2 * pixels + 1,) * 2
    return np.asarray(maximum_filter(mask, size=size, mode="constant", cval=0), dtype=np.bool_)
