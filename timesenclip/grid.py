"""Grids: where the pixels of a raster are on Earth, and windows of their rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from timesenclip.errors import GridError

__all__ = [
    "ALIGNED_PX",
    "Grid",
    "Window",
    "WindowLike",
    "as_affine",
    "pixel_lonlat",
    "pixel_xy",
    "resolution_m",
    "six_numbers",
    "window_transform",
]

ALIGNED_PX = 0.01
"""How far, in pixels of the finest grid, a coarser one may lie off it: coordinates are rounded in many files."""

_TRUE_TO_SCALE = 0.01


class Window(NamedTuple):
    """A rectangle of pixels: rows `row` to `row_end` and columns `column` to `column_end`, the ends exclusive."""

    row: int
    """First row."""
    row_end: int
    """The row after the last one."""
    column: int
    """First column."""
    column_end: int
    """The column after the last one."""

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> Window:
        """All of an area of (Y, X) pixels."""
        return cls(0, shape[0], 0, shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        return self.row_end - self.row, self.column_end - self.column

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        rows, columns = self.shape
        return rows * columns

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the last two axes, Y and X, of an array."""
        return slice(self.row, self.row_end), slice(self.column, self.column_end)

    @property
    def ranges(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((row, row_end), (column, column_end)), as rasterio takes windows."""
        return (self.row, self.row_end), (self.column, self.column_end)

    def shifted(self, rows: int, columns: int) -> Window:
        """The window so many rows further down and columns further right."""
        return Window(self.row + rows, self.row_end + rows, self.column + columns, self.column_end + columns)

    def grown(self, pixels: int) -> Window:
        """The window with a rim on all four sides."""
        return Window(self.row - pixels, self.row_end + pixels, self.column - pixels, self.column_end + pixels)

    def inside(self, shape: tuple[int, int]) -> Window:
        """The part that lies in an area of (Y, X) pixels; empty where none does."""
        rows, columns = shape
        row, column = min(max(self.row, 0), rows), min(max(self.column, 0), columns)
        return Window(row, min(max(self.row_end, row), rows), column, min(max(self.column_end, column), columns))


WindowLike: TypeAlias = Window | tuple[int, int, int, int]
"""What a user may give for a window: four plain numbers will do."""


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
    def transform(self) -> Affine:
        """Affine from (column, row) of a pixel's upper left corner to CRS units."""
        return Affine(self.dx, 0.0, self.x0, 0.0, self.dy, self.y0)

    def centres(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates of a window's pixel centres in CRS units: x of the columns (X,) and y of the rows (Y,)."""
        x = self.x0 + self.dx * (np.arange(window.column, window.column_end, dtype=np.float64) + 0.5)
        y = self.y0 + self.dy * (np.arange(window.row, window.row_end, dtype=np.float64) + 0.5)
        return x, y

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


def as_affine(transform: Affine | Sequence[float]) -> Affine:
    """An affine as such, or as its six numbers (a, b, c, d, e, f): x = a column + b row + c, y = d column + e row + f.

    Raises:
        GridError: there are not six numbers.
    """
    if isinstance(transform, Affine):
        return transform
    if len(transform) != 6:
        raise GridError(f"A transform of {len(transform)} numbers; expected an Affine, or six: a, b, c, d, e, f.")
    return Affine(*transform)


def six_numbers(transform: Affine) -> tuple[float, float, float, float, float, float]:
    """(a, b, c, d, e, f) of an affine, as they are written to files."""
    return transform.a, transform.b, transform.c, transform.d, transform.e, transform.f


def pixel_xy(transform: Affine, column: Any, row: Any) -> tuple[Any, Any]:
    """Coordinates (x, y) in CRS units of fractional columns and rows: numbers, or arrays that broadcast."""
    place: Any = (column, row)  # the affine package's types know numbers only
    x, y = transform @ place
    return x, y


def window_transform(transform: Affine, window: Window) -> Affine:
    """Affine of a window of a grid."""
    return transform @ Affine.translation(window.column, window.row)


def pixel_lonlat(
    crs: str, transform: Affine, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude (EPSG:4326) of every pixel centre, row by row: two arrays (Y * X,).

    Raises:
        GridError: the CRS cannot be understood.
    """
    from pyproj import CRS, Transformer
    from pyproj.exceptions import CRSError

    row, column = np.mgrid[0 : shape[0], 0 : shape[1]].reshape(2, -1) + 0.5
    try:
        to_degrees = Transformer.from_crs(CRS.from_user_input(crs), 4326, always_xy=True)
    except CRSError as error:
        raise GridError(f"Cannot understand the CRS '{crs}'; expected one such as EPSG:32631.") from error
    lon, lat = to_degrees.transform(*pixel_xy(transform, column, row))
    return np.asarray(lon), np.asarray(lat)


def resolution_m(crs: str, transform: Affine, shape: tuple[int, int]) -> float:
    """Side of a pixel in metres: the square root of its area, on the ground in the raster's middle.

    Projected metres count as metres where they are to 1 %, as in every UTM zone; in Web Mercator they are not.
    """
    from pyproj import CRS, Proj, Transformer

    area = abs(transform.determinant)
    reference = CRS.from_user_input(crs)
    x, y = pixel_xy(transform, shape[1] / 2, shape[0] / 2)
    if reference.is_geographic:
        return float(np.sqrt(area * 111_320.0**2 * np.cos(np.deg2rad(y))))
    lon, lat = Transformer.from_crs(reference, 4326, always_xy=True).transform(x, y)
    stretch = float(Proj(reference).get_factors(lon, lat).areal_scale)
    if abs(stretch - 1) > _TRUE_TO_SCALE:  # False for NaN, beyond the projection's reach
        area /= stretch
    return float(np.sqrt(area) * reference.axis_info[0].unit_conversion_factor)
