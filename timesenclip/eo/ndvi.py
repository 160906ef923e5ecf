"""The vegetation index of series of any bands, for features, pictures and comparisons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import band_index
from timesenclip.series import PixelSeries

__all__ = ["ndvi"]

_RED, _NIR, _NARROW_NIR = band_index("red"), band_index("nir"), band_index("nir08")


def ndvi(series: PixelSeries) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(near infrared - red) / (near infrared + red) of each step (N, T), and where it is known (N, T); 0 elsewhere.

    Near infrared is B08, or B8A where there is no B08 (Landsat, HLS). The pixels of a patch are averaged first.
    """
    values = series.reflectance
    values = values.mean(axis=(3, 4)) if values.ndim == 5 else values  # (N, T, C)
    seen = series.bands_seen()
    red, nir = values[..., _RED], np.where(seen[..., _NIR], values[..., _NIR], values[..., _NARROW_NIR])
    known = seen[..., _RED] & (seen[..., _NIR] | seen[..., _NARROW_NIR])
    index = (nir - red) / np.maximum(nir + red, 1e-6)
    return np.where(known, index, 0).astype(np.float32), known
