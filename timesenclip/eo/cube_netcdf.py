"""Cubes in netCDF and Zarr: one dataset, or several on nested grids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, SCL_NAME, canonical_band
from timesenclip.eo.grid import Transform
from timesenclip.errors import BandError, DataNotFoundError, GridError, MissingExtraError, TimeError

if TYPE_CHECKING:
    import xarray as xr

    from timesenclip.eo.cube import Layer, Window

__all__ = ["open_files", "open_zarr"]

_TIME = ("time", "t", "timestamp", "date")
_Y, _X = ("y", "lat", "latitude", "northing"), ("x", "lon", "longitude", "easting")

Opened = tuple[dict[str, "Layer"], NDArray[np.datetime64], tuple[int, int], str, Transform, dict[str, Any]]


@dataclass(frozen=True)
class _Grid:
    x0: float
    """Left edge."""
    y0: float
    """Upper edge."""
    dx: float
    """Width of a pixel."""
    dy: float
    """Height of a pixel, negative where rows run south."""
    shape: tuple[int, int]


@dataclass(frozen=True)
class _Variable:
    """A variable of a dataset as a layer."""

    data: Any
    """xarray DataArray (time, y, x), not loaded."""
    factor: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.data.shape[1]), int(self.data.shape[2])

    def read(self, dates: NDArray[np.intp], window: Window) -> NDArray[np.generic]:
        """Values of some dates in a window."""
        return np.asarray(self.data[dates, window[0] : window[1], window[2] : window[3]].values)


def open_files(files: Sequence[Path]) -> Opened:
    """Open netCDF files that together hold the bands; files without any are left aside and named in the notes."""
    return _combine(
        [(file.name, _open(file)) for file in files], where=str(files[0] if len(files) == 1 else files[0].parent)
    )


def open_zarr(path: Path) -> Opened:
    """Open a Zarr store.

    Raises:
        MissingExtraError: the package zarr is not installed.
        DataNotFoundError: the store cannot be read.
    """
    import importlib.util

    import xarray as xr

    if importlib.util.find_spec("zarr") is None:
        raise MissingExtraError(f"Reading '{path}' needs the package zarr: pip install 'timesenclip[zarr]'.")

    try:
        dataset = xr.open_zarr(path, mask_and_scale=False, chunks=None, consolidated=_is_consolidated(path))
    except Exception as error:  # zarr raises many kinds; all mean that it cannot be read
        raise DataNotFoundError(f"Cannot read '{path}' as Zarr ({_line(error)}).") from error
    return _combine([(path.name, dataset)], where=str(path))


def _is_consolidated(path: Path) -> bool:
    head = path / "zarr.json"
    return (path / ".zmetadata").is_file() or (head.is_file() and "consolidated_metadata" in head.read_text("utf-8"))


def _open(file: Path) -> xr.Dataset:
    import xarray as xr

    try:
        return xr.open_dataset(file, mask_and_scale=False, engine="h5netcdf", decode_coords=False)
    except Exception as error:  # h5py and h5netcdf raise many kinds; all mean that it cannot be read
        raise DataNotFoundError(
            f"Cannot read '{file}' as netCDF ({_line(error)}); the file may be cut short, fetch it again."
        ) from error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}"[
        :160
    ]


def _combine(datasets: list[tuple[str, xr.Dataset]], *, where: str) -> Opened:
    found: dict[str, tuple[Any, _Grid, str]] = {}
    dates: NDArray[np.datetime64] | None = None
    crs, unused = None, []
    for name, dataset in datasets:
        bands = _bands_of(dataset)
        if not bands:
            unused.append(name)
            continue
        time = _dimension(dataset, _TIME, "time", f"{where}/{name}")
        y, x = _dimension(dataset, _Y, "y", name), _dimension(dataset, _X, "x", name)
        stamps = np.asarray(dataset[time].values)
        if not np.issubdtype(stamps.dtype, np.datetime64):
            raise TimeError(f"{name}: coordinate '{time}' holds {stamps.dtype}, expected dates.")
        if dates is not None and not np.array_equal(dates, stamps):
            raise TimeError(f"{where}: {name} has other dates than the files before it; all bands need the same dates.")
        dates = stamps
        here = _crs_of(dataset)
        if crs is not None and here is not None and here != crs:
            raise GridError(f"{where}: {name} is in {here}, the files before it in {crs}; put them on one grid.")
        crs = crs or here
        grid = _grid_of(dataset, y, x, name)
        for band, variable in bands.items():
            if band in found:
                raise BandError(f"{where}: {band} stands in both '{found[band][2]}' and '{name}'; keep one of them.")
            found[band] = (dataset[variable].transpose(time, y, x), grid, name)
    if dates is None:
        raise BandError(f"{where} has no Sentinel-2 band; expected variables named {BAND_NAMES[0]}..{BAND_NAMES[-1]}.")
    if crs is None:
        raise GridError(f"{where} has no CRS; write one (spatial_ref, grid_mapping, or the attribute 'crs' or 'epsg').")
    layers, finest = _nest(found, where)
    transform = (finest.dx, 0.0, finest.x0, 0.0, finest.dy, finest.y0)
    return layers, dates, finest.shape, crs, transform, {"ignored_files": unused} if unused else {}


def _bands_of(dataset: xr.Dataset) -> dict[str, str]:
    """Canonical name -> variable, for variables with a time axis."""
    out: dict[str, str] = {}
    for variable in map(str, dataset.data_vars):
        band = SCL_NAME if variable.upper() == SCL_NAME else canonical_band(variable)
        if band is None or dataset[variable].ndim != 3:
            continue
        if band in out:
            raise BandError(f"{band} stands in both '{out[band]}' and '{variable}'; keep one of them.")
        out[band] = variable
    return out


def _dimension(dataset: xr.Dataset, names: tuple[str, ...], what: str, where: str) -> str:
    for name in map(str, dataset.dims):
        if name.lower() in names:
            if name not in dataset.coords:
                raise GridError(f"{where}: dimension '{name}' has no coordinate values; expected them on '{what}'.")
            return name
    raise GridError(
        f"{where} has the dimensions {list(map(str, dataset.dims))}; expected one for {what} ({', '.join(names)})."
    )


def _grid_of(dataset: xr.Dataset, y: str, x: str, where: str) -> _Grid:
    ys, xs = (np.asarray(dataset[name].values, dtype=np.float64) for name in (y, x))
    if len(ys) < 2 or len(xs) < 2:
        raise GridError(f"{where} is {len(ys)} x {len(xs)} pixels; at least 2 x 2 are needed to know the pixel's size.")
    dx, dy = float(np.mean(np.diff(xs))), float(np.mean(np.diff(ys)))
    if np.abs(np.diff(xs) - dx).max() > abs(dx) * 0.01 or np.abs(np.diff(ys) - dy).max() > abs(dy) * 0.01:
        raise GridError(f"{where}: '{y}' or '{x}' is not evenly spaced; expected a regular grid.")
    return _Grid(float(xs[0]) - dx / 2, float(ys[0]) - dy / 2, dx, dy, (len(ys), len(xs)))


def _nest(found: dict[str, tuple[Any, _Grid, str]], where: str) -> tuple[dict[str, Layer], _Grid]:
    """Give each band its factor over the finest grid; all must share the upper left corner and the extent."""
    finest = min((grid for _, grid, _ in found.values()), key=lambda grid: abs(grid.dx))
    layers: dict[str, Layer] = {}
    for band, (data, grid, name) in found.items():
        factor = round(grid.dx / finest.dx)
        aligned = (
            abs(grid.dx - factor * finest.dx) < 1e-3 * abs(finest.dx)
            and abs(grid.dy - factor * finest.dy) < 1e-3 * abs(finest.dy)
            and abs(grid.x0 - finest.x0) < 0.01 * abs(finest.dx)
            and abs(grid.y0 - finest.y0) < 0.01 * abs(finest.dy)
            and grid.shape == tuple(-(-size // factor) for size in finest.shape)
        )
        if not aligned:
            raise GridError(
                f"{where}: {band} in '{name}' is on a grid of {grid.shape} pixels of {grid.dx:g} from "
                f"({grid.x0:g}, {grid.y0:g}), "
                f"which does not nest in {finest.shape} pixels of {finest.dx:g} from ({finest.x0:g}, {finest.y0:g})."
            )
        layers[band] = _Variable(data, factor)
    return layers, finest


def _crs_of(dataset: xr.Dataset) -> str | None:
    """CRS from a grid mapping variable or from attributes, as an authority string where there is one."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    candidates: list[Any] = []
    for name in map(str, dataset.variables):
        attributes = dataset[name].attrs
        candidates += [attributes[key] for key in ("crs_wkt", "spatial_ref") if key in attributes]
    for key in ("crs_wkt", "crs", "epsg", "EPSG", "proj:epsg"):
        if key in dataset.attrs:
            candidates.append(dataset.attrs[key])
    for candidate in candidates:
        text = str(candidate).strip()
        if text.startswith("+init="):
            text = text.removeprefix("+init=").upper()
        try:
            crs = CRS.from_epsg(int(text)) if text.isdigit() else CRS.from_user_input(text)
        except (CRSError, ValueError):
            continue
        authority = crs.to_authority()
        return ":".join(authority) if authority else str(crs.to_wkt())
    return None
