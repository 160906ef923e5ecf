"""Rasters of a comparison of two stores, by blocks: distances and classes first, then changed pixels and months."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from timesenclip.eo.area import AreaSource
from timesenclip.eo.outliers import cube_without_outliers
from timesenclip.errors import NoClearObservationError
from timesenclip.grid import Window
from timesenclip.mapping.change_month import month_of_change
from timesenclip.mapping.change_statistics import DistanceHistogram, TransitionCounts
from timesenclip.mapping.output.layers import CLASS_NODATA, SCORE_NODATA, Layer, class_layer
from timesenclip.mapping.query import Query
from timesenclip.mapping.run.ask_block import ask_block
from timesenclip.mapping.store.info import BlockData
from timesenclip.mapping.store.scoring import in_threads
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.series import Cube

__all__ = ["ChangeMarks", "StorePair", "cosine_distance"]

_MONTHS = calendar.month_name[1:]
SAME, CHANGED = 0, 1
Rasters = dict[str, NDArray[Any]]


def cosine_distance(
    first: NDArray[np.float32], second: NDArray[np.float32], between: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """1 - cosine of rows (N, d) and (N, e); `between` (d, e) is the product of their bases, None where they are one."""
    turned = first if between is None else first @ between
    dots = np.einsum("nd,nd->n", turned, second)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray(np.clip(1 - dots / lengths, 0.0, 2.0), dtype=np.float32)


@dataclass(frozen=True)
class StorePair:
    """Two stores of one grid, compared block by block."""

    first: EmbeddingStore
    """The store of the earlier period."""
    second: EmbeddingStore
    """The store of the later period."""
    queries: tuple[Query, Query] | None
    """Queries for both stores, each in the dimensions of its store."""
    min_clear: int
    """Pixels with fewer clear observations in either store are left out."""
    distances: DistanceHistogram = field(default_factory=DistanceHistogram)
    """Counts the distances of the blocks that were handed out."""
    classes: TransitionCounts = field(default_factory=TransitionCounts)
    """Counts the classes of the blocks that were handed out."""

    def layers(self) -> list[Layer]:
        """Layers of the distance and, with a query, of the class maps before and after."""
        tags = {"UNITS": "1 - cosine, 0..2"}
        made = [Layer("distance", "float32", SCORE_NODATA, ["cosine distance"], tags, overviews="average")]
        if self.queries is not None:
            taxonomy = self.queries[0].taxonomy
            made += [class_layer(name, taxonomy, f"class {name}") for name in ("before", "after")]
        return made

    def blocks(self, workers: int | None) -> Iterator[tuple[Window, Rasters]]:
        """Compare all blocks, and count what is found.

        Raises:
            NoClearObservationError: no pixel was seen in both stores.
        """
        for window, (distance, values) in in_threads(self._compare, self.first.blocks(), workers):
            seen = np.isfinite(distance)
            self.distances.add(distance[seen])
            rasters: Rasters = {"distance": np.where(seen, distance, SCORE_NODATA).astype(np.float32)[None]}
            if values is not None:
                before, after = values
                self.classes.add(before[seen], after[seen])
                rasters |= {"before": before[None], "after": after[None]}
            yield window, rasters
        if self.distances.total == 0:
            raise NoClearObservationError("No pixel was seen clearly in both stores; there is nothing to compare.")

    def _compare(
        self, window: Window
    ) -> tuple[NDArray[np.float32], tuple[NDArray[np.uint8], NDArray[np.uint8]] | None]:
        """Distance (Y, X), NaN where one of them saw nothing, and the values (Y, X) of both class maps."""
        data = self.first.read(window), self.second.read(window)
        seen = np.logical_and(*((d.scale > 0) & (d.clear >= self.min_clear) for d in data))
        distance = np.full(seen.shape, np.nan, dtype=np.float32)
        rows = [d.vectors[seen].astype(np.float32) for d in data]  # the scales cancel out of a cosine
        distance[seen] = cosine_distance(rows[0], rows[1], self._between())
        if self.queries is None:
            return distance, None
        return distance, (self._classes(data[0], self.queries[0]), self._classes(data[1], self.queries[1]))

    def _classes(self, data: BlockData, query: Query) -> NDArray[np.uint8]:
        return ask_block(data, query, min_clear=self.min_clear, keep_scores=False).classes

    def _between(self) -> NDArray[np.float32] | None:
        """(d, e) product of the two bases; None where neither store was projected."""
        bases = self.first.projection, self.second.projection
        full = np.eye(self.first.info.full_dims, dtype=np.float32)
        if bases == (None, None):
            return None
        one, other = (full if p is None else p.basis for p in bases)
        return np.asarray(one.T @ other, dtype=np.float32)


@dataclass
class ChangeMarks:
    """Where the distance of two stores is above a limit and, from cubes, in which month the pixel differs most."""

    stores: tuple[EmbeddingStore, EmbeddingStore]
    """The compared stores."""
    distance: Path
    """The raster of distances."""
    limit: float
    """Distance above which a pixel counts as changed."""
    cubes: tuple[AreaSource, AreaSource] | None
    """Areas that the stores were made of."""
    changed: int = 0
    """Changed pixels of the blocks that were handed out."""
    months: NDArray[np.int64] = field(default_factory=lambda: np.zeros(13, dtype=np.int64))
    """(13,) changed pixels by the month of the largest difference; 0: no month was seen in both."""

    def layers(self) -> list[Layer]:
        """Layers of changed pixels and, from cubes, of the month."""
        colours = {SAME: (230, 230, 230), CHANGED: (213, 62, 79)}
        tags = {"CLASS_0": "same", "CLASS_1": "changed", "THRESHOLD": self.limit}
        made = [Layer("changed", "uint8", CLASS_NODATA, ["changed"], tags, colours)]
        if self.cubes is not None:
            named = {f"CLASS_{i + 1}": name for i, name in enumerate(_MONTHS)}
            named |= {"CLASS_0": "same, or no month seen in both"}
            made.append(Layer("month", "uint8", CLASS_NODATA, ["month that differs most"], named))
        return made

    def blocks(self) -> Iterator[tuple[Window, Rasters]]:
        """Mark all blocks, and count what is found."""
        with rasterio.open(self.distance) as raster:
            for window in self.stores[0].blocks():
                distance = raster.read(1, window=window.ranges)
                moved = distance > self.limit
                seen = distance != np.float32(SCORE_NODATA)
                values = np.where(seen, np.where(moved, CHANGED, SAME), CLASS_NODATA).astype(np.uint8)
                self.changed += int(moved.sum())
                rasters: Rasters = {"changed": values[None]}
                if self.cubes is not None:
                    month = self._month(window, moved)
                    rasters["month"] = np.where(seen, month, CLASS_NODATA).astype(np.uint8)[None]
                yield window, rasters

    def month_shares(self) -> dict[str, float]:
        """Share of the changed pixels that differ most in each month; without the months that have none."""
        return {name: float(self.months[i + 1] / self.changed) for i, name in enumerate(_MONTHS) if self.months[i + 1]}

    def _month(self, window: Window, moved: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """(Y, X) month of the largest difference of the changed pixels; 0 elsewhere."""
        if self.cubes is None or not moved.any():
            return np.zeros(moved.shape, dtype=np.uint8)
        before, after = (self._read(i, cube, window) for i, cube in enumerate(self.cubes))
        month = np.where(moved, month_of_change(before, after), 0).astype(np.uint8)
        self.months += np.bincount(month[moved], minlength=13)
        return month

    def _read(self, i: int, cube: AreaSource, window: Window) -> Cube:
        found = cube.read(window, period=self.stores[i].period, every="month")
        return cube_without_outliers(found, self.stores[i].info.outliers)
