"""One block of an area: load, composite, embed, write. It depends on no other block, nor on who runs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from timesenclip.bands import band_index
from timesenclip.eo.area import AreaSource
from timesenclip.eo.composite import masked_median
from timesenclip.eo.period import Every, Period
from timesenclip.errors import NoClearObservationError
from timesenclip.grid import Window
from timesenclip.mapping.store.info import BlockData
from timesenclip.mapping.store.quantise import quantise
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed
from timesenclip.retries import with_retries
from timesenclip.series import Cube

__all__ = ["BlockJob", "block_data", "clear_count", "colour_bytes", "run_block"]

_BATCH = 512
_FIRST_WAIT_S = 0.5
_RETRIES = 2
Facts = TypeVar("Facts")


def run_block(once: Callable[[], Facts]) -> Facts:
    """Do one block with one thread of torch; a read or write that fails is tried again twice.

    Raises:
        OSError: the last attempt failed, too.
        Exception: any other error, at once: it would come again.
    """
    # A worker of a cluster has its own number of threads; with one, sums are the same everywhere.
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    # rasterio's, zarr's and h5py's errors of input and output are OSErrors.
    return with_retries(lambda _: once(), retries=_RETRIES, errors=(OSError,), wait_s=_FIRST_WAIT_S)


@dataclass(frozen=True)
class BlockJob:
    """What every block of a job shares; it can be sent to another process."""

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

    def run(self, window: Window) -> dict[str, Any]:
        """Do one block, and say how it went.

        Raises:
            OSError: the last of several attempts failed.
            Exception: any other error, after the first attempt.
        """
        return run_block(lambda: self._once(window))

    def read(self, window: Window) -> Cube:
        """Composites of a window."""
        return self.source.read(window, period=self.period, every=self.every)

    def _once(self, window: Window) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            cube = self.read(window)
        except NoClearObservationError:  # nothing to write: what was never written reads as "not seen"
            pixels = window.pixels
            seconds = {"load": round(time.perf_counter() - began, 3), "embed": 0.0, "write": 0.0}
            return {"pixels": pixels, "seen": 0, "seconds": seconds, "days": [], "input": {}}
        loaded = embedded = time.perf_counter()
        seen = int(cube.valid.any(axis=0).sum())
        if seen:
            vectors = embed(cube.pixel_series(), model=self.model, batch_size=_BATCH, missing="nan")  # (N, D)
            embedded = time.perf_counter()
            self.store.write(window, block_data(cube, self.store.project(vectors)))
        else:  # the sea, or beyond the border of a country: a block that needs no second must not take four
            self.store.write(window, _nothing(cube, self.store.info.dims))
        seconds = {"load": loaded - began, "embed": embedded - loaded, "write": time.perf_counter() - embedded}
        return {
            "pixels": cube.shape[0] * cube.shape[1],
            "seen": seen,
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "days": [str(cube.start.min()), str(cube.end.max() - np.timedelta64(1, "D"))],
            "input": dict(cube.provenance),
        }


def block_data(cube: Cube, vectors: NDArray[np.float32]) -> BlockData:
    """What the store keeps of a cube of composites and its embeddings (Y * X, d)."""
    values, scale = quantise(vectors)
    shape = cube.shape
    return BlockData(
        vectors=values.reshape(*shape, -1),
        scale=scale.reshape(shape),
        clear=clear_count(cube),
        colour=colour_bytes(cube),
    )


def _nothing(cube: Cube, dims: int) -> BlockData:
    """A block in which nothing was seen; writing it removes what an earlier attempt may have left."""
    shape = cube.shape
    return BlockData(
        vectors=np.zeros((*shape, dims), dtype=np.int8),
        scale=np.zeros(shape, dtype=np.float32),
        clear=np.zeros(shape, dtype=np.uint16),
        colour=np.zeros((*shape, 3), dtype=np.uint8),
    )


def clear_count(cube: Cube) -> NDArray[np.uint16]:
    """(Y, X) clear observations; where a cube does not count them, its composites that have at least one."""
    counted = getattr(cube, "observations", None)
    counts = np.asarray(cube.valid if counted is None else counted)
    total = counts.sum(axis=0) if counts.ndim == 3 else counts
    return np.asarray(np.minimum(total, np.iinfo(np.uint16).max), dtype=np.uint16)


def colour_bytes(cube: Cube) -> NDArray[np.uint8]:
    """(Y, X, 3) sqrt(reflectance) of B04, B03, B02 x 255, median of the steps; 0 = never seen."""
    bands = [band_index(name) for name in ("red", "green", "blue")]
    colour = cube.reflectance[:, bands]  # (T, 3, Y, X)
    median = masked_median(colour, np.broadcast_to(cube.valid[:, None], colour.shape))  # (3, Y, X)
    scaled = np.rint(np.sqrt(np.clip(median, 0.0, 1.0)) * 255)
    # 0 is kept for "never seen": the darkest pixel that was seen is 1.
    seen = cube.valid.any(axis=0)
    return np.where(seen, np.maximum(scaled, 1), 0).astype(np.uint8).transpose(1, 2, 0).copy()
