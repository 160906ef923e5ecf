"""Cubes as folders of GeoTIFFs (or JPEG 2000): one file a band and date, or one a date with named bands."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, SCL_NAME, canonical_band
from timesenclip.eo.cube.layers import Opened, check_numbers, place_layers
from timesenclip.eo.rasters import open_raster
from timesenclip.eo.sensors import AUTO, Sensor, sensor_of_layers
from timesenclip.errors import BandError, DataNotFoundError, DegradedInputWarning, GridError, TimeError
from timesenclip.grid import Grid, Window
from timesenclip.messages import list_some, shorten_error

__all__ = ["open_files"]

_DATE = re.compile(r"(?<!\d)(20\d{2})-?(\d{2})-?(\d{2})(?!\d{3})")
_DAY_OF_YEAR = re.compile(r"(?<!\d)(20\d{2})(\d{3})T\d{6}")
"""Year, and day of the year: HLS."""
_BASELINE = re.compile(r"_N(\d{2})(\d{2})_")
_PARTS = re.compile(r"[_\-.\s]")
_NUMBERED = re.compile(r"b(?:and)?\d{1,2}", re.IGNORECASE)
_PRODUCTS = ("L30", "S30", "LC08", "LC09")
"""Parts of names that say whose product a file is of: HLS, and Landsat 8 and 9."""

_Source = tuple[Path, int]
"""A file and the number of a band in it, from 1."""
_Table = dict[str, dict[np.datetime64, _Source]]
"""Band -> date -> where it is."""


@dataclass(frozen=True)
class _Files:
    """One band, in the order of the dates."""

    sources: tuple[_Source | None, ...]
    """None for dates that do not have the band."""
    grid: Grid
    crs: Any
    dtype: np.dtype[Any]
    nodata: float | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.grid.shape

    @property
    def first(self) -> Path:
        """The file of the first date that has the band."""
        return next(source for source in self.sources if source is not None)[0]

    @property
    def chunk(self) -> tuple[int, int, int]:
        """One date: every date is a file of its own, and GDAL caches its blocks."""
        return 1, 1, 1

    def read(self, dates: NDArray[np.intp], window: Window) -> NDArray[Any]:
        """Values of some dates in a window; 0 of those that do not have the band.

        Raises:
            GridError: the file of a date is on another grid than the first.
            BandError: it holds other values than whole or real numbers, or real ones where the first has whole ones.
        """
        out = np.zeros((len(dates), *window.shape), dtype=self.dtype)
        for i, index in enumerate(dates):
            source = self.sources[index]
            if source is None:
                continue
            path, number = source
            with _opened(path) as file:
                kind = np.dtype(file.dtypes[number - 1])
                check_numbers(kind, f"'{path}'")
                if kind.kind == "f" and self.dtype.kind != "f":
                    raise BandError(
                        f"'{path}' holds {kind} values, '{self.first.name}' {self.dtype}; write all dates in one type."
                    )
                if not self.grid.matches(_read_grid(file, path)) or file.crs != self.crs:
                    raise GridError(
                        f"'{path}' is on another grid ({_read_grid(file, path)}, {file.crs}) than "
                        f"'{self.first.name}' ({self.grid}, {self.crs}); put all dates on one grid."
                    )
                out[i] = file.read(number, window=window.ranges)
        return out


def open_files(folder: Path, files: Sequence[Path], *, sensor: str = AUTO) -> Opened:
    """Sort files into bands and dates by their names; files whose names hold no band are ignored and noted."""
    names = {file: _names(file) for file in files}
    chosen = _sensor([name for some in names.values() for name, _ in some], sensor, str(folder))
    table, unused = _sorted_out(folder, names, chosen)
    if not table:
        raise BandError(f"{folder} has no file that names a band; expected names such as 2018-05-06_B04.tif.")
    dates = sorted(set().union(*table.values()))
    _check_dates(folder, table, dates)
    found = {}
    for band, by_date in table.items():
        stack = _first(tuple(by_date.get(date) for date in dates))
        found[band] = (stack, stack.grid, stack.first.name)
    layers, finest = place_layers(found, source_name=str(folder))
    for band, (stack, _, _) in found.items():
        absent = np.array([source is None for source in stack.sources])
        if absent.any():
            layers[band] = replace(layers[band], absent=absent)
    notes = {"ignored_files": unused} if unused else {}
    places = tuple(sorted({path for by_date in table.values() for path, _ in by_date.values()}))
    crs = _common_crs(folder, found)
    return Opened(layers, np.array(dates), finest, crs, notes, _baselines(table, dates), chosen, places)


def _check_dates(folder: Path, table: _Table, dates: list[np.datetime64]) -> None:
    """Warn of dates that lack what others have: a band, or SCL."""
    gone = [str(date) for date in dates if date not in table.get(SCL_NAME, dates)]
    if gone:
        warnings.warn(
            f"{folder}: {SCL_NAME} is missing for {list_some(gone, separator=', ')}; clouds cannot be told there, so "
            "these dates are left out.",
            DegradedInputWarning,
            stacklevel=5,
        )
    bands = [name for name in BAND_NAMES if name in table]
    lacking = {date: [band for band in bands if date not in table[band]] for date in dates}
    texts = [f"{date} has no {', '.join(names)}" for date, names in lacking.items() if names]
    if texts:
        warnings.warn(
            f"{folder}: {len(texts)} of {len(dates)} dates lack bands, which are missing there: {list_some(texts)}.",
            DegradedInputWarning,
            stacklevel=5,
        )


def _sorted_out(folder: Path, names: dict[Path, list[tuple[str, int]]], sensor: Sensor) -> tuple[_Table, list[str]]:
    table: _Table = {}
    unused = []
    for file, known in names.items():
        bands = _find_bands(file, known, sensor)
        if not bands:
            unused.append(file.name)
            continue
        date = _parse_date(file.stem)
        if date is None:
            raise TimeError(
                f"'{file.name}' names no date; expected one such as 2018-05-06 or 20180506 in the file's name."
            )
        for band, number in bands.items():
            if date in table.setdefault(band, {}):
                other = table[band][date][0].name
                raise TimeError(f"{folder}: {band} of {date} stands in both '{other}' and '{file.name}'; keep one.")
            table[band][date] = (file, number)
    return table, unused


def _names(file: Path) -> list[tuple[str, int]]:
    """What may name a band, and its number in the file: a part of the file's name, or else the bands' descriptions.

    A product of Landsat says so in its name (`HLS.L30.T31UFS.2021130T103631.v2.0.B05`, `LC08_..._SR_B5`), which is put
    before the band, since its B05 is another than that of Sentinel-2.
    """
    parts = _PARTS.split(file.stem)
    product = next((part for part in parts if part.upper() in _PRODUCTS), "")
    for part in reversed(parts):
        if part.upper() == SCL_NAME:
            return [(SCL_NAME, 1)]
        if canonical_band(part) is not None or _NUMBERED.fullmatch(part):
            return [(f"{product}_{part}" if product else part, 1)]
    with _opened(file) as raster:
        return [(text, number) for number, text in enumerate(raster.descriptions, start=1) if text]


def _sensor(names: Sequence[str], sensor: str, source_name: str) -> Sensor:
    """Whose names these are; SCL comes with Sentinel-2 only."""
    both = {name.upper()[:4] for name in names} >= {"L30_", "S30_"}
    if both:
        raise BandError(f"{source_name} holds files of both HLS L30 and S30, whose bands differ; give one of them.")
    return sensor_of_layers(names, sensor=sensor, source_name=source_name)


def _find_bands(file: Path, names: list[tuple[str, int]], sensor: Sensor) -> dict[str, int]:
    """Band -> number in the file."""
    found: dict[str, int] = {}
    for name, number in names:
        band = SCL_NAME if name.upper() == SCL_NAME else sensor.band_of(name)
        if band in found:
            raise BandError(f"'{file}' has two bands named {band}; keep one of them.")
        if band is not None:
            found[band] = number
    return found


def _parse_date(stem: str) -> np.datetime64 | None:
    match, counted = _DATE.search(stem), _DAY_OF_YEAR.search(stem)
    try:
        if match is None and counted is not None:
            return np.datetime64(counted[1], "D") + np.timedelta64(int(counted[2]) - 1, "D")
        return np.datetime64("-".join(match.groups()), "D") if match else None
    except ValueError:
        return None


def _baselines(table: _Table, dates: list[np.datetime64]) -> tuple[str, ...] | None:
    """Processing baselines of the dates, where ESA's product names (`..._N0400_...`) are in the paths."""
    paths = {date: path for by_date in table.values() for date, (path, _) in by_date.items()}
    found = [_BASELINE.search(str(paths[date])) for date in dates]
    return tuple(f"{match[1]}.{match[2]}" for match in found if match) if all(found) else None


def _first(sources: tuple[_Source | None, ...]) -> _Files:
    path, number = next(source for source in sources if source is not None)
    with _opened(path) as file:
        check_numbers(np.dtype(file.dtypes[number - 1]), f"'{path}'")
        nodata = file.nodatavals[number - 1]
        return _Files(
            sources=sources,
            grid=_read_grid(file, path),
            crs=file.crs,
            dtype=np.dtype(file.dtypes[number - 1]),
            nodata=None if nodata is None or np.isnan(nodata) else float(nodata),
        )


def _read_grid(file: Any, path: Path) -> Grid:
    at = file.transform
    if at.b != 0 or at.d != 0 or not at.a > 0 or not at.e < 0 or not np.isfinite([at.a, at.c, at.e, at.f]).all():
        raise GridError(f"'{path}' is rotated or not north-up; warp it first: gdalwarp -t_srs EPSG:32631 IN OUT.")
    return Grid(at.c, at.f, at.a, at.e, (int(file.height), int(file.width)))


def _common_crs(folder: Path, found: dict[str, tuple[_Files, Grid, str]]) -> str:
    first, _, name = next(iter(found.values()))
    for stack, _, other in found.values():
        if stack.crs is None:
            raise GridError(f"'{folder / other}' has no CRS; write one with gdal_edit.py -a_srs EPSG:32631 FILE.")
        if stack.crs != first.crs:
            raise GridError(f"{folder}: '{other}' is in {stack.crs}, '{name}' in {first.crs}; put them on one grid.")
    authority = first.crs.to_authority()
    return ":".join(authority) if authority else str(first.crs.to_wkt())


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a raster; an error names the file."""
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a missing CRS is reported as a GridError
            with open_raster(path) as file:
                yield file
    except RasterioError as error:
        raise DataNotFoundError(f"Cannot read '{path}' ({shorten_error(error)}); the file may be cut short.") from error
