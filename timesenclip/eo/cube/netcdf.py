"""Cubes in netCDF and Zarr: one dataset, or several on nested grids."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, SCL_NAME
from timesenclip.eo.cube.files_read import check_regular
from timesenclip.eo.cube.headers import check_hdf5, check_zarr, declared_chunks
from timesenclip.eo.cube.layers import Opened, check_numbers, place_layers
from timesenclip.eo.radiometry import LANDSAT_SCALE
from timesenclip.eo.sensors import AUTO, Sensor, sensor_of_layers
from timesenclip.errors import BandError, DataNotFoundError, GridError, InputError, TimeError, UnitsError
from timesenclip.extras import require
from timesenclip.grid import Grid, Window
from timesenclip.messages import list_some, shorten_error

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["open_files", "open_netcdf", "open_zarr"]

_TIME = ("time", "t", "timestamp", "date")
_Y, _X = ("y", "lat", "latitude", "northing"), ("x", "lon", "longitude", "easting")
_NODATA = ("_FillValue", "missing_value", "nodata", "NoData")
_UNREADABLE = (OSError, RuntimeError, ValueError, KeyError)
"""What h5py, h5netcdf and zarr raise on files that are cut short or damaged."""


@dataclass(frozen=True)
class _Variable:
    """A variable of a dataset."""

    data: Any
    """xarray DataArray (time, y, x), not loaded."""
    nodata: float | None
    source_name: str

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.data.shape[1]), int(self.data.shape[2])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        dtype: np.dtype[Any] = self.data.dtype
        return dtype

    @property
    def chunk(self) -> tuple[int, int, int]:
        """Dates, rows and columns that are unpacked at once: one value where the file is not chunked."""
        encoding = self.data.encoding
        sides = encoding.get("chunksizes") or encoding.get("chunks") or ()
        stored = encoding.get("stored_dims", self.data.dims)
        if len(sides) != 3:
            return 1, 1, 1
        dates, rows, columns = (int(sides[stored.index(name)]) for name in self.data.dims)
        return dates, rows, columns

    def read(self, dates: NDArray[np.intp], window: Window) -> NDArray[Any]:
        """Values of some dates in a window."""
        run = dates.size > 0 and bool((np.diff(dates) == 1).all())
        chosen = slice(int(dates[0]), int(dates[-1]) + 1) if run else dates  # HDF5 reads consecutive dates much faster
        try:
            return np.asarray(self.data[chosen, *window.slices].values)
        except _UNREADABLE as error:
            raise DataNotFoundError(
                f"Cannot read '{self.source_name}' ({type(error).__name__}: {shorten_error(error)}); the file may be "
                "damaged, fetch it again."
            ) from error


def open_files(files: Sequence[Path], *, sensor: str = AUTO) -> Opened:
    """Open netCDF files that together hold the bands; files without any are ignored and named in the notes."""
    source_name = str(files[0] if len(files) == 1 else files[0].parent)
    for file in files:
        check_regular(file)
    opened = _combine([(file.name, open_netcdf(file)) for file in files], sensor=sensor, source_name=source_name)
    unused = opened.notes.get("ignored_files", ())
    return replace(opened, places=tuple(file for file in files if file.name not in unused))


def open_zarr(path: Path, *, sensor: str = AUTO) -> Opened:
    """Open a Zarr store.

    Raises:
        MissingExtraError: the package zarr is not installed.
        DataNotFoundError: the store cannot be read.
    """
    import xarray as xr

    require("zarr", "zarr", needed_by=f"Zarr stores such as '{path}'")
    try:
        check_zarr(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* is not recognized as a component of a Zarr hierarchy")
            dataset = xr.open_zarr(
                _bounded_store(path), mask_and_scale=False, chunks=None, consolidated=_is_consolidated(path)
            )
    except (InputError, DataNotFoundError):
        raise
    except Exception as error:  # zarr raises many kinds; all mean that it cannot be read
        raise DataNotFoundError(
            f"Cannot read '{path}' as Zarr ({type(error).__name__}: {shorten_error(error)}); expected an xarray store."
        ) from error
    opened = _combine([(path.name, dataset)], sensor=sensor, source_name=str(path))
    # Other bands and quality layers have three axes and are not read.
    kept = {layer.stack.data.name for layer in opened.layers.values() if isinstance(layer.stack, _Variable)}
    kept |= {name for name, variable in dataset.variables.items() if variable.ndim < 3}
    return replace(opened, places=(path, *(path / name for name in sorted(map(str, kept)))))


def _bounded_store(path: Path) -> Any:
    from zarr.storage import LocalStore

    from timesenclip.eo.cube.packed import BoundedStore

    return BoundedStore(LocalStore(path, read_only=True), declared_chunks(path))


def open_netcdf(file: Path) -> xr.Dataset:
    """Open a netCDF file, values as they are stored: netCDF-4, or the classic format of netCDF-3.

    Raises:
        DataNotFoundError: it cannot be read.
    """
    import xarray as xr

    try:
        with file.open("rb") as opened:
            classic = opened.read(3) == b"CDF"
        if not classic:
            check_hdf5(file)
        return xr.open_dataset(
            file, mask_and_scale=False, engine="scipy" if classic else "h5netcdf", decode_coords=False
        )
    except InputError:
        raise
    except Exception as error:  # h5py, h5netcdf and scipy raise many kinds; all mean that it cannot be read
        raise DataNotFoundError(
            f"Cannot read '{file}' as netCDF ({type(error).__name__}: {shorten_error(error)}); the file may "
            "be cut short, "
            "fetch it again."
        ) from error


def _is_consolidated(path: Path) -> bool:
    head = path / "zarr.json"
    return (path / ".zmetadata").is_file() or (head.is_file() and "consolidated_metadata" in head.read_text("utf-8"))


def _combine(datasets: list[tuple[str, xr.Dataset]], *, sensor: str, source_name: str) -> Opened:
    chosen = _sensor(datasets, sensor, source_name)
    found: dict[str, tuple[_Variable, Grid, str]] = {}
    dates: NDArray[np.datetime64] | None = None
    crs, unused = None, []
    for name, dataset in datasets:
        bands = _find_bands(dataset, chosen, name)
        if not bands:
            unused.append(name)
            continue
        time = _dimension(dataset, _TIME, "time", name)
        y, x = _dimension(dataset, _Y, "y", name), _dimension(dataset, _X, "x", name)
        stamps = _stamps(dataset, time, name)
        if dates is not None and not np.array_equal(dates, stamps):
            raise TimeError(
                f"{source_name}: {name} has other dates than the files before it; all bands need the same dates."
            )
        dates = stamps
        here = _read_crs(dataset)
        if crs is not None and here is not None and here != crs:
            raise GridError(f"{source_name}: {name} is in {here}, the files before it in {crs}; put them on one grid.")
        crs = crs or here
        dataset, grid = _north_up(dataset, y, x, name)
        for band, variable in bands.items():
            if band in found:
                raise BandError(
                    f"{source_name}: {band} stands in both '{found[band][2]}' and '{name}'; keep one of them."
                )
            check_numbers(dataset[variable].dtype, f"{name}: {variable}")
            stored = dataset[variable].dims
            if set(stored) != {time, y, x}:
                raise GridError(
                    f"{name}: {variable} has the axes {', '.join(map(str, stored))}; expected {time}, {y} and {x}."
                )
            data = dataset[variable].transpose(time, y, x)
            data.encoding = {**dataset[variable].encoding, "stored_dims": stored}
            found[band] = (_Variable(data, _read_nodata(data, chosen, f"{name}: {variable}"), name), grid, name)
    if dates is None:
        raise BandError(
            f"{source_name} has no Sentinel-2 band; expected variables named {BAND_NAMES[0]}..{BAND_NAMES[-1]}."
        )
    if crs is None:
        raise GridError(
            f"{source_name} has no CRS; write one (spatial_ref, grid_mapping, or the attribute 'crs' or 'epsg')."
        )
    layers, finest = place_layers(found, source_name=source_name)
    notes: dict[str, Any] = {"ignored_files": unused} if unused else {}
    if chosen.name != "sentinel-2":
        notes["read_as"] = {band: str(stack.data.name) for band, (stack, _, _) in found.items()}
    return Opened(layers, dates, finest, crs, notes, sensor=chosen)


def _sensor(datasets: list[tuple[str, xr.Dataset]], sensor: str, source_name: str) -> Sensor:
    """Whose names the variables with three axes have; SCL comes with Sentinel-2 only."""
    names = [str(name) for _, dataset in datasets for name in dataset.data_vars if dataset[name].ndim == 3]
    return sensor_of_layers(names, sensor=sensor, source_name=source_name)


def _find_bands(dataset: xr.Dataset, sensor: Sensor, source_name: str) -> dict[str, str]:
    """Canonical name -> variable, for variables with a time axis."""
    out: dict[str, str] = {}
    for variable in map(str, dataset.data_vars):
        band = SCL_NAME if variable.upper() == SCL_NAME else sensor.band_of(variable)
        if band is None or dataset[variable].ndim != 3:
            continue
        if band in out:
            raise BandError(f"{source_name}: {band} stands in both '{out[band]}' and '{variable}'; keep one of them.")
        out[band] = variable
    return out


def _read_nodata(data: Any, sensor: Sensor, source_name: str) -> float | None:
    """The declared fill value.

    A scale of 1/10000 is what DN mean, and an added offset is not trusted: providers declare one that is no longer in
    the pixels (Element84/earth-search#9). An offset is subtracted only if `provider` or `offset_dn` is given.
    """
    scale = _number(data.attrs.get("scale_factor", 1.0), "scale_factor", source_name)
    landsat = sensor.collection_2 and np.isclose(scale, LANDSAT_SCALE, rtol=1e-3)
    if not (np.isclose(scale, 1e-4, rtol=1e-3) or scale == 1.0 or landsat):
        raise UnitsError(
            f"{source_name} is scaled by {scale:g}; expected reflectance, or digital numbers of 1/10000 "
            "(Sentinel-2 L2A)."
        )
    for key in _NODATA:
        if key in data.attrs:
            value = _number(data.attrs[key], key, source_name)
            return None if np.isnan(value) else value
    return None


def _number(value: Any, key: str, source_name: str) -> float:
    """The number that an attribute holds, or the first of several."""
    given = np.asarray(value).ravel()
    if given.size == 0 or given.dtype.kind not in "biuf":
        raise InputError(f"{source_name} has {key} = {str(value)[:40]!r}; expected a number. Correct the attribute.")
    return float(given[0])


def _dimension(dataset: xr.Dataset, names: tuple[str, ...], what: str, source_name: str) -> str:
    for name in map(str, dataset.dims):
        if name.lower() in names:
            if name not in dataset.coords:
                raise GridError(
                    f"{source_name}: dimension '{name}' has no coordinate values; expected them on '{what}'."
                )
            return name
    have = list_some(list(map(str, dataset.dims)), separator=", ")
    raise GridError(f"{source_name} has the dimensions {have}; expected one for {what} ({', '.join(names)}).")


def _stamps(dataset: xr.Dataset, time: str, source_name: str) -> NDArray[np.datetime64]:
    stamps = np.asarray(dataset[time].values)
    if not np.issubdtype(stamps.dtype, np.datetime64) or np.isnat(stamps).any():
        raise TimeError(
            f"{source_name}: coordinate '{time}' holds {stamps.dtype} or gaps, expected a date for each image."
        )
    return stamps


def _north_up(dataset: xr.Dataset, y: str, x: str, source_name: str) -> tuple[xr.Dataset, Grid]:
    """The dataset with rows running south and columns east, and its grid."""
    for name in (y, x):
        values = dataset[name].values
        if values.ndim != 1 or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            raise GridError(
                f"{source_name}: the coordinate '{name}' holds {values.dtype} or values that are no numbers; expected "
                "the place of each pixel's centre."
            )
    ys, xs = (np.asarray(dataset[name].values, dtype=np.float64) for name in (y, x))
    if len(ys) < 2 or len(xs) < 2:
        raise GridError(
            f"{source_name} is {len(ys)} x {len(xs)} pixels; at least 2 x 2 are needed to know the pixel's size."
        )
    if ys[-1] > ys[0]:
        dataset, ys = dataset.isel({y: slice(None, None, -1)}), ys[::-1]
    if xs[-1] < xs[0]:
        dataset, xs = dataset.isel({x: slice(None, None, -1)}), xs[::-1]
    dx, dy = float(xs[-1] - xs[0]) / (len(xs) - 1), float(ys[-1] - ys[0]) / (len(ys) - 1)
    if dx == 0 or dy == 0:
        raise GridError(f"{source_name}: all values of '{x if dx == 0 else y}' are the same; expected a regular grid.")
    if np.abs(np.diff(xs) - dx).max() > abs(dx) * 0.01 or np.abs(np.diff(ys) - dy).max() > abs(dy) * 0.01:
        raise GridError(f"{source_name}: '{y}' or '{x}' is not evenly spaced; expected a regular grid.")
    return dataset, Grid(float(xs[0]) - dx / 2, float(ys[0]) - dy / 2, dx, dy, (len(ys), len(xs)))


def _read_crs(dataset: xr.Dataset) -> str | None:
    """CRS from a grid mapping variable or from attributes, as an authority string where there is one."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    candidates: list[Any] = []
    for name in map(str, dataset.variables):
        attributes = dataset[name].attrs
        candidates += [attributes[key] for key in ("crs_wkt", "spatial_ref") if key in attributes]
    candidates += [
        dataset.attrs[key] for key in ("crs_wkt", "crs", "epsg", "EPSG", "proj:epsg") if key in dataset.attrs
    ]
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
