"""Rasters of labels: whole numbers on the grid of a cube, from a GeoTIFF or a variable of a netCDF file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.cube.netcdf import open_netcdf
from timesenclip.eo.rasters import open_raster
from timesenclip.errors import DataNotFoundError, GridError, InputError
from timesenclip.grid import Grid
from timesenclip.messages import shorten_error
from timesenclip.series import Cube

__all__ = ["read_labels"]

_NO_LABEL = np.iinfo(np.int64).min
"""Stands for NaN; no class has such a code."""


def read_labels(text: str, *, on: Cube | None = None) -> NDArray[np.int64]:
    """Read a label raster: `FILE.tif`, or `FILE.nc:VARIABLE`.

    Args:
        text: file, and variable.
        on: cube whose pixels the labels are of; a GeoTIFF on another grid is refused, as far as it says where it is.

    Raises:
        DataNotFoundError: the file does not exist or cannot be read.
        GridError: the labels are on another grid than the cube.
        InputError: the file has no such variable, or holds other values than whole numbers.
    """
    name, _, variable = text.rpartition(":") if ".nc:" in text else (text, "", "")
    file = Path(name)
    if not file.is_file():
        raise DataNotFoundError(f"No label raster at '{file}'; give FILE.tif or FILE.nc:VARIABLE.")
    try:
        values = _values(file, variable, on)
    except (InputError, GridError):
        raise
    except Exception as error:  # rasterio, h5py and h5netcdf raise many types; all mean that the file cannot be read
        reason = shorten_error(error.__cause__ or error)
        raise DataNotFoundError(
            f"Cannot read labels from '{file}' ({reason}); give FILE.tif or FILE.nc:VARIABLE."
        ) from error
    return _whole_numbers(values, text)


def _values(file: Path, variable: str, on: Cube | None) -> NDArray[Any]:
    if file.suffix.lower() in (".tif", ".tiff"):
        with open_raster(file) as raster:
            if on is not None:
                _check_place(raster, on, file)
            return np.asarray(raster.read(1))
    with open_netcdf(file) as dataset:
        if variable not in dataset:
            raise InputError(f"'{file}' has no variable '{variable}'; it has {', '.join(map(str, dataset.data_vars))}.")
        return np.asarray(dataset[variable].values)


def _check_place(raster: Any, cube: Cube, file: Path) -> None:
    """Compare grid and CRS; a raster without either is taken to be on the grid if its shape is that of the cube."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    if raster.shape != cube.shape:
        raise GridError(f"'{file}' has {raster.shape} pixels and the cube {cube.shape}; put them on one grid.")
    at, to = raster.transform, cube.transform
    grids = [Grid(one.c, one.f, one.a, one.e, cube.shape) for one in (at, to)]
    if not at.is_identity and (not grids[0].matches(grids[1]) or at.b or at.d):
        raise GridError(f"'{file}' is on another grid ({grids[0]}) than the cube ({grids[1]}); put them on one grid.")
    if raster.crs is None:
        return
    try:
        codes = raster.crs.to_epsg(), CRS.from_user_input(cube.crs).to_epsg()
    except CRSError:
        return
    if None not in codes and codes[0] != codes[1]:
        raise GridError(f"'{file}' is in EPSG:{codes[0]}, the cube in EPSG:{codes[1]}; put them on one grid.")


def _whole_numbers(values: NDArray[Any], text: str) -> NDArray[np.int64]:
    """Labels as whole numbers; NaN is no label."""
    if values.dtype.kind in "biu":
        return values.astype(np.int64)
    if values.dtype.kind != "f":
        raise InputError(f"The labels of '{text}' are of the type {values.dtype}; expected whole numbers.")
    given = np.isnan(values)
    odd = ~given & (values != np.rint(values)) | (np.abs(values) > 2**53)
    if odd.any():
        raise InputError(
            f"The labels of '{text}' hold {values[odd][0]:g}; expected whole numbers, the codes of classes."
        )
    return np.where(given, 0, values).astype(np.int64) + np.where(given, _NO_LABEL, 0)
