"""Clouds are masked here: which observations are clear by the scene classification (SCL), with a rim around clouds.

Cubes (`cube/source.py`) and scenes (`stac/reader.py`) call `clear_where_seen` on SCL's own grid, with a rim read around
the window: a cloud outside the window grows into it, and a pixel's mask does not depend on the block in which it
is read.
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import SCL_CLASSES, SCL_NAME
from timesenclip.errors import DegradedInputWarning, InputError

__all__ = ["DROPPED_SCL", "MaskNotice", "clear_mask", "clear_where_seen", "describe_mask"]

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


def clear_where_seen(values: NDArray[Any], seen: NDArray[np.bool_], *, dilate_px: int) -> NDArray[np.bool_]:
    """True where a scene classification is clear; values as they are in a file.

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


_LOCK = threading.Lock()
"""Held while the warning is given, so that only one of several threads gives it. Not part of `MaskNotice`, because
a lock cannot be pickled."""


@dataclass
class MaskNotice:
    """Warns once for an opened area that its clouds are not masked, since it has no SCL; pickled with the area."""

    given: bool = False
    """Whether the warning was given. One that is raised as an error does not count: the next attempt must fail, too."""

    def give(self, source_name: str, *, stacklevel: int = 2) -> None:
        """Give the warning, unless it was given before.

        Args:
            source_name: name of the area.
            stacklevel: as of `warnings.warn`, counted from the caller.

        Warns:
            DegradedInputWarning: clouds are not masked.
        """
        with _LOCK:
            if not self.given:
                warnings.warn(
                    f"{source_name} has no {SCL_NAME}, so clouds are not masked; add it, or read with mask=False if "
                    "the images are composites of clear observations.",
                    DegradedInputWarning,
                    stacklevel=stacklevel + 1,
                )
                self.given = True


def _dilate(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    from scipy.ndimage import maximum_filter

    size = (1,) * (mask.ndim - 2) + (2 * pixels + 1,) * 2
    return np.asarray(maximum_filter(mask, size=size, mode="constant", cval=0), dtype=np.bool_)
