"""Where the pixels of the area's grid lie in a file, and which value each of them takes: nearest, or bilinear."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError
from timesenclip.grid import Grid, Window
from timesenclip.messages import shorten_error

__all__ = ["PixelPlaces", "Resampling", "look_up_nearest", "read_around", "sample"]

Resampling: TypeAlias = Literal["nearest", "bilinear"]
Pixels: TypeAlias = tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]
"""Row and column of each pixel centre in a file, fractional; (y, 1) and (1, x), or (y, x) both."""


class PixelPlaces:
    """Where the pixels of a window lie in files; computed once for each grid of files."""

    def __init__(self, grid: Grid, epsg: int, box: Window) -> None:
        self.epsg = epsg
        self.x, self.y = grid.centres(box)
        self._known: dict[tuple[object, ...], Pixels] = {}

    def in_file(self, raster: Any) -> Pixels:
        """Rows and columns, in a file, of the window's pixel centres."""
        at = raster.transform
        if raster.crs is None or at.b != 0 or at.d != 0:
            raise InputError("the file has no CRS, or is rotated; expected a north-up image")
        key = (str(raster.crs), at)
        if key not in self._known:
            x, y = self._in_crs(raster.crs)
            self._known[key] = (y - at.f) / at.e, (x - at.c) / at.a
        return self._known[key]

    def _in_crs(self, crs: Any) -> Pixels:
        if crs.to_epsg() == self.epsg:
            return self.x[None, :], self.y[:, None]
        from pyproj import Transformer
        from pyproj.exceptions import ProjError

        try:
            to_file = Transformer.from_crs(self.epsg, crs.to_epsg() or crs.to_wkt(), always_xy=True)
        except ProjError as error:  # also what PROJ knows but cannot reach, such as the CRS of another planet
            raise InputError(f"no way from EPSG:{self.epsg} to its CRS ({shorten_error(error)})") from error
        x, y = to_file.transform(*np.meshgrid(self.x, self.y))  # (y, x) both
        return np.asarray(x), np.asarray(y)


def sample(raster: Any, places: PixelPlaces, way: Resampling) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values (y, x) of a file at the window's pixels, and where it has any."""
    rows, columns = places.in_file(raster)
    values, seen, first = read_around(raster, rows, columns, rim=1 if way == "bilinear" else 0)
    values = values.astype(np.float32)
    nearest = look_up_nearest(values, rows, columns, first, outside=np.float32(0))
    there = look_up_nearest(seen, rows, columns, first, outside=False)
    if way == "nearest":
        return nearest, there
    return _bilinear(values, seen & (values > 0), rows, columns, first, nearest), there


def read_around(
    raster: Any, rows: NDArray[np.floating[Any]], columns: NDArray[np.floating[Any]], *, rim: int
) -> tuple[NDArray[Any], NDArray[np.bool_], tuple[int, int]]:
    """The part of a file that covers the pixels, where it has values, and its first row and column."""
    top, left = (max(int(np.floor(part.min())) - rim, 0) for part in (rows, columns))
    bottom = min(int(np.floor(rows.max())) + 1 + rim, raster.height)
    right = min(int(np.floor(columns.max())) + 1 + rim, raster.width)
    if bottom <= top or right <= left:
        empty = np.zeros((0, 0), dtype=raster.dtypes[0])
        return empty, empty.astype(np.bool_), (0, 0)
    values = raster.read(1, window=((top, bottom), (left, right)))
    seen = np.ones(values.shape, dtype=np.bool_)
    if raster.nodata is not None and not np.isnan(raster.nodata):
        seen = values != raster.nodata
    return values, seen, (top, left)


def look_up_nearest(
    values: NDArray[Any],
    rows: NDArray[np.floating[Any]],
    columns: NDArray[np.floating[Any]],
    first: tuple[int, int],
    *,
    outside: Any,
) -> NDArray[Any]:
    """The value whose pixel holds each place; `outside` beyond the file."""
    row, column = np.floor(rows).astype(np.intp) - first[0], np.floor(columns).astype(np.intp) - first[1]
    in_rows, in_columns = (row >= 0) & (row < values.shape[0]), (column >= 0) & (column < values.shape[1])
    if not (in_rows.any() and in_columns.any()):
        return np.full(np.broadcast_shapes(row.shape, column.shape), outside, dtype=values.dtype)
    row, column = np.clip(row, 0, values.shape[0] - 1), np.clip(column, 0, values.shape[1] - 1)
    if row.shape[1] == column.shape[0] == 1:  # a file in the map's CRS: rows, then columns, three times faster
        found = values.take(row[:, 0], axis=0).take(column[0], axis=1)
    else:
        found = values[row, column]
    if not (in_rows.all() and in_columns.all()):
        found = np.where(in_rows & in_columns, found, outside)
    return np.asarray(found)


def _bilinear(
    values: NDArray[np.float32],
    seen: NDArray[np.bool_],
    rows: NDArray[np.floating[Any]],
    columns: NDArray[np.floating[Any]],
    first: tuple[int, int],
    nearest: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Linear between the four neighbours; the nearest value where one of them is missing."""
    low_row, low_column = np.floor(rows - 0.5), np.floor(columns - 0.5)
    down, right = rows - 0.5 - low_row, columns - 0.5 - low_column
    total = np.zeros(nearest.shape, dtype=np.float64)
    whole = np.ones(nearest.shape, dtype=np.bool_)
    for step_row, weight_row in ((0, 1 - down), (1, down)):
        for step_column, weight_column in ((0, 1 - right), (1, right)):
            at = low_row + step_row, low_column + step_column
            total += weight_row * weight_column * look_up_nearest(values, *at, first, outside=np.float32(0))
            whole &= look_up_nearest(seen, *at, first, outside=False)
    return np.where(whole, total, nearest).astype(np.float32)
