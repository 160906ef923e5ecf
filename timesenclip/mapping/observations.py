"""What a block reads of an area, and what is kept of its composites besides the embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import band_index
from timesenclip.eo.area import AreaSource
from timesenclip.eo.composite import masked_median
from timesenclip.eo.outliers import Outliers, cube_without_outliers
from timesenclip.eo.period import Every, Period
from timesenclip.errors import NoClearObservationError
from timesenclip.grid import Window
from timesenclip.series import Cube

__all__ = ["clear_count", "read_composites", "true_colour"]


def read_composites(
    source: AreaSource, window: Window, period: Period | None, every: Every, outliers: Outliers = "drop"
) -> Cube | None:
    """Composites of a window, without outlying steps or with them; None where the source saw nothing of it clearly.

    Raises:
        OSError: a file cannot be read.
        TimeError: the period has no date.
    """
    try:
        return cube_without_outliers(source.read(window, period=period, every=every), outliers)
    except NoClearObservationError:
        return None


def clear_count(cube: Cube) -> NDArray[np.uint16]:
    """(Y, X) clear observations; where a cube does not count them, its composites that have at least one."""
    counted = getattr(cube, "observations", None)
    counts = np.asarray(cube.valid if counted is None else counted)
    total = counts.sum(axis=0) if counts.ndim == 3 else counts
    return np.asarray(np.minimum(total, np.iinfo(np.uint16).max), dtype=np.uint16)


def true_colour(cube: Cube) -> NDArray[np.uint8]:
    """(Y, X, 3) sqrt(reflectance) of B04, B03, B02 x 255, median of the steps; 0 = never seen, 1 = no such band."""
    bands = [band_index(name) for name in ("red", "green", "blue")]
    colour = cube.reflectance[:, bands]  # (T, 3, Y, X)
    seen = np.broadcast_to(cube.valid[:, None], colour.shape)
    if cube.band_valid is not None:
        seen = seen & cube.band_valid[:, bands]
    median = masked_median(colour, seen)  # (3, Y, X)
    scaled = np.rint(np.sqrt(np.clip(median, 0.0, 1.0)) * 255)
    # 0 is kept for "never seen": the darkest pixel that was seen is 1.
    return np.where(cube.valid.any(axis=0), np.maximum(scaled, 1), 0).astype(np.uint8).transpose(1, 2, 0).copy()
