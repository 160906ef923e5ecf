"""Two stores of one area: where the embedding moved, where the answer did, and in which months it looked different.

The same place looks a little different every year. What counts as change is therefore measured on the area itself: a
distance that stands out from the bulk of all distances (median + 3 robust standard deviations), or a given one.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from timesenclip.eo.area import AreaSource
from timesenclip.eo.cube.source import check_offset
from timesenclip.errors import CheckpointError, GridError, InputError, NoClearObservationError
from timesenclip.files import write_json
from timesenclip.grid import Window
from timesenclip.mapping.ask_store import answer_block, area_pixel_m, require_complete
from timesenclip.mapping.change_month import month_of_change
from timesenclip.mapping.output.class_map import cog_writers
from timesenclip.mapping.output.cog import (
    CLASS_NODATA,
    SCORE_NODATA,
    CogWriter,
    block_values,
    class_colours,
    map_folder,
    write_class_sidecars,
)
from timesenclip.mapping.query import Question
from timesenclip.mapping.store.info import BlockData
from timesenclip.mapping.store.scoring import in_threads
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.series import Cube

__all__ = ["ChangeResult", "Transition", "change_stores", "cosine_distance"]

_BINS = 4000
"""Bins of distances 0..2: as fine as eight bits can tell apart."""
_MONTHS = calendar.month_name[1:]
SAME, CHANGED = 0, 1


@dataclass(frozen=True, slots=True)
class Transition:
    """How much went from one answer to another."""

    before: str
    """Answer in the first store."""
    after: str
    """Answer in the second."""
    pixels: int
    """Number of pixels."""
    hectares: float
    """Area in hectares."""


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What changed, and what was written."""

    folder: Path
    """Where the files are."""
    files: dict[str, Path]
    """By kind: distance, changed, before, after, month, statistics."""
    threshold: float
    """Cosine distance above which a pixel counts as changed."""
    compared: int
    """Pixels seen in both stores."""
    changed: int
    """Pixels whose embedding moved by more than the threshold."""
    hectares: float
    """Their area."""
    median_distance: float
    """Median distance over the area."""
    transitions: tuple[Transition, ...] = ()
    """Where the answer differs, the largest first; empty without a question."""
    months: dict[str, float] = field(default_factory=dict)
    """Share of the changed pixels whose largest difference lies in a month; empty without cubes."""


def change_stores(
    before: EmbeddingStore | str | Path,
    after: EmbeddingStore | str | Path,
    *,
    out: str | Path,
    question: Question | None = None,
    threshold: float | None = None,
    min_clear: int = 0,
    cubes: tuple[AreaSource, AreaSource] | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ChangeResult:
    """Compare two stores of one area.

    Args:
        before, after: complete stores of the same grid and checkpoint.
        out: folder for the files; it is made.
        question: also compare the answers to this (see `question_of`, asked of `before`).
        threshold: cosine distance above which a pixel has changed; default: what stands out of this area.
        min_clear: pixels with fewer clear observations in either store are left out.
        cubes: where the two stores came from; also say in which month each changed pixel differs most.
        workers: threads; default: one a core.
        progress: called with (done, all) in pixels.

    Raises:
        GridError: the stores are not on one grid.
        CheckpointError: they were made by different checkpoints, whose vectors cannot be compared.
        NoClearObservationError: no pixel was seen in both.
    """
    first, second = (s if isinstance(s, EmbeddingStore) else EmbeddingStore.open(s) for s in (before, after))
    _check_comparable(first, second)
    for cube, store in zip(cubes or (), (first, second), strict=False):
        if (cube.shape, cube.transform) != (store.shape, store.transform):
            raise GridError(
                f"{cube.where} has {cube.shape} pixels from {cube.transform[2::3]} on, the store '{store.path}' has "
                f"{store.shape} from {store.transform[2::3]} on; give what the store was made of."
            )
    if threshold is not None and not 0 <= threshold <= 2:
        raise InputError(f"threshold is {threshold:g}; a cosine distance is 0..2.")
    for cube, store in zip(cubes or (), (first, second), strict=False):
        check_offset(cube, _period_of(store))
    folder = map_folder(out)
    pair = _Pair(first, second, question, min_clear)
    histogram = np.zeros(_BINS, dtype=np.int64)
    moves = np.zeros((256, 256), dtype=np.int64)
    with cog_writers(_writers(folder, first, question)) as writers:
        done = 0
        for window, (distance, answers) in in_threads(pair.compare, first.blocks(), workers):
            seen = np.isfinite(distance)
            histogram += np.histogram(distance[seen], bins=_BINS, range=(0.0, 2.0))[0]
            writers["distance"].write(np.where(seen, distance, SCORE_NODATA).astype(np.float32)[None], window)
            if question is not None:
                pairs = answers[0][seen].astype(np.int64) * 256 + answers[1][seen]
                moves += np.bincount(pairs, minlength=256 * 256).reshape(256, 256)
                writers["before"].write(answers[0][None], window)
                writers["after"].write(answers[1][None], window)
            done += distance.size
            if progress is not None:
                progress(done, first.shape[0] * first.shape[1])
        if histogram.sum() == 0:
            raise NoClearObservationError("No pixel was seen clearly in both stores; there is nothing to compare.")
        files = {name: writer.finish() for name, writer in writers.items()}
    if question is not None:
        for name in ("before", "after"):
            write_class_sidecars(files[name], question.taxonomy)
    limit = _standing_out(histogram) if threshold is None else threshold
    months = np.zeros(13, dtype=np.int64)
    changed = _mark(first, second, folder, files, limit, cubes, months)
    result = ChangeResult(
        folder=folder,
        files=files,
        threshold=limit,
        compared=int(histogram.sum()),
        changed=changed,
        hectares=changed * area_pixel_m(first) ** 2 / 10_000,
        median_distance=_quantile(histogram, 0.5),
        transitions=_transitions(moves, question, area_pixel_m(first)),
        months={name: float(months[i + 1] / changed) for i, name in enumerate(_MONTHS) if months[i + 1]},
    )
    files["statistics"] = _write_statistics(result, first, second)
    return result


def cosine_distance(
    first: NDArray[np.float32], second: NDArray[np.float32], between: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """1 - cosine of rows (N, d) and (N, e); `between` (d, e) is the product of their bases, None where they are one."""
    turned = first if between is None else first @ between
    dots = np.einsum("nd,nd->n", turned, second)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray(np.clip(1 - dots / lengths, 0.0, 2.0), dtype=np.float32)


@dataclass(frozen=True)
class _Pair:
    """Compares a block of one store with the same block of the other."""

    first: EmbeddingStore
    second: EmbeddingStore
    question: Question | None
    min_clear: int

    def compare(self, window: Window) -> tuple[NDArray[np.float32], tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Distance (Y, X), NaN where one of them saw nothing, and the values of both class maps."""
        data = self.first.read(window), self.second.read(window)
        seen = np.logical_and(*((d.scale > 0) & (d.clear >= self.min_clear) for d in data))
        distance = np.full(seen.shape, np.nan, dtype=np.float32)
        rows = [d.vectors[seen].astype(np.float32) for d in data]  # the scales cancel out of a cosine
        distance[seen] = cosine_distance(rows[0], rows[1], self._between())
        return distance, (self._values(self.first, data[0]), self._values(self.second, data[1]))

    def _between(self) -> NDArray[np.float32] | None:
        bases = self.first.projection, self.second.projection
        full = np.eye(self.first.info.full_dims, dtype=np.float32)
        if bases == (None, None):
            return None
        one, other = (full if p is None else p.basis for p in bases)
        return np.asarray(one.T @ other, dtype=np.float32)

    def _values(self, store: EmbeddingStore, data: BlockData) -> NDArray[np.uint8]:
        if self.question is None:
            return np.zeros((0, 0), dtype=np.uint8)
        asked = self.question
        if store is not self.first:
            asked = replace(asked, weights=store.project(asked.full))
        block = answer_block(data, asked, store, unknown_below=None, min_clear=self.min_clear)
        shape = data.scale.shape
        values = block_values(block.answers.label_index, block.answers.seen, (shape[0], shape[1]))  # (1, Y, X)
        return values.reshape(shape)


def _check_comparable(first: EmbeddingStore, second: EmbeddingStore) -> None:
    for store in (first, second):
        require_complete(store)
    one, other = first.info, second.info
    if (one.shape, one.crs, one.transform) != (other.shape, other.crs, other.transform):
        raise GridError(
            f"The stores are on different grids ({one.shape} pixels, {one.transform[:6]} and {other.shape} pixels, "
            f"{other.transform[:6]}); embed one area for both periods."
        )
    if one.digest != other.digest:
        raise CheckpointError(
            f"'{first.path}' was made by checkpoint '{one.checkpoint}' ({one.digest}), '{second.path}' by "
            f"'{other.checkpoint}' ({other.digest}); their vectors cannot be compared. Embed both with one."
        )


def _writers(folder: Path, store: EmbeddingStore, question: Question | None) -> dict[str, CogWriter]:
    grid: dict[str, Any] = {"shape": store.shape, "crs": store.info.crs, "transform": store.transform}
    tags = {"UNITS": "1 - cosine, 0..2"}
    made = {
        "distance": CogWriter(
            folder / "distance.tif",
            dtype="float32",
            nodata=SCORE_NODATA,
            descriptions=["cosine distance"],
            tags=tags,
            overviews="average",
            **grid,
        )
    }
    if question is not None:
        names = {f"CLASS_{k + 1}": name for k, name in enumerate(question.taxonomy.names)} | {"CLASS_0": "unknown"}
        for name in ("before", "after"):
            made[name] = CogWriter(
                folder / f"{name}.tif",
                dtype="uint8",
                nodata=CLASS_NODATA,
                descriptions=[f"class {name}"],
                tags=names,
                colours=class_colours(question.taxonomy),
                **grid,
            )
    return made


def _mark(
    first: EmbeddingStore,
    second: EmbeddingStore,
    folder: Path,
    files: dict[str, Path],
    limit: float,
    cubes: tuple[AreaSource, AreaSource] | None,
    months: NDArray[np.int64],
) -> int:
    """Write where the distance is above the limit and, from cubes, the month; count both."""
    grid: dict[str, Any] = {"shape": first.shape, "crs": first.info.crs, "transform": first.transform}
    more: dict[str, Any] = {"dtype": "uint8", "nodata": CLASS_NODATA, **grid}
    colours = {SAME: (230, 230, 230), CHANGED: (213, 62, 79)}
    tags = {"CLASS_0": "same", "CLASS_1": "changed", "THRESHOLD": limit}
    made = {"changed": CogWriter(folder / "changed.tif", descriptions=["changed"], tags=tags, colours=colours, **more)}
    if cubes is not None:
        named = {f"CLASS_{i + 1}": name for i, name in enumerate(_MONTHS)} | {
            "CLASS_0": "same, or no month seen in both"
        }
        made["month"] = CogWriter(folder / "month.tif", descriptions=["month that differs most"], tags=named, **more)
    count = 0
    with cog_writers(made), ExitStack() as stack:
        raster = stack.enter_context(rasterio.open(files["distance"]))
        for window in first.blocks():
            distance = raster.read(1, window=((window[0], window[1]), (window[2], window[3])))
            moved = distance > limit
            seen = distance != np.float32(SCORE_NODATA)
            values = np.where(seen, np.where(moved, CHANGED, SAME), CLASS_NODATA).astype(np.uint8)
            made["changed"].write(values[None], window)
            count += int(moved.sum())
            if cubes is not None:
                month = np.zeros(moved.shape, dtype=np.uint8)
                if moved.any():
                    pair = _read_cubes(cubes, (first, second), window)
                    month = np.where(moved, month_of_change(*pair), 0).astype(np.uint8)
                    months += np.bincount(month[moved], minlength=13)
                made["month"].write(np.where(seen, month, CLASS_NODATA).astype(np.uint8)[None], window)
        files.update({name: writer.finish() for name, writer in made.items()})
    return count


def _read_cubes(
    cubes: tuple[AreaSource, AreaSource], stores: tuple[EmbeddingStore, EmbeddingStore], window: Window
) -> tuple[Cube, Cube]:
    one, other = (
        cube.read(window, period=_period_of(store), every="month") for cube, store in zip(cubes, stores, strict=True)
    )
    return one, other


def _period_of(store: EmbeddingStore) -> str | None:
    """What was read of the store's area, as sources take it."""
    return None if store.info.period == "all" else store.info.period


def _standing_out(histogram: NDArray[np.int64]) -> float:
    """Median + 3 x 1.4826 x the median absolute deviation, from a histogram."""
    median = _quantile(histogram, 0.5)
    centres = (np.arange(_BINS) + 0.5) * 2 / _BINS
    order = np.argsort(np.abs(centres - median), kind="stable")
    total = np.cumsum(histogram[order])
    deviation = abs(centres[order][int(np.searchsorted(total, total[-1] / 2))] - median)
    return float(min(2.0, median + 3 * 1.4826 * max(deviation, 2 / _BINS)))


def _quantile(histogram: NDArray[np.int64], share: float) -> float:
    total = np.cumsum(histogram)
    return float((np.searchsorted(total, total[-1] * share) + 0.5) * 2 / _BINS)


def _transitions(moves: NDArray[np.int64], question: Question | None, pixel_m: float) -> tuple[Transition, ...]:
    if question is None:
        return ()
    names = ["unknown", *question.taxonomy.names]
    pairs = [(int(moves[a, b]), a, b) for a in range(len(names)) for b in range(len(names)) if a != b and moves[a, b]]
    return tuple(
        Transition(names[a], names[b], pixels, pixels * pixel_m**2 / 10_000)
        for pixels, a, b in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))
    )


def _write_statistics(result: ChangeResult, first: EmbeddingStore, second: EmbeddingStore) -> Path:
    path = result.folder / "change.json"
    content = {
        "before": {"store": str(first.path), "period": first.info.period},
        "after": {"store": str(second.path), "period": second.info.period},
        "checkpoint": {"name": first.info.checkpoint, "digest": first.info.digest},
        **{key: value for key, value in asdict(result).items() if key not in ("folder", "files")},
    }
    if not math.isfinite(result.threshold):
        raise InputError("The threshold is not a number; give one with --threshold.")
    return write_json(path, content)
