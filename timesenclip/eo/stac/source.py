"""An area made of scenes: which of them a window needs, and how scenes become composites.

    scene      `SceneReader.read`      reflectance and clear pixels of one scene in the window
    day        `_daily_mosaics`        the scenes of a solar day, the first valid pixel wins: a `DayStack`
    interval   `composite_of_window`   the median of the days of each interval (kernel: `composite_kernel.py`)
    window     `StacSource.read`       all intervals, with provenance and warnings: a `Cube`

Scenes are read in parallel and merged in order; memory holds the days of one interval at a time.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, BANDS, SCL_NAME, band_index
from timesenclip.eo.area import checked_window, composite_of_window, days_of_window
from timesenclip.eo.composite import DayStack, intervals_of_days
from timesenclip.eo.masking import describe_mask
from timesenclip.eo.notices import MaskNotice
from timesenclip.eo.period import Every, Period, as_period
from timesenclip.eo.stac.aoi import Aoi
from timesenclip.eo.stac.identity import disk_versions, file_versions, scene_facts
from timesenclip.eo.stac.items import Scene
from timesenclip.eo.stac.reader import Failure, SceneReader, SceneWindow
from timesenclip.eo.stac.report import ReadingReport, WarnedOnce
from timesenclip.errors import InputError, TimeError
from timesenclip.grid import Window, WindowLike, six_numbers
from timesenclip.messages import list_some
from timesenclip.series import Cube

__all__ = ["StacSource"]

_CORNER_STEPS = 8
"""Number of pieces that each edge of a window is cut into before it is projected to degrees."""
_GEOS_LOCK = threading.Lock()
"""Held while a geometry that threads share is queried: GEOS builds a prepared geometry's index at the first query, and
two first queries at the same time crash the process, because shapely releases the GIL."""


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
    source_name: str
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
    _warned: WarnedOnce = field(default_factory=WarnedOnce, compare=False, repr=False)
    _unmasked: MaskNotice = field(default_factory=MaskNotice, compare=False, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        return self.aoi.grid.shape

    @property
    def crs(self) -> str:
        """`EPSG:32631`."""
        return self.aoi.crs

    @property
    def transform(self) -> Affine:
        """Of the area's grid."""
        return self.aoi.grid.transform

    @property
    def dates(self) -> NDArray[np.datetime64]:
        """(T,) datetime64[D]: the solar days that have a scene."""
        return np.unique(np.array([scene.day for scene in self.scenes], dtype="datetime64[D]"))

    @cached_property
    def identity(self) -> str:
        """Name, number of scenes, and a digest of the scenes, the version of their files, the area, and how pixels are
        read. It looks at every file on disk, and asks servers for theirs (`identity.py`).
        """
        _ = self._on_disk  # before any pixel is read
        scenes = [scene_facts(scene) for scene in self.scenes]
        files = file_versions(self.scenes, self.reader)
        how = (str(self.period), self.crs, six_numbers(self.transform), self.shape, self.clip)
        digest = hashlib.sha256(repr((scenes, files, how, self.reader.resampling, self.reader.dilate_px)).encode())
        digest.update(self.aoi.geometry.wkb)
        return f"{self.source_name}, {len(self.scenes)} scenes ({digest.hexdigest()[:12]})"

    @cached_property
    def _on_disk(self) -> list[tuple[str, str]]:
        """Files on disk, and their versions when they were first asked for."""
        return disk_versions(self.scenes)

    def check_unchanged(self) -> None:
        """Compare the files on disk with what they were when `identity` was first asked for.

        Files of servers are not asked again: what they answered for `identity` says which version a run began with.

        Raises:
            InputError: a file was changed or removed since then.
        """
        before = self._on_disk
        now = disk_versions(self.scenes)
        changed = [at for (at, version), (_, later) in zip(before, now, strict=True) if version != later]
        if changed:
            raise InputError(
                f"{list_some([Path(at).name for at in changed])} of '{self.source_name}' changed while it was read, so "
                "the result would mix two inputs; nothing was finished. Wait until nobody writes to it, remove what "
                "was begun, and run again."
            )

    def read(
        self,
        window: WindowLike | None = None,
        *,
        period: Period | str | int | None = None,
        every: Every | None = "month",
        mask: bool = True,
    ) -> Cube:
        """Read a window of the area, one composite after the other: arguments and errors as `AreaSource.read`.

        A date is a solar day. The period must lie in the one that was searched for, which is the default.

        Raises:
            DataNotFoundError: none of the files could be read.

        Warns:
            DegradedInputWarning: files failed, pixels contradict the offset decided for their scene, or there is no
                SCL; each once for a source.
        """
        span = self._span(period)
        box = checked_window(self, window)
        days = self.dates[(self.dates >= span.start) & (self.dates < span.end)]
        if days.size == 0:
            raise TimeError(
                f"{self.source_name} has no scene in {span}; its scenes run from {self.dates[0]} to {self.dates[-1]}."
            )
        masked = mask and self.has_scl
        if mask and not masked:
            self._unmasked.give(self.source_name)
        report = ReadingReport()
        with ThreadPoolExecutor(self.workers) as pool:
            if every is None:
                cube = days_of_window(self, box, self._daily_mosaics(days, box, masked, pool, report))
            else:
                edges, interval = intervals_of_days(days, every=every, period=span)
                stacks = (
                    self._daily_mosaics(days[interval == k], box, masked, pool, report) for k in np.unique(interval)
                )
                cube = composite_of_window(self, box, stacks, edges=edges, every=every, period=span)
        self._warned.tell(report, self.source_name, access=self.access, failures=self.failures)
        return replace(cube, provenance={**self._provenance(report, masked=masked), **cube.provenance})

    def bands_there(self, period: Period | str | int | None = None) -> tuple[str, ...]:
        """Bands that some scene of a period has.

        Raises:
            TimeError: the period is not within the one that was searched for.
        """
        span = self._span(period)
        there = [scene.assets for scene in self.scenes if span.start <= scene.day < span.end]
        return tuple(name for name in BAND_NAMES if any(name in assets for assets in there))

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
    def default_block(self) -> int:
        """Side of a block in pixels, where none is asked for."""
        return 512  # scenes come in tiles of 512 or 1,024 pixels, each of which a small block decodes anew

    @property
    def typical_place(self) -> tuple[int, int]:
        """Row and column of a pixel within the polygon, near its middle."""
        grid, point = self.aoi.grid, self._polygon.representative_point()
        row, column = int((point.y - grid.y0) / grid.dy), int((point.x - grid.x0) / grid.dx)
        return min(max(row, 0), grid.shape[0] - 1), min(max(column, 0), grid.shape[1] - 1)

    def check_offset(self, period: Period | str | int | None = None) -> None:
        """Do nothing: the offset is decided scene by scene, and every window that is read is compared with it."""

    def _span(self, period: Period | str | int | None) -> Period:
        span = as_period(period) or self.period
        if span.start < self.period.start or span.end > self.period.end:
            raise TimeError(
                f"{self.source_name} was searched for {self.period}, not for {span}; open it with that period."
            )
        return span

    @cached_property
    def has_scl(self) -> bool:
        """Whether any scene has a scene classification."""
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

        if not self.clip:
            return np.ones(box.shape, dtype=np.bool_)
        x, y = np.meshgrid(*self.aoi.grid.centres(box))
        with _GEOS_LOCK:
            shapely.prepare(self._polygon)
            return np.asarray(shapely.contains_xy(self._polygon, x, y), dtype=np.bool_)

    def _outline(self, box: Window) -> Any:
        """A window as a polygon in EPSG:4326."""
        from pyproj import Transformer
        from shapely import segmentize, transform
        from shapely.geometry import box as rectangle

        grid = self.aoi.grid
        left, right = grid.x0 + grid.dx * box.column, grid.x0 + grid.dx * box.column_end
        top, bottom = grid.y0 + grid.dy * box.row, grid.y0 + grid.dy * box.row_end
        edges = segmentize(rectangle(left, bottom, right, top), max(right - left, top - bottom) / _CORNER_STEPS)
        to_degrees = Transformer.from_crs(self.aoi.epsg, 4326, always_xy=True)
        return transform(edges, to_degrees.transform, interleaved=False)

    def _daily_mosaics(
        self, days: NDArray[np.datetime64], box: Window, masked: bool, pool: ThreadPoolExecutor, report: ReadingReport
    ) -> DayStack:
        """Mosaics of some solar days; the first valid pixel wins."""
        valid = np.zeros((len(days), *box.shape), dtype=np.bool_)  # (T, Y, X)
        values = np.zeros((len(days), len(BANDS), *box.shape), dtype=np.float32)  # (T, C, Y, X)
        bands: NDArray[np.bool_] | None = None
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
                    take = found.valid & inside & ~valid[i]
                    values[i][:, take] = found.reflectance[:, take]
                    valid[i] |= take
                    if scene.lacks:
                        bands = np.ones(values.shape, dtype=np.bool_) if bands is None else bands
                        bands[i][np.ix_([band_index(name) for name in scene.lacks])] &= ~take
        return DayStack(values, valid, days, bands)

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

    def _provenance(self, report: ReadingReport, *, masked: bool) -> dict[str, Any]:
        offsets = Counter((scene.offset.offset_dn, scene.offset.reason) for scene in self.scenes)
        there = self.bands_there()
        coarse = [band.name for band in BANDS if band.resolution_m > self.aoi.grid.dx and band.name in there]
        return {
            "source": self.source_name,
            "area": {"name": self.aoi.name, "bounds": list(self.aoi.bounds), "clipped": self.clip},
            "dates": len(self.dates),
            "bands": list(there),
            "units": "dn",
            "offsets": [{"offset_dn": dn, "why": why, "scenes": n} for (dn, why), n in sorted(offsets.items())],
            "mask": describe_mask(masked=masked, dilate_px=self.reader.dilate_px),
            "resampled": {"bands": coarse, "method": self.reader.resampling, "other bands": "nearest"},
            "mosaic": "a date is a solar day; the first valid pixel wins, the area's own UTM zone first",
            "scenes": [scene.id for scene in self.scenes],
            "failed": [str(failure) for failure in report.failed],
            "contradicted": {name: why for scenes in report.doubts.values() for name, why in scenes.items()},
            **self.notes,
        }
