"""Scores of every pixel of a store, with bounded memory: one matrix product a block, blocks in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from timesenclip.mapping.store.quantise import score_rows
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.settings import cpu_count

__all__ = ["LoadedArea", "in_threads", "load_area", "score_area"]

In = TypeVar("In")
Out = TypeVar("Out")
_ROWS = 1 << 16


def in_threads(work: Callable[[In], Out], pieces: Iterable[In], workers: int | None = None) -> Iterator[tuple[In, Out]]:
    """Call `work` for every piece, in threads of this process.

    Args:
        work: what is called; NumPy and Zarr release the interpreter while they work.
        pieces: its arguments, such as the windows of a store.
        workers: threads; default: one a core.

    Yields:
        The piece and its result, in the order of the pieces; no more than two results a thread wait to be taken.

    Raises:
        Exception: the first error of `work`.
    """
    count = workers or cpu_count()
    with single_blas(), ThreadPoolExecutor(count, thread_name_prefix="score") as pool:
        waiting: deque[tuple[In, Future[Out]]] = deque()
        try:
            for piece in pieces:
                waiting.append((piece, pool.submit(work, piece)))
                if len(waiting) >= 2 * count:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def single_blas() -> AbstractContextManager[Any]:
    """Let BLAS use one thread for a matrix product: its threads and ours would wait for each other (20 x slower)."""
    return _blas().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def score_area(
    store: EmbeddingStore, vectors: NDArray[np.float32], *, workers: int | None = None
) -> NDArray[np.float32]:
    """Scores (Y, X, K) of a whole level, read from the disk; NaN where not seen. Its size grows with the area.

    Args:
        store: a store, at the level that is wanted.
        vectors: (K, d) of the classes, see `make_query` or `EmbeddingStore.project`.
        workers: threads; default: one a core.
    """
    out = np.empty((*store.shape, len(vectors)), dtype=np.float32)
    for window, scores in in_threads(lambda w: store.scores(w, vectors), store.blocks(), workers):
        out[window.slices] = scores.reshape(*window.shape, len(vectors))
    return out


@dataclass(frozen=True)
class LoadedArea:
    """A level of a store in memory, for queries that follow each other quickly, as while a person types."""

    vectors: NDArray[np.int8]
    """(Y * X, d)"""
    scale: NDArray[np.float32]
    """(Y * X,) 0 = not seen."""
    shape: tuple[int, int]
    """(Y, X)"""
    pool: ThreadPoolExecutor
    """Threads that wait for the next query."""

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (Y, X, K) of classes (K, d); NaN where not seen."""
        out = np.empty((len(self.scale), len(vectors)), dtype=np.float32)

        def part(first: int) -> None:
            rows = slice(first, first + _ROWS)
            out[rows] = score_rows(self.vectors[rows], self.scale[rows], vectors)

        with single_blas():
            list(self.pool.map(part, range(0, len(self.scale), _ROWS)))
        return out.reshape(*self.shape, len(vectors))


def load_area(store: EmbeddingStore, *, workers: int | None = None) -> LoadedArea:
    """Read a level of a store into memory: d + 4 bytes a pixel.

    Args:
        store: a store, at the level that is wanted.
        workers: threads that score it; default: one a core.
    """
    quantised = np.empty((*store.shape, store.info.dims), dtype=np.int8)
    scale = np.empty(store.shape, dtype=np.float32)
    for window in store.blocks():
        data = store.read(window)
        quantised[window.slices] = data.vectors
        scale[window.slices] = data.scale
    pool = ThreadPoolExecutor(workers or cpu_count(), thread_name_prefix="score")
    return LoadedArea(quantised.reshape(-1, store.info.dims), scale.reshape(-1), store.shape, pool)
