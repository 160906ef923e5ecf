"""Monthly medians of the observations of many small patches at once.

One sort serves all months: values are keyed by `month * 2^17 + DN`, so that after sorting along time each month is a
contiguous run, whose median is one look-up or the mean of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.masking import clear_mask
from timesenclip.eo.radiometry import MISSING_DN

__all__ = ["Compositing", "authors_months", "clear_months"]

Compositing: TypeAlias = Literal["clear", "authors"]
"""How the acquisitions of a month become one value: `clear_months` or `authors_months`."""

_MONTHS = 12
_SHIFT = 1 << 17
_CLOUDS = 9  # Source: the authors keep SCL < 9


def clear_months(
    values: Sequence[NDArray[np.uint16]],
    scl: Sequence[NDArray[np.uint8]],
    month: Sequence[NDArray[np.int64]],
    *,
    margin: int,
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Median of the clear observations of each month.

    Args:
        values: for each of n places (T_i, C, p, p) DN; 0 in all bands is no observation.
        scl: (T_i, p + 2 margin, p + 2 margin); the margin lets clouds grow into the patch.
        month: (T_i,) 0..11, -1 for images that do not count.
        margin: pixels around the patch in `scl`, also how far clouds grow.

    Returns:
        DN (n, 12, C, p, p), 65535 where missing, halves rounded to even; and clear observations (n, 12): of a patch,
        those of its least observed pixel, so that a month counts only where every pixel was seen.
    """
    inner = slice(margin, -margin or None)
    clear = [
        clear_mask(layer.astype(np.int16), dilate_px=margin)[:, inner, inner]
        & value.any(axis=1)
        & (when >= 0)[:, None, None]
        for value, layer, when in zip(values, scl, month, strict=True)
    ]
    stacked, use, when = _padded(values, clear, month)
    low, high, count = _middles(stacked, use, when)
    median = np.rint((low.astype(np.float32) + high) / 2)
    counts = count.min(axis=(-2, -1))  # (n, 12)
    seen = (counts > 0)[:, :, None, None, None]
    return np.where(seen, median, MISSING_DN).astype(np.uint16), np.minimum(counts, 255).astype(np.uint8)


def authors_months(
    values: Sequence[NDArray[np.uint16]],
    scl: Sequence[NDArray[np.uint8]],
    month: Sequence[NDArray[np.int64]],
    *,
    margin: int,
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """The monthly composites of the authors, for use with their weights; arguments and shapes as `clear_months`.

    Masked values take part as 0, the median of an even number is the lower of the two in the middle (`torch.median`), a
    month without an image gets the median of all images of the year, and 1 is added.

    Source: the authors' `lucas_sen_data.get_data`; Sen4Map's public reader has the same steps but for the + 1.
    """
    inner = slice(margin, -margin or None)
    kept = [np.where((s[:, inner, inner] < _CLOUDS)[:, None], v, 0) for v, s in zip(values, scl, strict=True)]
    use = [np.broadcast_to((m >= 0)[:, None, None], (len(v), *v.shape[2:])) for m, v in zip(month, kept, strict=True)]
    stacked, there, when = _padded(kept, use, month)
    low, _, count = _middles(stacked, there, when)
    year, _, _ = _middles(stacked, there, np.where(when >= 0, 0, when))
    filled = np.where((count > 0)[:, :, None], low, year[:, :1])
    dn = np.minimum(filled.astype(np.int64) + 1, MISSING_DN - 1).astype(np.uint16)
    some = np.array([(m >= 0).any() for m in month])
    dn[~some] = MISSING_DN
    return dn, np.broadcast_to(some[:, None], (len(some), _MONTHS)).astype(np.uint8)


def _padded(
    values: Sequence[NDArray[np.uint16]], use: Sequence[NDArray[np.bool_]], month: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.uint16], NDArray[np.bool_], NDArray[np.int64]]:
    """Pad to the longest T: values (T, n, C, p, p), use (T, n, p, p), False where padded, and month (T, n)."""
    steps, n = max(len(v) for v in values), len(values)
    stacked = np.zeros((steps, n, *values[0].shape[1:]), dtype=np.uint16)
    there = np.zeros((steps, n, *values[0].shape[2:]), dtype=np.bool_)
    when = np.full((steps, n), -1, dtype=np.int64)
    for i, (value, mask, months) in enumerate(zip(values, use, month, strict=True)):
        stacked[: len(value), i], there[: len(value), i], when[: len(value), i] = value, mask, months
    return stacked, there, when


def _middles(
    stacked: NDArray[np.uint16], use: NDArray[np.bool_], month: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """The lower and the upper middle value of each month, (n, 12, C, p, p), and counts (n, 12, p, p)."""
    shift = (month * _SHIFT).astype(np.int32)[:, :, None, None, None]
    key = np.where(use[:, :, None], stacked + shift, np.int32(_MONTHS * _SHIFT))
    ordered = np.sort(key, axis=0)  # (T, n, C, p, p)
    per_month = month[None] == np.arange(_MONTHS)[:, None, None]  # (12, T, n)
    count = np.einsum("mtn,tnyx->mnyx", per_month.astype(np.int32), use.astype(np.int32))  # (12, n, p, p)
    first = np.cumsum(count, axis=0) - count
    top = len(stacked) - 1
    pick = [np.clip(first + offset, 0, top)[:, :, None] for offset in (np.maximum(count - 1, 0) // 2, count // 2)]
    shape = (_MONTHS, *stacked.shape[1:])
    low, high = (np.take_along_axis(ordered, np.broadcast_to(p, shape), axis=0) & (_SHIFT - 1) for p in pick)
    return low.swapaxes(0, 1), high.swapaxes(0, 1), count.swapaxes(0, 1).astype(np.int64)
