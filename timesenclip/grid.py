"""Grids: where the pixels of a raster are on Earth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import GridError

__all__ = ["pixel_lonlat", "resolution_m"]

_TRUE_TO_SCALE = 0.01
Transform = tuple[float, float, float, float, float, float]


def pixel_lonlat(
    crs: str, transform: Transform, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude (EPSG:4326) of every pixel centre, row by row: two arrays (Y * X,).

    Raises:
        GridError: the CRS cannot be understood.
    """
    from pyproj import CRS, Transformer
    from pyproj.exceptions import CRSError

    a, b, c, d, e, f = transform
    row, column = np.mgrid[0 : shape[0], 0 : shape[1]].reshape(2, -1) + 0.5
    try:
        to_degrees = Transformer.from_crs(CRS.from_user_input(crs), 4326, always_xy=True)
    except CRSError as error:
        raise GridError(f"Cannot understand the CRS '{crs}'; expected one such as EPSG:32631.") from error
    lon, lat = to_degrees.transform(a * column + b * row + c, d * column + e * row + f)
    return np.asarray(lon), np.asarray(lat)


def resolution_m(crs: str, transform: Transform, shape: tuple[int, int]) -> float:
    """Side of a pixel in metres: the square root of its area, on the ground in the raster's middle.

    Projected metres count as metres where they are to 1 %, as in every UTM zone; in Web Mercator they are not.
    """
    from pyproj import CRS, Proj, Transformer

    a, b, c, d, e, f = transform
    area = abs(a * e - b * d)
    reference = CRS.from_user_input(crs)
    row, column = shape[0] / 2, shape[1] / 2
    x, y = a * column + b * row + c, d * column + e * row + f
    if reference.is_geographic:
        return float(np.sqrt(area * 111_320.0**2 * np.cos(np.deg2rad(y))))
    lon, lat = Transformer.from_crs(reference, 4326, always_xy=True).transform(x, y)
    stretch = float(Proj(reference).get_factors(lon, lat).areal_scale)
    if abs(stretch - 1) > _TRUE_TO_SCALE:  # False for NaN, beyond the projection's reach
        area /= stretch
    return float(np.sqrt(area) * reference.axis_info[0].unit_conversion_factor)
