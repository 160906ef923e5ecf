"""Composites: the median of the clear observations of each calendar interval. What is missing stays missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.period import Every, Period, as_period, interval_edges
from timesenclip.errors import TimeError
from timesenclip.series import Cube, PixelSeries

__all__ = ["composite_cube", "composite_series", "masked_median"]


def masked_median(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Median over axis 0 of the valid values; 0 where there are none.

    Args:
        values: (T, ...) float32.
        valid: (T, ...) bool, same shape.

    The mean of the two middle values where their number is even, as `numpy.nanmedian`.
    """
    if len(values) == 0:
        return np.zeros(values.shape[1:], dtype=np.float32)
    ordered = np.sort(np.where(valid, values, np.inf), axis=0)
    count = valid.sum(axis=0)
    low = np.maximum((count - 1) // 2, 0)[None]
    high = np.minimum(count // 2, len(values) - 1)[None]
    middle = (np.take_along_axis(ordered, low, 0)[0] + np.take_along_axis(ordered, high, 0)[0]) / np.float32(2)
    return np.where(count > 0, middle, 0.0).astype(np.float32)


def composite_series(
    series: PixelSeries, *, every: Every = "month", period: Period | str | int | None = None
) -> PixelSeries:
    """Composite pixel series to calendar intervals.

    A step belongs to the interval in which its middle lies. Steps outside the period are left out.

    Args:
        series: N series with any dates.
        every: `dekad`, `month`, `quarter` or `year`.
        period: keep only this stretch; default: from the first to the last day of the series.

    Raises:
        TimeError: the period does not touch the series.
    """
    edges, slot, inside, window = _slots(series.start, series.end, every, period)
    usable = series.valid & inside
    n, k = len(series), len(edges) - 1
    reflectance = np.zeros((n, k, *series.reflectance.shape[2:]), dtype=np.float32)
    valid = np.zeros((n, k), dtype=np.bool_)
    steps = series.reflectance.swapaxes(0, 1)  # (T, N, C, ...)
    extra = (1,) * (series.reflectance.ndim - 2)
    for i in range(k):
        here = (usable & (slot == i)).T  # (T, N)
        some = here.any(axis=1)
        if some.any():
            mask = np.broadcast_to(here[some].reshape(*here[some].shape, *extra), steps[some].shape)
            reflectance[:, i] = masked_median(steps[some], mask)
            valid[:, i] = here.any(axis=0)
    return replace(
        series,
        reflectance=reflectance,
        valid=valid,
        start=np.broadcast_to(edges[:-1], (n, k)).copy(),
        end=np.broadcast_to(edges[1:], (n, k)).copy(),
        provenance={**series.provenance, "composite": _what(every, window)},
    )


def composite_cube(cube: Cube, *, every: Every = "month", period: Period | str | int | None = None) -> Cube:
    """Composite a cube to calendar intervals; the same rules as `composite_series`.

    Raises:
        TimeError: the period does not touch the cube.
    """
    edges, slot, inside, window = _slots(cube.start, cube.end, every, period)
    _, c, y, x = cube.reflectance.shape
    reflectance = np.zeros((len(edges) - 1, c, y, x), dtype=np.float32)
    valid = np.zeros((len(edges) - 1, y, x), dtype=np.bool_)
    for i in range(len(edges) - 1):
        here = np.flatnonzero(inside & (slot == i))
        if here.size:
            mask = cube.valid[here]
            for band in range(c):  # band by band: the sort needs a copy, and a tenth of it is enough
                reflectance[i, band] = masked_median(cube.reflectance[here, band], mask)
            valid[i] = mask.any(axis=0)
    provenance = {**cube.provenance, "composite": _what(every, window)}
    return replace(cube, reflectance=reflectance, valid=valid, start=edges[:-1], end=edges[1:], provenance=provenance)


def _slots(
    start: NDArray[np.datetime64], end: NDArray[np.datetime64], every: Every, period: Period | str | int | None
) -> tuple[NDArray[np.datetime64], NDArray[np.intp], NDArray[np.bool_], Period | None]:
    """Edges (K + 1,) of the intervals; of each step its interval, and whether its middle is in the period."""
    window = as_period(period)
    middle = start + (end - start) // 2
    inside = np.ones(middle.shape, dtype=np.bool_)
    if window is not None:
        inside = (middle >= window.start) & (middle < window.end)
    if not inside.any():
        raise TimeError(f"The period {window} has no step; the data run from {start.min()} to {end.max()}.")
    span = window or Period(middle.min(), middle.max() + np.timedelta64(1, "D"))
    edges = interval_edges(span.start, span.end - np.timedelta64(1, "D"), every)
    return edges, np.searchsorted(edges, middle, side="right") - 1, inside, window


def _what(every: str, window: Period | None) -> dict[str, str]:
    return {"every": every, "period": str(window) if window else "all", "statistic": "median of clear observations"}
