"""A plan of an area before it is embedded: its blocks, and what they will cost on this machine."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, BANDS
from timesenclip.eo.area import BLOCK_MULTIPLE, AreaSource, CubeInMemory, block_side, block_windows, checked_block
from timesenclip.eo.outliers import Outliers
from timesenclip.eo.period import Every, Period
from timesenclip.eo.points.absent_bands import describe_absent_bands
from timesenclip.errors import BandError, DegradedInputWarning, InputError
from timesenclip.grid import Window
from timesenclip.mapping.observations import read_composites
from timesenclip.mapping.run.attempt import one_torch_thread
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed_cube, require_bands_of

__all__ = ["AreaPlan", "Sample", "check_bands", "fitting_block", "plan_area", "sample_area"]

_SAMPLE_PX = 64
_BATCH = 512


@dataclass(frozen=True, slots=True)
class AreaPlan:
    """Size of the work, and its expected cost."""

    shape: tuple[int, int]
    """(Y, X)"""
    block: int
    """Side of a block in pixels."""
    blocks: int
    """Number of blocks."""
    pixels: int
    """Y * X."""
    inside: int
    """Pixels within the area's polygon; the others cost nearly nothing."""
    read_bytes: int | None
    """Values to be read, uncompressed, as two bytes each (SCL: one); None where the source does not say its dates."""
    output_bytes: int
    """Size of the store with its overviews."""
    load_px_per_s: float
    """Pixels read and composited in a second by one worker, measured on one block."""
    embed_px_per_s: float
    """Pixels of a sample embedded in a second by one worker."""
    workers: int
    """Number of workers that run at the same time."""
    bands: tuple[str, ...] = BAND_NAMES
    """Bands that are there."""

    @property
    def hours(self) -> float:
        """Expected time in hours, if workers do not slow each other down."""
        return self.inside * (1 / self.load_px_per_s + 1 / self.embed_px_per_s) / self.workers / 3600


@dataclass(frozen=True, slots=True)
class Sample:
    """Embeddings of some pixels of an area: to fit a projection, and to measure the speed."""

    vectors: NDArray[np.float32]
    """(N, D) unit rows."""
    embed_px_per_s: float
    """Pixels embedded in a second; NaN where no pixel was seen."""


def fitting_block(shape: tuple[int, int], block: int) -> int:
    """Side of the blocks in pixels: the one asked for, or less where the area is smaller.

    Raises:
        InputError: the block is no multiple of 16.
    """
    side = checked_block(block, multiple=BLOCK_MULTIPLE)
    return min(side, -(-max(shape) // BLOCK_MULTIPLE) * BLOCK_MULTIPLE)


def check_bands(source: AreaSource, model: Model, *, period: Period | None, stacklevel: int = 2) -> None:
    """Check, before work begins, that an encoder can read the bands of an area, and warn where it lacks some.

    Args:
        source: the area.
        model: what reads it.
        period: what is read.
        stacklevel: as of `warnings.warn`, counted from the caller.

    Raises:
        BandError: a band that the encoder cannot do without is not there, or none of those that it reads.
        TimeError: the period has no date.

    Warns:
        DegradedInputWarning: the area lacks bands that the encoder would read.
    """
    there = source.bands_there(period)
    require_bands_of(model, np.array([[[name in there for name in BAND_NAMES]]]))  # (N, T, C)
    read = model.config.band_names or BAND_NAMES
    if not set(read) & set(there):
        raise BandError(
            f"{source.source_name} has {', '.join(there) or 'no band'}; checkpoint '{model.config.name}' reads "
            f"{', '.join(read)}. Give images that have one of these, or another checkpoint."
        )
    if set(read) - set(there):
        flags = np.array([name in there for name in BAND_NAMES])
        warnings.warn(
            f"{source.source_name}: {describe_absent_bands(flags)}.", DegradedInputWarning, stacklevel=stacklevel + 1
        )


def sample_area(
    source: AreaSource,
    model: Model,
    *,
    period: Period | None,
    every: Every,
    block: int,
    outliers: Outliers = "drop",
    places: int = 9,
) -> Sample:
    """Embed small windows that are spread over the area; every call takes the same windows.

    Raises:
        TimeError: the period has no date.
    """
    with one_torch_thread():  # as every block is embedded
        some = _sample(source, model, period, every, block, outliers, places)
        # In a coastal area all of the first places may lie in the sea.
        return some if len(some.vectors) else _sample(source, model, period, every, block, outliers, 8 * places)


def _sample(
    source: AreaSource,
    model: Model,
    period: Period | None,
    every: Every,
    block: int,
    outliers: Outliers,
    places: int,
) -> Sample:
    windows = list(block_windows(source.shape, block))
    chosen = np.unique(np.linspace(0, len(windows) - 1, places).astype(int))
    vectors: list[NDArray[np.float32]] = []
    embed_s, seen = 0.0, 0
    for i in chosen:
        window = _middle(windows[i])
        cube = read_composites(source, window, period, every, outliers)
        if cube is None:
            continue
        if not vectors:  # the first call of an encoder takes longer than all others
            embed_cube(CubeInMemory(cube).read(Window(0, 8, 0, 8).inside(cube.shape)), model=model)
        loaded = time.perf_counter()
        rows = embed_cube(cube, model=model, batch_size=_BATCH)
        embed_s += time.perf_counter() - loaded
        rows = rows[np.isfinite(rows).all(axis=1)]
        seen += len(rows)
        vectors.append(rows)
    rate = seen / embed_s if seen else float("nan")
    none = np.zeros((0, model.encoder.config.embed_dim), dtype=np.float32)
    return Sample(np.concatenate([none, *vectors]), rate)


def plan_area(
    source: AreaSource, model: Model, *, dims: int, period: Period | None, every: Every, block: int | None, workers: int
) -> AreaPlan:
    """Plan an area and measure a sample of it.

    Raises:
        InputError: the block is no multiple of 16, or workers or dimensions are out of range.
        BandError: as `check_bands`.
        TimeError: the period has no date.
    """
    if workers < 1:
        raise InputError(f"{workers} workers; expected 1 or more.")
    full = model.encoder.config.embed_dim
    if not 1 <= dims <= full:
        raise InputError(f"{dims} dimensions were asked for; the embeddings of '{model.config.name}' have {full}.")
    side = fitting_block(source.shape, block_side(source, block))
    check_bands(source, model, period=period)
    source.check_offset(period)
    sample = sample_area(source, model, period=period, every=every, block=side)
    rows, columns = source.shape
    pixels = rows * columns
    inside = source.pixels_inside
    # int8 vectors, float32 scale, uint16 clear, three bytes of colour; every level is a quarter of the one below.
    output = int(inside * (dims + 4 + 2 + 3) * 4 / 3)
    return AreaPlan(
        shape=source.shape,
        block=side,
        blocks=-(-rows // side) * -(-columns // side),
        pixels=pixels,
        inside=inside,
        read_bytes=_read_bytes(source, period),
        output_bytes=output,
        load_px_per_s=_load_rate(source, period, every, side),
        embed_px_per_s=sample.embed_px_per_s,
        workers=workers,
        bands=source.bands_there(period),
    )


def _load_rate(source: AreaSource, period: Period | None, every: Every, side: int) -> float:
    """Pixels read in a second, measured on a whole block: files come in tiles, so a small window takes longer."""
    row, column = source.typical_place
    top, left = row // side * side, column // side * side
    window = Window(top, top + side, left, left + side).inside(source.shape)
    began = time.perf_counter()
    read_composites(source, window, period, every)
    return window.pixels / max(time.perf_counter() - began, 1e-9)


def _middle(window: Window) -> Window:
    row, row_end, column, column_end = window
    top, left = (row + row_end - _SAMPLE_PX) // 2, (column + column_end - _SAMPLE_PX) // 2
    return Window(
        max(row, top),
        min(row_end, max(row, top) + _SAMPLE_PX),
        max(column, left),
        min(column_end, max(column, left) + _SAMPLE_PX),
    )


def _read_bytes(source: AreaSource, period: Period | None) -> int | None:
    """Two bytes for each band of each date at the band's own resolution, and one for SCL at 20 m."""
    # A country has scenes on every day of the year, none of which shows all of it: dates x pixels would be too many.
    observations = source.expected_observations(period)
    if observations is None:
        return None
    finest = min(band.resolution_m for band in BANDS)
    there = source.bands_there(period)
    shares = sum((finest / band.resolution_m) ** 2 for band in BANDS if band.name in there)
    per_pixel = 2 * shares + (0.25 if source.has_scl else 0.0)
    return int(observations * per_pixel)
