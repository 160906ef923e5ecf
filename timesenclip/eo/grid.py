"""Grids: where the pixels of a raster are on Earth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import GridError

__all__ = ["pixel_lonlat", "resolution_m"]

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
    """Side of a pixel in metres: the square root of its area; in degrees, at the raster's middle."""
    from pyproj import CRS

    a, b, _, d, e, _ = transform
    area = abs(a * e - b * d)
    reference = CRS.from_user_input(crs)
    if reference.is_geographic:
        _, lat = pixel_lonlat(crs, transform, shape)
        area *= (111_320.0**2) * float(np.cos(np.deg2rad(np.median(lat))))
        return float(np.sqrt(area))
    return float(np.sqrt(area) * reference.axis_info[0].unit_conversion_factor)
