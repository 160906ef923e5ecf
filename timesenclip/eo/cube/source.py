"""An opened cube, and how a window of it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, SCL_NAME, band_index
from timesenclip.eo.area import DEFAULT_BLOCK, check_intervals, checked_window, composite_of_window, days_of_window
from timesenclip.eo.band_presence import SeenBands, compact
from timesenclip.eo.composite import DayStack, intervals_of_days
from timesenclip.eo.cube.files_read import file_states
from timesenclip.eo.cube.layers import Layer
from timesenclip.eo.cube.offset_check import OffsetCheck
from timesenclip.eo.cube.strips import date_runs, pieces
from timesenclip.eo.masking import DILATE_PX, clear_where_seen, describe_mask
from timesenclip.eo.notices import MaskNotice
from timesenclip.eo.period import Every, Period, as_period
from timesenclip.eo.pixel_checks import detect_units, tell_collection_2
from timesenclip.eo.radiometry import Units, clean_dn, usable_reflectance
from timesenclip.eo.sensors import READABLE, Sensor
from timesenclip.errors import DataNotFoundError, InputError, TimeError
from timesenclip.grid import Window, WindowLike, six_numbers, window_transform
from timesenclip.series import Cube

__all__ = ["CubeSource"]

_UNITS_PX = 64
"""Side of a window in which the units are looked at."""
_UNITS_DATES = 6
_OFFSET_PX = 128
"""Side of a window in which the darkest pixels are looked at before an area is worked on."""
_BYTES_AS_DN = 36
"""Memory of a pixel of a date while it is composited as digital numbers: ten bands, masks, a band as it is read."""
_BYTES_AS_REFLECTANCE = 72
_PLACES = ((0.5, 0.5), (0.2, 0.2), (0.2, 0.8), (0.8, 0.2), (0.8, 0.8))
"""Where samples lie, as shares of the rows and columns; the first that has observations is taken."""


@dataclass(frozen=True)
class CubeSource:
    """An opened cube: its bands, dates and grid, without its pixels."""

    layers: dict[str, Layer]
    """The bands that are there, at least one of the ten, and SCL where there is one."""
    dates: NDArray[np.datetime64]
    """(T,) datetime64[D], sorted."""
    shape: tuple[int, int]
    """(Y, X) in pixels of the finest band."""
    crs: str
    """Authority string or WKT."""
    transform: Affine
    """Of the finest band's grid."""
    units: Units = "auto"
    """`dn`, `reflectance`, or `auto`."""
    offset_dn: int | tuple[int, ...] = 0
    """DN subtracted from every band: one number, or one for each date."""
    dilate_px: int = DILATE_PX
    """How far clouds and shadows grow, in pixels of the SCL's own grid."""
    source_name: str = "cube"
    """Name for messages."""
    notes: dict[str, Any] = field(default_factory=dict)
    """More provenance."""
    offset_stated: bool = False
    """Whether the caller said what the offset is; otherwise the darkest pixels are checked for it."""
    places: tuple[Path, ...] = ()
    """Files that are read, and folders of Zarr arrays; `identity` looks at them."""
    sensor: Sensor = READABLE["sentinel-2"]
    """Whose values they are: those of Landsat may be in the numbers of Collection 2."""
    _offset_check: OffsetCheck = field(default_factory=OffsetCheck, compare=False, repr=False)
    _unmasked: MaskNotice = field(default_factory=MaskNotice, compare=False, repr=False)

    @cached_property
    def identity(self) -> str:
        """Name, and a digest of its files (names, sizes, times), its grid, its dates, and how values are read."""
        return self._identify()

    def check_unchanged(self) -> None:
        """Compare the files with what they were when `identity` was first asked for.

        Raises:
            InputError: a file was changed, added or removed since then.
        """
        if self._identify() != self.identity:
            raise InputError(
                f"'{self.source_name}' was changed while it was read, so the result would mix two inputs; nothing was "
                "finished. Wait until nobody writes to it, remove what was begun, and run again."
            )

    def _identify(self) -> str:
        path = Path(self.source_name)
        stats = file_states(path, self.places)
        how: tuple[object, ...] = (
            self.shape,
            self.crs,
            six_numbers(self.transform),
            self.units,
            self.offset_dn,
            self.dilate_px,
        )
        how += () if self.sensor.name == "sentinel-2" else (self.sensor.name,)
        digest = hashlib.sha256(repr((stats, how)).encode("utf-8", "surrogatepass"))
        digest.update(self.dates.astype("datetime64[D]").tobytes())
        return f"{path.name} ({digest.hexdigest()[:12]})"

    def read(
        self,
        window: WindowLike | None = None,
        *,
        period: Period | str | int | None = None,
        every: Every | None = "month",
        mask: bool = True,
    ) -> Cube:
        """Read a window of the cube: arguments and errors as `AreaSource.read`.

        Warns:
            DegradedInputWarning: there is no SCL, or the offset of baseline 04.00 seems to be in the pixels although it
                was not stated; each once for an opened cube.
        """
        span = as_period(period)
        cube = self._read(window, span, every, mask)
        if not self.offset_stated:
            self._offset_check.look(cube, span, source_name=self.source_name)
        return cube

    def check_offset(self, period: Period | str | int | None = None) -> None:
        """Look for an offset that was left in, before work begins: in a small window with enough observations.

        Nothing is read if the offset was stated or the period was checked before. A window that cannot be read is
        skipped here; the error is raised when the work reaches it.

        Raises:
            TimeError: the period has no date.

        Warns:
            DegradedInputWarning: as `read`.
        """
        span = as_period(period)
        if self.offset_stated:
            return
        for box in self._sample_boxes(_OFFSET_PX):
            if not self._offset_check.is_due(span):
                return
            with suppress(DataNotFoundError, OSError):
                self._offset_check.look(self._read(box, span, "month", True), span, source_name=self.source_name)

    @property
    def has_scl(self) -> bool:
        """Whether the cube holds a scene classification."""
        return SCL_NAME in self.layers

    @property
    def pixels_inside(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def default_block(self) -> int:
        """Side of a block in pixels, where none is asked for."""
        return DEFAULT_BLOCK

    @property
    def typical_place(self) -> tuple[int, int]:
        """Row and column of the middle."""
        return self.shape[0] // 2, self.shape[1] // 2

    def bands_there(self, period: Period | str | int | None = None) -> tuple[str, ...]:
        """Bands that some date of a period has.

        Raises:
            TimeError: the period has no date.
        """
        chosen = self._dates_in(as_period(period))
        return tuple(name for name in self._bands if not self.layers[name].lacking(chosen).all())

    def expected_observations(self, period: Period | str | int | None = None) -> float:
        """Pixels of all dates of a period, before clouds are masked."""
        span = as_period(period)
        inside = len(self.dates) if span is None else ((self.dates >= span.start) & (self.dates < span.end)).sum()
        return float(int(inside) * self.pixels_inside)

    def _sample_boxes(self, size_px: int) -> Iterator[Window]:
        """Small windows: in the middle, then towards the corners."""
        rows, columns = (max(size - size_px, 0) for size in self.shape)
        for down, right in _PLACES:
            top, left = int(rows * down), int(columns * right)
            yield Window(top, top + size_px, left, left + size_px).inside(self.shape)

    def _read(self, window: WindowLike | None, span: Period | None, every: Every | None, mask: bool) -> Cube:
        chosen = self._dates_in(span)
        box = checked_window(self, window)
        masked = mask and self.has_scl
        if mask and not masked and not self._looks_composited:
            self._unmasked.give(self.source_name, stacklevel=4)
        if every is None:
            cube = days_of_window(self, box, self._stack(chosen, box, masked=masked, as_dn=False))
        else:
            cube = self._composited(chosen, box, every, span, masked=masked)
        return replace(cube, provenance={**self._provenance(masked=masked), **cube.provenance})

    def _composited(
        self, chosen: NDArray[np.intp], box: Window, every: Every, span: Period | None, *, masked: bool
    ) -> Cube:
        """Composites of a window; the single dates in memory stay within `BUDGET_BYTES`."""
        edges, slot = intervals_of_days(self.dates[chosen], every=every, period=span)
        check_intervals(len(edges) - 1, box, source_name=self.source_name)
        as_dn = self._whole_numbers
        bytes_each = _BYTES_AS_DN if as_dn else _BYTES_AS_REFLECTANCE

        def stacks(piece: Window) -> Iterator[DayStack]:
            for run in date_runs(slot, pixels=piece.pixels, bytes_each=bytes_each):
                yield self._stack(chosen[run], piece, masked=masked, as_dn=as_dn)

        parts = pieces(box, slot, bytes_each=bytes_each, chunk=self._chunk)
        if len(parts) == 1:
            return composite_of_window(self, box, stacks(box), edges=edges, every=every, period=span)
        shape = len(edges) - 1, len(BAND_NAMES), *box.shape
        reflectance = np.zeros(shape, dtype=np.float32)  # (K, C, Y, X)
        observations = np.zeros((shape[0], *box.shape), dtype=np.uint16)
        bands = np.ones(shape, dtype=np.bool_)
        for piece in parts:
            cube = composite_of_window(self, piece, stacks(piece), edges=edges, every=every, period=span)
            place = piece.shifted(-box.row, -box.column).slices
            reflectance[:, :, *place] = cube.reflectance
            assert cube.observations is not None  # composites count them
            observations[:, *place] = cube.observations
            if cube.band_valid is not None:
                bands[:, :, *place] = cube.band_valid
        return replace(
            cube,
            reflectance=reflectance,
            valid=observations > 0,
            observations=observations,
            band_valid=compact(observations > 0, bands),
            transform=window_transform(self.transform, box),
        )

    @cached_property
    def _chunk(self) -> tuple[int, int, int]:
        """Dates, rows and columns, in pixels of the cube, that are unpacked at once: the largest of the bands."""
        sides = []
        for layer in self.layers.values():
            dates, rows, columns = layer.stack.chunk
            sides.append((dates, rows * layer.factor, columns * layer.factor))
        dates, rows, columns = (max(side) for side in zip(*sides, strict=True))
        return dates, rows, columns

    def _stack(self, chosen: NDArray[np.intp], box: Window, *, masked: bool, as_dn: bool) -> DayStack:
        """The chosen days of a window, as digital numbers or as reflectance."""
        shape = len(chosen), len(BAND_NAMES), *box.shape
        values: NDArray[Any] = np.zeros(shape, dtype=np.uint16 if as_dn else np.float32)  # (T, C, Y, X)
        offset = self._offsets(chosen)
        bands = SeenBands(shape)
        for name in self._bands:
            i = band_index(name)
            raw, there = self.layers[name].read(chosen, box)  # (T, Y, X)
            if as_dn:
                values[:, i], seen = clean_dn(raw, offset_dn=offset)
            else:
                values[:, i], seen = usable_reflectance(raw, units=self._units, offset_dn=offset)
            bands.add(i, there & seen)
        valid = bands.any() & self._clear(chosen, box) if masked else bands.any()
        if self._units == "reflectance":
            valid &= values.any(axis=1)  # float cubes without NaN mark "no data" by 0 in all ten bands
        if not as_dn:
            seen_bands = bands.mask()
            values *= valid[:, None] if seen_bands is None else valid[:, None] & seen_bands
        return DayStack(values, valid, self.dates[chosen], bands.mask())

    def _dates_in(self, span: Period | None) -> NDArray[np.intp]:
        if span is None:
            return np.arange(len(self.dates))
        inside = np.flatnonzero((self.dates >= span.start) & (self.dates < span.end))
        if inside.size == 0:
            raise TimeError(
                f"{self.source_name} has no image in {span}; its {len(self.dates)} images run from {self.dates[0]} to "
                f"{self.dates[-1]}."
            )
        return inside

    def _offsets(self, chosen: NDArray[np.intp]) -> NDArray[np.integer]:
        """(T, 1, 1) DN to subtract from each of some dates."""
        return np.broadcast_to(np.asarray(self.offset_dn), self.dates.shape)[chosen][:, None, None]

    @cached_property
    def _bands(self) -> tuple[str, ...]:
        """The bands that are there, in the order of the C axis."""
        return tuple(name for name in BAND_NAMES if name in self.layers)

    @cached_property
    def _gaps(self) -> dict[str, dict[str, list[str]]]:
        """For the provenance: the dates that lack some of the bands, and which."""
        every = np.arange(len(self.dates))
        lacking = {name: self.layers[name].lacking(every) for name in self._bands}
        found = {
            str(date): [name for name in self._bands if lacking[name][i]]
            for i, date in enumerate(self.dates)
            if any(gone[i] for gone in lacking.values())
        }
        return {"dates_without": found} if found else {}

    @cached_property
    def _looks_composited(self) -> bool:
        """Whether there is at most one image a month, as in cubes of composites, which are clear already."""
        return len(np.unique(self.dates.astype("datetime64[M]"))) == len(self.dates)

    @property
    def _whole_numbers(self) -> bool:
        """Whether every band is stored as uint16 digital numbers."""
        return self._units == "dn" and all(self.layers[name].stack.dtype == np.uint16 for name in self._bands)

    @cached_property
    def _units(self) -> Units:
        """Units by a sample: the first of five places that has any observation."""
        some = np.unique(np.linspace(0, len(self.dates) - 1, _UNITS_DATES).astype(int))
        bands = [self.layers[name] for name in (self._bands[-1:] if self.sensor.collection_2 else self._bands[:3])]
        sample = np.zeros(0, dtype=bands[0].stack.dtype)
        for box in self._sample_boxes(_UNITS_PX):
            parts = [values[there] for values, there in (layer.read(some, box) for layer in bands)]
            sample = np.concatenate(parts)
            if (np.isfinite(sample) & (sample != 0)).any():
                break
        found = detect_units(sample, declared=self.units, source_name=self.source_name)
        if found == "dn" and self.units == "auto" and self.sensor.collection_2:
            values = np.full((1, sample.size, len(BAND_NAMES)), np.nan)  # (N, T, C)
            values[0, :, band_index(self._bands[-1])] = sample  # shortwave infrared, where there is any
            return tell_collection_2(values, sensor=self.sensor, source_name=self.source_name)
        return found

    def _clear(self, chosen: NDArray[np.intp], box: Window) -> NDArray[np.bool_]:
        """Clear pixels of a window; read with a rim, so that clouds grow across the edges of blocks."""
        layer = self.layers[SCL_NAME]
        around = layer.cover(box).grown(self.dilate_px)
        values, seen = layer.read_own(chosen, around)
        return layer.spread(clear_where_seen(values, seen, dilate_px=self.dilate_px), around, box).copy()

    def _provenance(self, *, masked: bool) -> dict[str, Any]:
        coarse = [name for name in self._bands if self.layers[name].factor > 1]
        offset = self.offset_dn if isinstance(self.offset_dn, int) else list(self.offset_dn)
        return {
            "source": self.source_name,
            "dates": len(self.dates),
            "sensor": self.sensor.name,
            "bands": list(self._bands),
            **self._gaps,
            "units": self._units,
            "offset_dn": offset,
            "mask": describe_mask(masked=masked, dilate_px=self.dilate_px),
            "resampled": {"bands": coarse, "method": "nearest"} if coarse else {},
            **self.notes,
        }
