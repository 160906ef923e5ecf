"""Open cubes: netCDF (one file or a folder, 10 and 20 m apart), Zarr, or a folder of GeoTIFFs.

    source = open_cube("s2-flanders-2018")       # reads headers only
    cube = source.read(period="2018")            # monthly medians of clear observations
    for window, cube in source.blocks(256): ...  # piece by piece, for any size

Every source gives the same `Cube`: ten bands on the grid of the finest, 20 m bands repeated to it (nearest, which
keeps the
measured values), clouds masked by SCL where there is one, DN turned into reflectance.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, SCL_NAME, require_bands
from timesenclip.eo.composite import composite_cube
from timesenclip.eo.grid import Transform
from timesenclip.eo.masking import DROPPED_SCL, clear_mask
from timesenclip.eo.period import Every, Period, as_period
from timesenclip.eo.radiometry import (
    SATURATED,
    Units,
    check_dark_level,
    detect_units,
    offset_for,
    to_reflectance,
)
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, NoClearObservationError, TimeError
from timesenclip.series import Cube

__all__ = ["CubeSource", "Layer", "Window", "open_cube", "read_cube"]

Window = tuple[int, int, int, int]
"""First and last row (exclusive), first and last column (exclusive), on the cube's grid."""


class Layer(Protocol):
    """One band (or SCL) of a source: a stack over the dates, on its own grid."""

    @property
    def factor(self) -> int:
        """How many pixels of the cube's grid one pixel of this layer spans on a side: 1 or 2 (20 m over 10 m)."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the layer's own grid."""

    def read(self, dates: NDArray[np.intp], window: Window) -> NDArray[np.generic]:
        """Values (T', y, x) of some dates in a window inside the layer's own grid."""


@dataclass(frozen=True)
class CubeSource:
    """An opened cube: what there is, without its pixels."""

    layers: dict[str, Layer]
    """The ten bands, and SCL where there is one."""
    dates: NDArray[np.datetime64]
    """(T,) datetime64[D], sorted."""
    shape: tuple[int, int]
    """(Y, X) in pixels of the finest band."""
    crs: str
    """Authority string or WKT."""
    transform: Transform
    """Affine of the finest band's grid."""
    units: Units = "auto"
    """`dn`, `reflectance`, or `auto`."""
    offset_dn: int = 0
    """DN subtracted from every band."""
    dilate_px: int = 1
    """How far clouds and shadows grow, in pixels of the SCL's own grid."""
    where: str = "cube"
    """Name for messages."""
    notes: dict[str, Any] | None = None
    """More provenance."""

    def read(
        self,
        window: Window | None = None,
        *,
        period: Period | str | int | None = None,
        every: Every | None = "month",
        mask: bool = True,
    ) -> Cube:
        """Read a window of the cube.

        Args:
            window: rows and columns; default: all of it.
            period: only the dates in this stretch; default: all.
            every: composite to these intervals; None keeps every date.
            mask: leave out what SCL calls cloud, shadow or defective.

        Raises:
            TimeError: the period has no date.
        """
        span = as_period(period)
        chosen = self._dates_in(span)
        box = window or (0, self.shape[0], 0, self.shape[1])
        rows, columns = box[1] - box[0], box[3] - box[2]
        reflectance = np.zeros((len(chosen), len(BAND_NAMES), rows, columns), dtype=np.float32)
        valid = np.ones((len(chosen), rows, columns), dtype=np.bool_)
        units = self._units()
        for i, name in enumerate(BAND_NAMES):
            values = _spread(self.layers[name], chosen, box)
            if units == "dn":
                reflectance[:, i], seen = to_reflectance(values, offset_dn=self.offset_dn)
            else:
                seen = np.isfinite(values)
                reflectance[:, i] = np.where(seen, np.clip(values, 0, None), 0)
            valid &= seen & (reflectance[:, i] <= SATURATED)
        if mask and SCL_NAME in self.layers:
            valid &= self._clear(chosen, box)
        reflectance *= valid[:, None]
        cube = Cube(
            reflectance=reflectance,
            valid=valid,
            start=self.dates[chosen],
            end=self.dates[chosen] + np.timedelta64(1, "D"),
            crs=self.crs,
            transform=_shifted(self.transform, box),
            provenance=self._provenance(units, masked=mask and SCL_NAME in self.layers),
        )
        return cube if every is None else composite_cube(cube, every=every, period=span)

    def blocks(
        self, size: int = 256, *, period: Period | str | int | None = None, every: Every | None = "month"
    ) -> Iterator[tuple[Window, Cube]]:
        """Read the cube in square blocks, row by row; memory holds one block."""
        for row in range(0, self.shape[0], size):
            for column in range(0, self.shape[1], size):
                box = (row, min(row + size, self.shape[0]), column, min(column + size, self.shape[1]))
                yield box, self.read(box, period=period, every=every)

    def _dates_in(self, span: Period | None) -> NDArray[np.intp]:
        if span is None:
            return np.arange(len(self.dates))
        inside = np.flatnonzero((self.dates >= span.start) & (self.dates < span.end))
        if inside.size == 0:
            raise TimeError(
                f"{self.where} has no image in {span}; its {len(self.dates)} images run from {self.dates[0]} to "
                f"{self.dates[-1]}."
            )
        return inside

    def _units(self) -> Units:
        middle = (self.shape[0] // 4, self.shape[0] // 4 + 64, self.shape[1] // 4, self.shape[1] // 4 + 64)
        box = (middle[0], min(middle[1], self.shape[0]), middle[2], min(middle[3], self.shape[1]))
        some = np.unique(np.linspace(0, len(self.dates) - 1, 6).astype(int))
        sample = np.stack([_spread(self.layers[name], some, box).astype(np.float64) for name in BAND_NAMES[:3]])
        return detect_units(sample, declared=self.units, where=self.where)

    def _clear(self, chosen: NDArray[np.intp], box: Window) -> NDArray[np.bool_]:
        """Clear pixels of a window; read with a rim, so that clouds grow across the edges of blocks."""
        layer = self.layers[SCL_NAME]
        rim = self.dilate_px * layer.factor
        wide = (box[0] - rim, box[1] + rim, box[2] - rim, box[3] + rim)
        own = _own_window(wide, layer.factor)
        scl = _padded(layer, chosen, own).astype(np.int16)
        clear = clear_mask(scl, drop=DROPPED_SCL, dilate_px=self.dilate_px)
        return _crop(np.repeat(np.repeat(clear, layer.factor, 1), layer.factor, 2), own, layer.factor, box)

    def _provenance(self, units: Units, *, masked: bool) -> dict[str, Any]:
        coarse = [name for name in BAND_NAMES if self.layers[name].factor > 1]
        return {
            "source": self.where,
            "dates": len(self.dates),
            "units": units,
            "offset_dn": self.offset_dn,
            "mask": f"SCL without {list(DROPPED_SCL)}, dilated by {self.dilate_px} pixel(s)" if masked else "none",
            "resampled": {"bands": coarse, "method": "nearest"} if coarse else {},
            **(self.notes or {}),
        }


def open_cube(
    path: str | Path,
    *,
    units: Units = "auto",
    provider: str | None = None,
    collection: str = "sentinel-2-l2a",
    baseline: str | None = None,
    offset_dn: int | None = None,
    dilate_px: int = 1,
) -> CubeSource:
    """Open a cube without reading its pixels.

    Args:
        path: a netCDF file, a folder of netCDF files, a Zarr store, or a folder of GeoTIFFs named with date and band
            (`2018-05-06_B04.tif`, `T31UDS_20180506T105031_B04_10m.tif`).
        units: whether values are `dn` or `reflectance`; `auto` looks at them.
        provider, collection, baseline: where the pixels come from, to decide the offset of baseline 04.00; without a
            provider no offset is removed and the darkest values are checked.
        offset_dn: DN to subtract, instead of deciding by provider.
        dilate_px: how far clouds and shadows grow, in pixels of the SCL's grid.

    Raises:
        DataNotFoundError: nothing there, or a file that cannot be read (cut short, another format).
        BandError: a band is missing or unknown.
        GridError: no CRS, or grids that do not fit each other.
        TimeError: no dates, or a date twice.
    """
    where = Path(path)
    if not where.exists():
        raise DataNotFoundError(f"Nothing at '{where}'; give a netCDF file, a Zarr store, or a folder of files.")
    layers, dates, shape, crs, transform, notes = _open_layers(where)
    require_bands(layers, where=str(where))
    dates = _checked_dates(dates, layers, str(where))
    if offset_dn is None:
        offset_dn = offset_for(provider, collection, baseline) if provider else 0
    return CubeSource(
        layers=layers,
        dates=dates,
        shape=shape,
        crs=crs,
        transform=transform,
        units=units,
        offset_dn=offset_dn,
        dilate_px=dilate_px,
        where=str(where),
        notes=notes,
    )


def read_cube(
    path: str | Path,
    *,
    period: Period | str | int | None = None,
    every: Every | None = "month",
    mask: bool = True,
    units: Units = "auto",
    provider: str | None = None,
    collection: str = "sentinel-2-l2a",
    baseline: str | None = None,
    offset_dn: int | None = None,
) -> Cube:
    """Open a cube and read all of it; arguments as `open_cube` and `CubeSource.read`.

    Raises:
        NoClearObservationError: every pixel of every date is cloudy or missing.
    """
    source = open_cube(
        path, units=units, provider=provider, collection=collection, baseline=baseline, offset_dn=offset_dn
    )
    cube = source.read(period=period, every=every, mask=mask)
    if not cube.valid.any():
        raise NoClearObservationError(
            f"'{path}' has no clear observation{f' in {as_period(period)}' if period is not None else ''}; "
            f"choose another "
            "period, or read with mask=False to see what is there."
        )
    if provider is None and offset_dn is None:
        check_dark_level(cube.reflectance.min(axis=1), cube.valid, where=str(path))
    return cube


def _open_layers(
    path: Path,
) -> tuple[dict[str, Layer], NDArray[np.datetime64], tuple[int, int], str, Transform, dict[str, Any]]:
    """Choose the reader by what is there."""
    from timesenclip.eo import cube_geotiff, cube_netcdf

    if path.is_file():
        return cube_netcdf.open_files([path])
    if path.suffix == ".zarr" or (path / "zarr.json").exists() or (path / ".zgroup").exists():
        return cube_netcdf.open_zarr(path)
    netcdf = sorted([*path.glob("*.nc"), *path.glob("*.nc4")])
    if netcdf:
        return cube_netcdf.open_files(netcdf)
    tiffs: Sequence[Path] = sorted(p for p in path.rglob("*") if p.suffix.lower() in (".tif", ".tiff", ".jp2"))
    if tiffs:
        return cube_geotiff.open_files(path, tiffs)
    raise DataNotFoundError(f"'{path}' holds no netCDF (.nc), Zarr or GeoTIFF (.tif) files.")


def _checked_dates(dates: NDArray[np.datetime64], layers: dict[str, Layer], where: str) -> NDArray[np.datetime64]:
    if len(dates) == 0:
        raise TimeError(f"{where} has no dates; expected at least one image.")
    if len(np.unique(dates)) < len(dates):
        double = next(d for i, d in enumerate(dates) if d in dates[:i])
        raise TimeError(f"{where} has the date {double} more than once; keep one image of each date and time.")
    days = dates.astype("datetime64[D]")
    if (np.diff(dates) < np.timedelta64(0)).any():
        warnings.warn(f"{where}: the dates are not sorted; they are put in order.", DegradedInputWarning, stacklevel=3)
        order = np.argsort(dates, kind="stable")
        for name, layer in layers.items():
            layers[name] = _Reordered(layer, order)
        return days[order]
    return days


@dataclass(frozen=True)
class _Reordered:
    layer: Layer
    order: NDArray[np.intp]

    @property
    def factor(self) -> int:
        return self.layer.factor

    @property
    def shape(self) -> tuple[int, int]:
        return self.layer.shape

    def read(self, dates: NDArray[np.intp], window: Window) -> NDArray[np.generic]:
        return self.layer.read(self.order[dates], window)


def _padded(layer: Layer, dates: NDArray[np.intp], window: Window) -> NDArray[Any]:
    """Values of a window that may reach beyond the layer; 0, nodata, stands there."""
    rows, columns = layer.shape
    top, bottom = max(window[0], 0), min(window[1], rows)
    left, right = max(window[2], 0), min(window[3], columns)
    values = np.asarray(layer.read(dates, (top, bottom, left, right)))
    pad = ((0, 0), (top - window[0], window[1] - bottom), (left - window[2], window[3] - right))
    return np.pad(values, pad) if any(map(any, pad)) else values


def _own_window(box: Window, factor: int) -> Window:
    """The window of a coarser layer that covers a window of the cube."""
    return box[0] // factor, -(-box[1] // factor), box[2] // factor, -(-box[3] // factor)


def _crop(values: NDArray[Any], own: Window, factor: int, box: Window) -> NDArray[Any]:
    row, column = box[0] - own[0] * factor, box[2] - own[2] * factor
    return values[:, row : row + box[1] - box[0], column : column + box[3] - box[2]]


def _spread(layer: Layer, dates: NDArray[np.intp], box: Window) -> NDArray[np.generic]:
    """A layer on the cube's grid."""
    own = _own_window(box, layer.factor)
    values = _padded(layer, dates, own)
    if layer.factor == 1:
        return values
    return _crop(np.repeat(np.repeat(values, layer.factor, 1), layer.factor, 2), own, layer.factor, box)


def _shifted(transform: Transform, box: Window) -> Transform:
    a, b, c, d, e, f = transform
    return a, b, c + a * box[2] + b * box[0], d, e, f + d * box[2] + e * box[0]
