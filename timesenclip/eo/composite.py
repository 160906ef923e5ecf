"""Composites: the median of the clear observations of each calendar interval. What is missing stays missing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.composite_kernel import medians
from timesenclip.eo.period import Every, Period, as_period, interval_edges
from timesenclip.eo.radiometry import QUANTIFICATION
from timesenclip.errors import TimeError
from timesenclip.series import Cube, PixelSeries

__all__ = ["DnComposite", "composite_cube", "composite_dn", "composite_series", "describe_composite", "masked_median"]


def masked_median(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Median over axis 0 of the valid values; 0 where there are none.

    Args:
        values: (T, ...) float32.
        valid: (T, ...) bool, same shape.

    The mean of the two middle values where their number is even, as `numpy.nanmedian`.
    """
    t = len(values)
    flat = np.ascontiguousarray(values, dtype=np.float32).reshape(t, 1, -1)  # (T, 1, P)
    return medians(flat, np.ascontiguousarray(valid).reshape(t, -1))[0].reshape(values.shape[1:])


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
        provenance={**series.provenance, "composite": describe_composite(every, window)},
    )


def composite_cube(cube: Cube, *, every: Every = "month", period: Period | str | int | None = None) -> Cube:
    """Composite a cube to calendar intervals; the same rules as `composite_series`.

    Raises:
        TimeError: the period does not touch the cube.
    """
    edges, slot, inside, window = _slots(cube.start, cube.end, every, period)
    _, c, y, x = cube.reflectance.shape
    reflectance = np.zeros((len(edges) - 1, c, y, x), dtype=np.float32)
    observations = np.zeros((len(edges) - 1, y, x), dtype=np.uint16)
    for i in range(len(edges) - 1):
        here = np.flatnonzero(inside & (slot == i))
        if here.size:
            mask = cube.valid[here]
            for band in range(c):  # band by band: the sort needs a copy, and a tenth of it is enough
                reflectance[i, band] = masked_median(cube.reflectance[here, band], mask)
            observations[i] = mask.sum(axis=0)
    return replace(
        cube,
        reflectance=reflectance,
        valid=observations > 0,
        start=edges[:-1],
        end=edges[1:],
        provenance={**cube.provenance, "composite": describe_composite(every, window)},
        observations=observations,
    )


@dataclass(frozen=True, slots=True)
class DnComposite:
    """Monthly (or other) medians of digital numbers."""

    reflectance: NDArray[np.float32]
    """(K, C, Y, X), 0 where nothing was seen."""
    observations: NDArray[np.uint16]
    """(K, Y, X) valid dates behind each value."""
    start: NDArray[np.datetime64]
    """(K,) first day of each interval."""
    end: NDArray[np.datetime64]
    """(K,) first day after it."""


def composite_dn(
    dn: NDArray[np.uint16],
    valid: NDArray[np.bool_],
    dates: NDArray[np.datetime64],
    *,
    every: Every = "month",
    period: Period | str | int | None = None,
) -> DnComposite:
    """Composite single dates as digital numbers: a quarter of the time and half of the memory of reflectance.

    The result has the same bits as `composite_cube` of the reflectances: the two middle values are found among whole
    numbers, and divided and averaged as there.

    Args:
        dn: (T, C, Y, X) uint16, offsets subtracted already.
        valid: (T, Y, X) True = use.
        dates: (T,) datetime64[D].
        every, period: as `composite_cube`.

    Raises:
        TimeError: the period does not touch the dates.
    """
    t, c, y, x = dn.shape
    edges, slot, inside, _ = _slots(dates, dates + np.timedelta64(1, "D"), every, period)
    flat, use = dn.reshape(t, c, y * x), valid.reshape(t, y * x)
    reflectance = np.zeros((len(edges) - 1, c, y * x), dtype=np.float32)
    observations = np.zeros((len(edges) - 1, y * x), dtype=np.uint16)
    for i in range(len(edges) - 1):
        here = np.flatnonzero(inside & (slot == i))
        if here.size:
            reflectance[i], observations[i] = medians(flat, use, here, scale=QUANTIFICATION)
    shape = len(edges) - 1, y, x
    return DnComposite(reflectance.reshape(-1, c, y, x), observations.reshape(shape), edges[:-1], edges[1:])


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


def describe_composite(every: str, window: Period | None) -> dict[str, str]:
    """What was done, for the provenance."""
    return {"every": every, "period": str(window) if window else "all", "statistic": "median of clear observations"}
