"""Medians of many pixels at once: a sorting network whose every comparison runs over a row of pixels.

A median needs sorting, and sorting pixel by pixel keeps a processor's wide registers empty. A network compares fixed
pairs of dates whatever the values are, so one comparison is a minimum and a maximum over hundreds of pixels, eight or
sixteen at a time. Missing values are the largest value of the type and end up last.

With numba (extra `stac`) this is compiled; without it NumPy sorts. Both give the same bits.

Source: Batcher 1968 (odd-even merge sort), for the network.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["compiled", "medians", "network"]

_WORTH_COMPILING = 200_000
_BLOCK = 512


def medians(
    stack: NDArray[Any], valid: NDArray[np.bool_], dates: NDArray[np.intp] | None = None, *, scale: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Median over the valid dates of each pixel: the mean of the two middle values, each divided by `scale` first.

    Args:
        stack: (T, C, P) uint16 or float32.
        valid: (T, P) True = use.
        dates: rows to use; default: all.
        scale: divisor, 10000 for digital numbers.

    Returns:
        (C, P) float32, 0 where nothing is valid, and the number of valid dates (P,) uint16.
    """
    rows = np.arange(len(stack), dtype=np.intp) if dates is None else np.asarray(dates, dtype=np.intp)
    out = np.zeros(stack.shape[1:], dtype=np.float32)
    count = valid[rows].sum(axis=0).astype(np.uint16)
    if not len(rows):
        return out, count
    missing = stack.dtype.type(np.inf if stack.dtype.kind == "f" else np.iinfo(stack.dtype).max)
    kernel = compiled() if len(rows) * stack[0].size >= _WORTH_COMPILING else None
    if kernel is not None:
        kernel(stack, valid, rows, network(len(rows)), missing, np.float32(scale), count, out)
        return out, count
    first, second = np.maximum(count.astype(np.intp) - 1, 0) // 2, np.minimum(count // 2, len(rows) - 1).astype(np.intp)
    for band in range(stack.shape[1]):  # band by band: the sort needs a copy, and a tenth of it is enough
        ordered = np.sort(np.where(valid[rows], stack[rows, band], missing), axis=0)
        low, high = (np.take_along_axis(ordered, place[None], 0)[0].astype(np.float32) for place in (first, second))
        out[band] = np.where(count > 0, (low / np.float32(scale) + high / np.float32(scale)) / np.float32(2), 0.0)
    return out, count


@functools.cache
def network(count: int) -> NDArray[np.intp]:
    """(P, 2) pairs of Batcher's odd-even merge sort for `count` values, in order; the smaller value goes first."""
    pairs: list[tuple[int, int]] = []
    p = 1
    while p < count:
        k = p
        while k >= 1:
            for j in range(k % p, count - k, 2 * k):
                for i in range(min(k, count - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        pairs.append((i + j, i + j + k))
            k //= 2
        p *= 2
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


@functools.cache
def compiled() -> Any:
    """The kernel, or None where numba is not installed."""
    try:
        import numba
    except ImportError:
        return None
    try:
        return numba.njit(nogil=True, cache=True)(_kernel)
    except RuntimeError:  # numba finds no folder that it may write its cache to
        return numba.njit(nogil=True)(_kernel)


def _kernel(
    stack: NDArray[Any],
    valid: NDArray[np.bool_],
    rows: NDArray[np.intp],
    pairs: NDArray[np.intp],
    missing: Any,
    scale: np.float32,
    count: NDArray[np.uint16],
    out: NDArray[np.float32],
) -> None:
    """Plain loops, for numba: the innermost ones run over pixels and become vector instructions."""
    dates, bands, pixels = len(rows), stack.shape[1], stack.shape[2]
    part = np.empty((dates, _BLOCK), dtype=stack.dtype)
    low, high = np.empty(_BLOCK, dtype=stack.dtype), np.empty(_BLOCK, dtype=stack.dtype)
    first, second = np.empty(_BLOCK, dtype=np.int16), np.empty(_BLOCK, dtype=np.int16)
    for start in range(0, pixels, _BLOCK):
        width = min(_BLOCK, pixels - start)
        for x in range(width):
            seen = np.int16(count[start + x])
            first[x] = (seen - 1) // 2 if seen else -1
            second[x] = seen // 2 if seen else -1
        for band in range(bands):
            for i in range(dates):
                given, use, row = stack[rows[i], band, start:], valid[rows[i], start:], part[i]
                for x in range(width):
                    row[x] = given[x] if use[x] else missing
            for p in range(len(pairs)):
                lower, upper = part[pairs[p, 0]], part[pairs[p, 1]]
                for x in range(width):
                    a, b = lower[x], upper[x]
                    lower[x] = a if a < b else b
                    upper[x] = b if a < b else a
            low[:width] = 0
            high[:width] = 0
            for i in range(dates):
                row, place = part[i], np.int16(i)
                for x in range(width):
                    low[x] = row[x] if first[x] == place else low[x]
                    high[x] = row[x] if second[x] == place else high[x]
            result = out[band, start:]
            for x in range(width):
                result[x] = (np.float32(low[x]) / scale + np.float32(high[x]) / scale) / np.float32(2)
