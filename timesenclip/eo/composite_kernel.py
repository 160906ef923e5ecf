"""Medians of many pixels at once: a sorting network whose every comparison runs over a row of pixels.

A median needs sorting, and sorting pixel by pixel leaves a processor's vector registers unused. A network compares
fixed pairs of dates whatever the values are, so one comparison is a minimum and a maximum over hundreds of pixels,
eight or sixteen at a time. Missing values are the largest value of the type and end up last.

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
        (C, P) float32, 0 where nothing is valid, and the number of valid dates (P,) uint16, at most 65,535: the median
        is of all dates also where there are more.
    """
    rows = np.arange(len(stack), dtype=np.intp) if dates is None else np.asarray(dates, dtype=np.intp)
    out = np.zeros(stack.shape[1:], dtype=np.float32)
    count = valid[rows].sum(axis=0)
    told = np.minimum(count, np.iinfo(np.uint16).max).astype(np.uint16)
    if not len(rows):
        return out, told
    floats = stack.dtype.kind == "f"
    lowest, missing = (stack.dtype.type(v) for v in ((-np.inf, np.inf) if floats else (0, np.iinfo(stack.dtype).max)))
    kernel = compiled() if len(rows) * stack[0].size >= _WORTH_COMPILING else None
    if kernel is not None:
        kernel(stack, valid, rows, network(len(rows)), lowest, missing, np.float32(scale), count, out)
        return out, told
    first, second = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(rows) - 1)
    for band in range(stack.shape[1]):  # band by band: the sort needs a copy, and a tenth of it is enough
        ordered = np.sort(np.where(valid[rows], stack[rows, band], missing), axis=0)
        low, high = (np.take_along_axis(ordered, place[None], 0)[0].astype(np.float32) for place in (first, second))
        out[band] = np.where(count > 0, (low / np.float32(scale) + high / np.float32(scale)) / np.float32(2), 0.0)
    return out, told


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
    lowest: Any,
    missing: Any,
    scale: np.float32,
    count: NDArray[np.intp],
    out: NDArray[np.float32],
) -> None:
    """Plain loops, for numba: the innermost ones run over pixels, choose by minimum and maximum, and become vectors.

    `max(value, lowest)` keeps a value, `max(value, missing)` hides it.
    """
    dates, bands, pixels = len(rows), stack.shape[1], stack.shape[2]
    zero = stack.dtype.type(0)
    part = np.empty((dates, _BLOCK), dtype=stack.dtype)
    hide, not_low, not_high = np.empty_like(part), np.empty_like(part), np.empty_like(part)
    low, high, cap = np.empty_like(part[0]), np.empty_like(part[0]), np.empty_like(part[0])
    for start in range(0, pixels, _BLOCK):
        width = min(_BLOCK, pixels - start)
        for x in range(width):
            seen = np.int64(count[start + x])
            cap[x] = missing if seen else zero
            for i in range(dates):
                hide[i, x] = lowest if valid[rows[i], start + x] else missing
                not_low[i, x] = lowest if i == (seen - 1) // 2 else missing
                not_high[i, x] = lowest if i == seen // 2 else missing
        for band in range(bands):
            for i in range(dates):
                given, unseen, row = stack[rows[i], band, start:], hide[i], part[i]
                for x in range(width):
                    row[x] = given[x] if given[x] > unseen[x] else unseen[x]
            for p in range(len(pairs)):
                lower, upper = part[pairs[p, 0]], part[pairs[p, 1]]
                for x in range(width):
                    a, b = lower[x], upper[x]
                    lower[x] = a if a < b else b
                    upper[x] = b if a < b else a
            low[:width] = cap[:width]
            high[:width] = cap[:width]
            for i in range(dates):
                row, first, second = part[i], not_low[i], not_high[i]
                for x in range(width):
                    a = row[x] if row[x] > first[x] else first[x]
                    b = row[x] if row[x] > second[x] else second[x]
                    low[x] = a if a < low[x] else low[x]
                    high[x] = b if b < high[x] else high[x]
            result = out[band, start:]
            for x in range(width):
                result[x] = (np.float32(low[x]) / scale + np.float32(high[x]) / scale) / np.float32(2)
