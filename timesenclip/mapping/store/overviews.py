"""Overview levels of an embedding store: every pixel is the mean of the four below it, scaled to their mean length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.grid import Window
from timesenclip.mapping.store.info import BlockData
from timesenclip.mapping.store.quantise import quantise
from timesenclip.mapping.store.store import EmbeddingStore

__all__ = ["pool", "write_overview"]


def write_overview(store: EmbeddingStore, level: int, window: Window) -> int:
    """Make one block of an overview level from the four blocks of the level below, which must be complete.

    Args:
        store: the store.
        level: 1 is half the resolution.
        window: the block, in pixels of its own level.

    Returns:
        The number of pixels seen.

    Raises:
        OSError: the store could not be read or written.
    """
    below = store.at_level(level - 1)
    wide = Window(*(2 * edge for edge in window)).inside(below.shape)
    pooled = pool(below.read(wide))
    store.at_level(level).write(window, pooled)
    return int((pooled.scale > 0).sum())


def pool(data: BlockData) -> BlockData:
    """Halve the resolution of a window (Y, X); an odd last row or column is averaged alone.

    The mean of unit vectors is shorter than one, and a score against it would be too small. It gets the mean length of
    the pixels that it stands for (1 where all dimensions are kept), so that scores mean the same at every level.
    """
    seen = _quads((data.scale > 0).astype(np.float32))  # (Y, X, 4)
    count = np.maximum(seen.sum(axis=-1), 1)
    vectors = np.nan_to_num(data.unpacked())
    total = sum(_corner(vectors, corner) for corner in range(4))  # (Y, X, d)
    mean = np.asarray(total) / count[..., None]
    lengths = _quads(np.linalg.norm(vectors, axis=-1)).sum(axis=-1) / count  # (Y, X)
    size = np.linalg.norm(mean, axis=-1)
    factor = np.divide(lengths, size, out=np.full_like(size, np.nan), where=size > 0)
    shape = mean.shape[:2]
    values, scale = quantise((mean * factor[..., None]).reshape(-1, mean.shape[-1]).astype(np.float32))
    colour = np.stack([_quads(data.colour[..., i].astype(np.float32)).sum(axis=-1) for i in range(3)], axis=-1)
    # Pixels beyond the edge do not count: `clear` is averaged over those that exist, seen or not.
    exists = _quads(np.ones(data.scale.shape, dtype=np.float32)).sum(axis=-1)
    clear = _quads(data.clear.astype(np.float32)).sum(axis=-1) / exists
    return BlockData(
        vectors=values.reshape(*shape, -1),
        scale=scale.reshape(shape),
        clear=np.rint(clear).astype(np.uint16),
        colour=np.rint(colour / count[..., None]).astype(np.uint8),
    )


def _corner(values: NDArray[np.float32], corner: int) -> NDArray[np.float32]:
    """Every second row and column, zero beyond the edge: (Y, X, ...) -> (ceil(Y / 2), ceil(X / 2), ...)."""
    y, x = values.shape[:2]
    part = values[corner // 2 :: 2, corner % 2 :: 2]
    missing = (-(-y // 2) - part.shape[0], -(-x // 2) - part.shape[1])
    return np.pad(part, [(0, missing[0]), (0, missing[1]), *[(0, 0)] * (values.ndim - 2)])


def _quads(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(Y, X) -> (ceil(Y / 2), ceil(X / 2), 4)."""
    return np.stack([_corner(values, corner) for corner in range(4)], axis=-1)
