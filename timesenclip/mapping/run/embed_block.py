"""One block of an embedding store: read, composite, embed, write; the result does not depend on other blocks."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.area import AreaSource
from timesenclip.eo.outliers import Outliers
from timesenclip.eo.period import Every, Period
from timesenclip.grid import Window
from timesenclip.mapping.observations import clear_count, read_composites, true_colour
from timesenclip.mapping.run.facts import BlockFacts
from timesenclip.mapping.store.info import BlockData
from timesenclip.mapping.store.overviews import write_overview
from timesenclip.mapping.store.quantise import quantise
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed_cube
from timesenclip.series import Cube

__all__ = ["EmbedJob", "OverviewJob", "block_data"]

_BATCH = 512


@dataclass(frozen=True)
class EmbedJob:
    """What all blocks of a store share; it can be sent to another process."""

    source: AreaSource
    """Where pixels come from."""
    model: Model
    """The encoder; its tower is not needed."""
    period: Period | None
    """What is read."""
    every: Every
    """Composite length."""
    store: EmbeddingStore
    """Where vectors go; every worker must reach this path."""
    outliers: Outliers = "drop"
    """What is done with outlying steps."""

    def run(self, window: Window) -> BlockFacts:
        """Do one block, and return what is known of it.

        Raises:
            OSError: an input or the output could not be read or written.
            TimeError: the period has no date.
        """
        began = time.perf_counter()
        cube = read_composites(self.source, window, self.period, self.every, self.outliers)
        if cube is None:  # nothing to write: what was never written reads as "not seen"
            seconds = {"load": round(time.perf_counter() - began, 3), "embed": 0.0, "write": 0.0}
            return BlockFacts(seen=0, pixels=window.pixels, seconds=seconds)
        loaded = embedded = time.perf_counter()
        seen = int(cube.valid.any(axis=0).sum())
        if seen:
            vectors = embed_cube(cube, model=self.model, batch_size=_BATCH)  # (Y * X, D)
            embedded = time.perf_counter()
            self.store.write(window, block_data(cube, self.store.project(vectors)))
        else:  # the sea, or beyond the border of a country: such a block should not take longer than a second
            self.store.write(window, _nothing_seen(cube, self.store.info.dims))
        seconds = {"load": loaded - began, "embed": embedded - loaded, "write": time.perf_counter() - embedded}
        return BlockFacts(
            seen=seen,
            pixels=cube.shape[0] * cube.shape[1],
            seconds={name: round(value, 3) for name, value in seconds.items()},
            days=(str(cube.start.min()), str(cube.end.max() - np.timedelta64(1, "D"))),
            input=cube.provenance,
        )

    def is_done(self, window: Window, facts: BlockFacts) -> bool:
        """Whether a recorded block is there; one in which nothing was seen may have no file."""
        return facts.seen == 0 or self.store.has(window)


@dataclass(frozen=True)
class OverviewJob:
    """What all blocks of an overview level share."""

    store: EmbeddingStore
    """The store, at full resolution; the level below must be complete."""
    level: int
    """1 is half the resolution."""

    def run(self, window: Window) -> BlockFacts:
        """Do one block, and return what is known of it.

        Raises:
            OSError: the store could not be read or written.
        """
        return BlockFacts(seen=write_overview(self.store, self.level, window))

    def is_done(self, window: Window, facts: BlockFacts) -> bool:
        """As `EmbedJob.is_done`."""
        return facts.seen == 0 or self.store.at_level(self.level).has(window)


def block_data(cube: Cube, vectors: NDArray[np.float32]) -> BlockData:
    """What the store keeps of a cube of composites and its embeddings (Y * X, d)."""
    values, scale = quantise(vectors)
    shape = cube.shape
    return BlockData(
        vectors=values.reshape(*shape, -1),
        scale=scale.reshape(shape),
        clear=clear_count(cube),
        colour=true_colour(cube),
    )


def _nothing_seen(cube: Cube, dims: int) -> BlockData:
    """A block in which nothing was seen; writing it removes what an earlier attempt may have left."""
    shape = cube.shape
    return BlockData(
        vectors=np.zeros((*shape, dims), dtype=np.int8),
        scale=np.zeros(shape, dtype=np.float32),
        clear=np.zeros(shape, dtype=np.uint16),
        colour=np.zeros((*shape, 3), dtype=np.uint8),
    )
