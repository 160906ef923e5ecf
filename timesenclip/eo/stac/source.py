"""An area made of scenes: which of them a window needs, and how they become one cube."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BANDS, SCL_NAME
from timesenclip.eo.area import checked_window, read_blocks, window_transform
from timesenclip.eo.composite import composite_cube, describe_composite
from timesenclip.eo.masking import DROPPED_SCL
from timesenclip.eo.period import Every, Period, as_period, interval_edges
from timesenclip.eo.radiometry import contradicts_offset
from timesenclip.eo.stac.aoi import Aoi
from timesenclip.eo.stac.items import Scene
from timesenclip.eo.stac.reader import Failure, SceneReader, SceneWindow
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, TimeError
from timesenclip.grid import Transform, Window
from timesenclip.messages import some_of
from timesenclip.series import Cube

__all__ = ["StacSource"]

_CORNER_STEPS = 8
"""Edges of a window are cut into so many pieces before they become degrees."""
_GEOS_LOCK = threading.Lock()
"""Held while a geometry that threads share is asked: GEOS builds a prepared geometry's index at the first question, and
two first questions at once end the process (shapely lets go of the GIL)."""


@dataclass
class _Warned:
    """What a source has already warned about, so that a map of many windows warns of each thing once."""

    any_read: bool = False
    """Whether any scene could be read so far."""
    unmasked: bool = False
    """Warned that clouds are not masked."""
    offsets: set[int] = field(default_factory=set)
    """DN offsets that pixels contradict."""
    files: set[tuple[str, str]] = field(default_factory=set)
    """(scene, band) that could not be read."""


@dataclass(frozen=True)
class StacSource:
    """An area and the scenes that show it, without their pixels. Can be pickled and sent to workers."""

    aoi: Aoi
    """Where."""
    period: Period
    """When; what was searched for."""
    scenes: tuple[Scene, ...]
    """In the order in which they fill a day: the area's own UTM zone first."""
    reader: SceneReader
    """Reads a scene."""
    where: str
    """Name for messages."""
    workers: int = 8
    """Scenes that are read at the same time; memory holds so many windows besides the result."""
    clip: bool = True
    """Whether pixels outside the polygon are missing, rather than only those outside its bounding box."""
    access: str = ""
    """What to check when nothing can be read."""
    notes: dict[str, Any] = field(default_factory=dict)
    """More provenance."""
    failures: list[Failure] = field(default_factory=list, compare=False)
    """Files that could not be read so far, each once, with the window in which it was noticed."""
    _warned: _Warned = field(default_factory=_Warned, compare=False, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        return self.aoi.grid.shape

    @property
    def crs(self) -> str:
        """`EPSG:32631`."""
        return self.aoi.crs

    @property
    def transform(self) -> Transform:
        """Affine of the area's grid."""
        return self.aoi.grid.transform

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """(T,) datetime64[D]: the solar days that have a scene."""
        return np.unique(np.array([scene.day for scene in self.scenes], dtype="datetime64[D]"))

    @cached_property
    def identity(self) -> str:
        """Name, number of scenes, and a digest of the scenes, the area, and how pixels are read."""
        scenes = [
            (scene.id, scene.offset.offset_dn, sorted((band, at.split("?")[0]) for band, at in scene.assets.items()))
            for scene in self.scenes
        ]
        how = (str(self.period), self.crs, self.transform, self.shape, self.clip)
        digest = hashlib.sha256(repr((scenes, how, self.reader.resampling, self.reader.dilate_px)).encode())
        digest.update(self.aoi.geometry.wkb)
        return f"{self.where}, {len(self.scenes)} scenes ({digest.hexdigest()[:12]})"

    def read(
        self,
        window: Window | None = None,
        *,
        period: Period | str | int | None = None,
        every: Every | None = "month",
        mask: bool = True,
    ) -> Cube:
        """Read a window of the area, one composite after the other.

        Args:
            window: first and last row, first and last column, the last ones exclusive; default: all of it.
            period: a part of the period that was searched for; default: all of it.
            every: composite to these intervals; None keeps every solar day.
            mask: leave out what SCL calls cloud, shadow or defective.

        Raises:
            TimeError: the period has no scene, or reaches beyond the one searched for.
            InputError: the window is empty or reaches beyond the area.
            DataNotFoundError: none of the files could be read.
        """
        span = self._span(period)
        box = checked_window(self, window)
        days = self.dates[(self.dates >= span.start) & (self.dates < span.end)]
        if days.size == 0:
            raise TimeError(
                f"{self.where} has no scene in {span}; its scenes run from {self.dates[0]} to {self.dates[-1]}."
            )
        masked = mask and self._has_scl
        report = _Report()
        with ThreadPoolExecutor(self.workers) as pool:
            if every is None:
                cube = self._read_days(days, box, masked, pool, report)
            else:
                edges = interval_edges(span.start, span.end - np.timedelta64(1, "D"), every)
                pieces = []
                for first, last in pairwise(edges):
                    here = days[(days >= first) & (days < last)]
                    piece = self._read_days(here, box, masked, pool, report)
                    part = Period(max(first, span.start), min(last, span.end))
                    if piece.valid.any():
                        pieces.append(composite_cube(piece, every=every, period=part))
                    else:  # the sea, or beyond a border: nothing to sort
                        pieces.append(self._read_days(days[:0], box, masked, pool, report))
                cube = _joined(pieces, edges, span, every)
        self._say(report, mask=mask)
        return replace(cube, provenance={**self._provenance(report, masked=masked), **cube.provenance})

    def blocks(
        self,
        size: int = 256,
        *,
        period: Period | str | int | None = None,
        every: Every | None = "month",
        mask: bool = True,
    ) -> Iterator[tuple[Window, Cube]]:
        """Read the area in square blocks, row by row; memory holds one block. Arguments as `read`."""
        return read_blocks(self, size, period=period, every=every, mask=mask)

    def expected_observations(self, period: Period | str | int | None = None) -> float:
        """Pixels of all scenes within the area, by their outlines: what there is to read, before clouds.

        Shares of an area are measured in degrees squared, which is near enough for a plan.
        """
        span = self._span(period)
        there = [scene.outline for scene in self.scenes if span.start <= scene.day < span.end]
        area = self.aoi.geometry
        with _GEOS_LOCK:
            shares = [1.0 if o is None else float(o.intersection(area).area / area.area) for o in there]
        return self.pixels_inside * sum(shares)

    @property
    def pixels_inside(self) -> int:
        """Pixels within the polygon, nearly: its area."""
        rows, columns = self.shape
        grid = self.aoi.grid
        return min(rows * columns, round(self._polygon.area / abs(grid.dx * grid.dy))) if self.clip else rows * columns

    @property
    def typical_place(self) -> tuple[int, int]:
        """Row and column of a pixel within the polygon, near its middle."""
        grid, point = self.aoi.grid, self._polygon.representative_point()
        row, column = int((point.y - grid.y0) / grid.dy), int((point.x - grid.x0) / grid.dx)
        return min(max(row, 0), grid.shape[0] - 1), min(max(column, 0), grid.shape[1] - 1)

    def _span(self, period: Period | str | int | None) -> Period:
        span = as_period(period) or self.period
        if span.start < self.period.start or span.end > self.period.end:
            raise TimeError(f"{self.where} was searched for {self.period}, not for {span}; open it with that period.")
        return span

    @cached_property
    def _has_scl(self) -> bool:
        return any(SCL_NAME in scene.assets for scene in self.scenes)

    @cached_property
    def _polygon(self) -> Any:
        """The area in the grid's CRS."""
        from pyproj import Transformer
        from shapely import transform

        to_metres = Transformer.from_crs(4326, self.aoi.epsg, always_xy=True)
        return transform(self.aoi.dense, to_metres.transform, interleaved=False)

    def _inside(self, box: Window) -> NDArray[np.bool_]:
        """(y, x): pixels whose centre lies in the area."""
        import shapely

        shape = box[1] - box[0], box[3] - box[2]
        if not self.clip:
            return np.ones(shape, dtype=np.bool_)
        grid = self.aoi.grid
        x = grid.x0 + grid.dx * (np.arange(box[2], box[3]) + 0.5)
        y = grid.y0 + grid.dy * (np.arange(box[0], box[1]) + 0.5)
        columns, rows = np.meshgrid(x, y)
        with _GEOS_LOCK:
            shapely.prepare(self._polygon)
            return np.asarray(shapely.contains_xy(self._polygon, columns, rows), dtype=np.bool_)

    def _outline(self, box: Window) -> Any:
        """A window as a polygon in EPSG:4326."""
        from pyproj import Transformer
        from shapely import segmentize, transform
        from shapely.geometry import box as rectangle

        grid = self.aoi.grid
        left, right = grid.x0 + grid.dx * box[2], grid.x0 + grid.dx * box[3]
        top, bottom = grid.y0 + grid.dy * box[0], grid.y0 + grid.dy * box[1]
        edges = segmentize(rectangle(left, bottom, right, top), max(right - left, top - bottom) / _CORNER_STEPS)
        to_degrees = Transformer.from_crs(self.aoi.epsg, 4326, always_xy=True)
        return transform(edges, to_degrees.transform, interleaved=False)

    def _read_days(
        self, days: NDArray[np.datetime64], box: Window, masked: bool, pool: ThreadPoolExecutor, report: _Report
    ) -> Cube:
        """Mosaics of some days: (T, C, y, x)."""
        shape = (len(days), box[1] - box[0], box[3] - box[2])
        reflectance = np.zeros((shape[0], len(BANDS), *shape[1:]), dtype=np.float32)
        valid = np.zeros(shape, dtype=np.bool_)
        inside = self._inside(box)
        if inside.any():
            place = {day: i for i, day in enumerate(days)}
            outline = self._outline(box)
            there = [scene for scene in self.scenes if scene.day in place]
            with _GEOS_LOCK:
                needed = [scene for scene in there if scene.outline is None or scene.outline.intersects(outline)]
            for scene, found in self._in_order(needed, box, masked, pool):
                report.add(scene, found)
                if isinstance(found, SceneWindow):
                    i = place[scene.day]
                    take = found.valid & inside & ~valid[i]  # the first valid pixel wins
                    reflectance[i][:, take] = found.reflectance[:, take]
                    valid[i] |= take
        transform = window_transform(self.transform, box)
        return Cube(reflectance, valid, days, days + np.timedelta64(1, "D"), self.crs, transform, {})

    def _in_order(
        self, scenes: list[Scene], box: Window, masked: bool, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[Scene, SceneWindow | Failure | None]]:
        """Read scenes in parallel, hand them on in order; never more than `workers` are under way or waiting."""
        waiting: deque[tuple[Scene, Future[SceneWindow | Failure | None]]] = deque()
        for scene in scenes:
            if len(waiting) >= self.workers:
                first, future = waiting.popleft()
                yield first, future.result()
            waiting.append((scene, pool.submit(self.reader.read, scene, box, mask=masked)))
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()

    def _say(self, report: _Report, *, mask: bool) -> None:
        """Name what failed and what looks wrong, each once."""
        if len(report.failed) < report.asked:
            self._warned.any_read = True
        elif report.failed and (report.of_network or not self._warned.any_read):
            # A hole in the map would look like cloud; a single broken file, elsewhere, is only named.
            raise DataNotFoundError(
                f"None of the {report.asked} scenes of a window of {self.where} could be read; first: "
                f"{report.failed[0]}. {self.access or 'Check the network and the addresses.'}"
            )
        new = [failure for failure in report.failed if (failure.scene, failure.band) not in self._warned.files]
        if new:
            self._warned.files.update((failure.scene, failure.band) for failure in new)
            self.failures.extend(new)  # not every window's: the list must not grow with the area
            self._warn(
                f"{len(new)} of {report.asked} scenes could not be read and give nothing to a window: "
                f"{some_of([str(failure) for failure in new])}"
            )
        for offset, scenes in report.doubts.items():
            if offset not in self._warned.offsets:
                self._warned.offsets.add(offset)
                self._warn(
                    f"the pixels of {len(scenes)} of {report.asked} scenes contradict the offset of {offset} DN "
                    f"decided for them ({some_of([f'{name}: {why}' for name, why in scenes.items()])}). Say the "
                    "offset or the provider."
                )
        if mask and not self._has_scl and not self._warned.unmasked:
            self._warned.unmasked = True
            self._warn(f"the scenes have no {SCL_NAME}, so clouds are not masked; add it.")

    def _warn(self, text: str) -> None:
        warnings.warn(f"{self.where}: {text}", DegradedInputWarning, stacklevel=4)

    def _provenance(self, report: _Report, *, masked: bool) -> dict[str, Any]:
        offsets = Counter((scene.offset.offset_dn, scene.offset.reason) for scene in self.scenes)
        coarse = [band.name for band in BANDS if band.resolution_m > self.aoi.grid.dx]
        dilated = f"SCL without {list(DROPPED_SCL)}, dilated by {self.reader.dilate_px} pixel(s)"
        return {
            "source": self.where,
            "area": {"name": self.aoi.name, "bounds": list(self.aoi.bounds), "clipped": self.clip},
            "dates": len(self.dates),
            "units": "dn",
            "offsets": [{"offset_dn": dn, "why": why, "scenes": n} for (dn, why), n in sorted(offsets.items())],
            "mask": dilated if masked else "none",
            "resampled": {"bands": coarse, "method": self.reader.resampling, "other bands": "nearest"},
            "mosaic": "a date is a solar day; the first valid pixel wins, the area's own UTM zone first",
            "scenes": [scene.id for scene in self.scenes],
            "failed": [str(failure) for failure in report.failed],
            "contradicted": {name: why for scenes in report.doubts.values() for name, why in scenes.items()},
            **self.notes,
        }


class _Report:
    """What went wrong while one window was read."""

    def __init__(self) -> None:
        self.asked = 0
        self.failed: list[Failure] = []
        self.doubts: dict[int, dict[str, str]] = {}

    @property
    def of_network(self) -> bool:
        return any(failure.of_network for failure in self.failed)

    def add(self, scene: Scene, found: SceneWindow | Failure | None) -> None:
        self.asked += 1
        if isinstance(found, Failure):
            self.failed.append(found)
        elif found is not None and (scene.may_hold_offset or scene.offset.offset_dn):
            why = contradicts_offset(found.lowest_dn, scene.offset.offset_dn)
            if why is not None:
                self.doubts.setdefault(scene.offset.offset_dn, {})[scene.id] = why


def _joined(pieces: list[Cube], edges: NDArray[np.datetime64], span: Period, every: Every) -> Cube:
    """Composites of all intervals, those without a scene included, as one cube."""
    shape = pieces[0].reflectance.shape[1:]
    reflectance = np.zeros((len(pieces), *shape), dtype=np.float32)  # (K, C, y, x)
    valid = np.zeros((len(pieces), *shape[1:]), dtype=np.bool_)
    observations = np.zeros(valid.shape, dtype=np.uint16)
    for k, piece in enumerate(pieces):
        if len(piece.start):
            reflectance[k], valid[k] = piece.reflectance[0], piece.valid[0]
            if piece.observations is not None:
                observations[k] = piece.observations[0]
    provenance = {"composite": describe_composite(every, span)}
    crs, transform = pieces[0].crs, pieces[0].transform
    return Cube(reflectance, valid, edges[:-1], edges[1:], crs, transform, provenance, observations)
