"""Cubes as folders of GeoTIFFs (or JPEG 2000), one file a band and date."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, SCL_NAME, canonical_band
from timesenclip.eo.grid import Transform
from timesenclip.errors import BandError, DataNotFoundError, GridError, TimeError

if TYPE_CHECKING:
    from timesenclip.eo.cube import Layer, Window

__all__ = ["open_files"]

_DATE = re.compile(r"(?<!\d)(20\d{2})-?(\d{2})-?(\d{2})(?!\d{3})")
_PARTS = re.compile(r"[_\-.]")


@dataclass(frozen=True)
class _Stack:
    """The files of one band, in the order of the dates."""

    files: tuple[Path, ...]
    factor: int
    shape: tuple[int, int]

    def read(self, dates: NDArray[np.intp], window: Window) -> NDArray[np.generic]:
        """Values of some dates in a window."""
        import rasterio

        box = ((window[0], window[1]), (window[2], window[3]))
        layers = []
        for index in dates:
            try:
                with rasterio.open(self.files[index]) as file:
                    layers.append(file.read(1, window=box))
            except rasterio.errors.RasterioError as error:
                raise DataNotFoundError(
                    f"Cannot read '{self.files[index]}' ({error}); the file may be cut short."
                ) from error
        return np.stack(layers) if layers else np.zeros((0, window[1] - window[0], window[3] - window[2]))


def open_files(
    folder: Path, files: Sequence[Path]
) -> tuple[dict[str, Layer], NDArray[np.datetime64], tuple[int, int], str, Transform, dict[str, Any]]:
    """Sort files into bands and dates by their names; files that name no band are left aside."""
    table: dict[str, dict[np.datetime64, Path]] = {}
    unused = []
    for file in files:
        band, date = _band_of(file.stem), _date_of(file.stem)
        if band is None:
            unused.append(file.name)
            continue
        if date is None:
            raise TimeError(
                f"'{file.name}' names no date; expected one such as 2018-05-06 or 20180506 in the file's name."
            )
        if date in table.setdefault(band, {}):
            raise TimeError(f"{folder}: {band} of {date} stands in both '{table[band][date].name}' and '{file.name}'.")
        table[band][date] = file
    if not table:
        raise BandError(f"{folder} has no file that names a band; expected names such as 2018-05-06_B04.tif.")
    dates = sorted(set().union(*table.values()))
    for band in [name for name in (*BAND_NAMES, SCL_NAME) if name in table]:
        gone = [str(date) for date in dates if date not in table[band]]
        if gone:
            raise BandError(
                f"{folder}: {band} is missing for {', '.join(gone[:3])}{' and more' if len(gone) > 3 else ''}."
            )
    layers, shape, crs, transform = _nest(folder, {b: tuple(table[b][d] for d in dates) for b in table})
    return layers, np.array(dates), shape, crs, transform, {"ignored_files": unused} if unused else {}


def _band_of(stem: str) -> str | None:
    for part in reversed(_PARTS.split(stem)):
        if part.upper() == SCL_NAME:
            return SCL_NAME
        band = canonical_band(part)
        if band is not None:
            return band
    return None


def _date_of(stem: str) -> np.datetime64 | None:
    match = _DATE.search(stem)
    try:
        return np.datetime64("-".join(match.groups()), "D") if match else None
    except ValueError:
        return None


def _nest(
    folder: Path, stacks: dict[str, tuple[Path, ...]]
) -> tuple[dict[str, Layer], tuple[int, int], str, Transform]:
    import rasterio

    heads = {}
    for band, files in stacks.items():
        try:
            with rasterio.open(files[0]) as file:
                heads[band] = (file.transform, file.shape, file.crs)
        except rasterio.errors.RasterioError as error:
            raise DataNotFoundError(f"Cannot read '{files[0]}' ({error}); the file may be cut short.") from error
    finest = min(heads, key=lambda band: abs(heads[band][0].a))
    transform, shape, crs = heads[finest]
    if crs is None:
        raise GridError(f"'{stacks[finest][0]}' has no CRS; write one with gdal_edit.py -a_srs EPSG:32631 FILE.")
    layers: dict[str, Layer] = {}
    for band, (own, size, reference) in heads.items():
        factor = round(own.a / transform.a)
        nested = abs(own.a - factor * transform.a) < 1e-6 and size == tuple(-(-n // factor) for n in shape)
        if reference != crs or not nested or abs(own.c - transform.c) > 1e-3 or abs(own.f - transform.f) > 1e-3:
            raise GridError(
                f"{folder}: {band} ({size} pixels of {own.a:g}) does not nest in {finest} ({shape} of {transform.a:g})."
            )
        layers[band] = _Stack(stacks[band], factor, tuple(size))
    authority = crs.to_authority()
    name = ":".join(authority) if authority else crs.to_wkt()
    return layers, tuple(shape), name, tuple(transform)[:6]
