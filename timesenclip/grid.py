"""Grids: where the pixels of a raster are on Earth, and windows of their rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import GridError

__all__ = ["ALIGNED_PX", "Grid", "Transform", "Window", "pixel_lonlat", "resolution_m"]

_TRUE_TO_SCALE = 0.01
Transform = tuple[float, float, float, float, float, float]
"""Affine (a, b, c, d, e, f) from (column, row) of a pixel's upper left corner to CRS units."""

Window = tuple[int, int, int, int]
"""(first row, last row, first column, last column), the last ones exclusive."""

ALIGNED_PX = 0.01
"""How far, in pixels of the finest grid, a coarser one may lie off it: coordinates are rounded in many files."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a raster's pixels are."""

    x0: float
    """Left edge, in CRS units."""
    y0: float
    """Upper edge, in CRS units."""
    dx: float
    """Width of a pixel."""
    dy: float
    """Height of a pixel, negative: rows run south."""
    shape: tuple[int, int]
    """(Y, X) in pixels."""

    @property
    def transform(self) -> Transform:
        """Affine (a, b, c, d, e, f)."""
        return self.dx, 0.0, self.x0, 0.0, self.dy, self.y0

    def matches(self, other: Grid) -> bool:
        """Whether both have the same pixels."""
        near = ALIGNED_PX * abs(self.dx)
        ends = (self.x0 - other.x0, self.y0 - other.y0, (self.dx - other.dx) * self.shape[1])
        return self.shape == other.shape and all(
            abs(gap) < near for gap in (*ends, (self.dy - other.dy) * self.shape[0])
        )

    def __str__(self) -> str:
        """`32 x 32 pixels of 20 from (501360, 5629680)`."""
        return f"{self.shape[0]} x {self.shape[1]} pixels of {self.dx:g} from ({self.x0:.10g}, {self.y0:.10g})"


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
