"""Composites: the median of the clear observations of each calendar interval. What is missing stays missing.

Cubes on disk (`cube/source.py`) and searches (`stac/source.py`) both go from single days to a composite by
`composite_days`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.band_presence import bands_with_one_mask, compact
from timesenclip.eo.composite_kernel import medians
from timesenclip.eo.period import Every, Period, as_period, interval_edges
from timesenclip.eo.radiometry import QUANTIFICATION
from timesenclip.errors import TimeError
from timesenclip.series import Cube, PixelSeries

__all__ = [
    "Composite",
    "DayStack",
    "composite_cube",
    "composite_days",
    "composite_series",
    "describe_composite",
    "intervals_of_days",
    "masked_median",
]


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

    A step belongs to the interval in which its middle lies. Steps outside the period are left out. The median of a band
    is that of the steps that have this band.

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
    bands = None if series.band_valid is None else np.zeros(reflectance.shape[:3], dtype=np.bool_)
    steps = series.reflectance.swapaxes(0, 1)  # (T, N, C, ...)
    extra = (1,) * (series.reflectance.ndim - 3)
    for i in range(k):
        here = (usable & (slot == i)).T  # (T, N)
        some = here.any(axis=1)
        if some.any():
            mask = here[some][..., None]  # (T', N, 1)
            if series.band_valid is not None and bands is not None:
                mask = mask & series.band_valid.swapaxes(0, 1)[some]  # (T', N, C)
                bands[:, i] = mask.any(axis=0)
            mask = np.broadcast_to(mask.reshape(*mask.shape, *extra), steps[some].shape)
            reflectance[:, i] = masked_median(steps[some], mask)
            valid[:, i] = here.any(axis=0)
    return replace(
        series,
        reflectance=reflectance,
        valid=valid,
        start=np.broadcast_to(edges[:-1], (n, k)).copy(),
        end=np.broadcast_to(edges[1:], (n, k)).copy(),
        provenance={**series.provenance, "composite": describe_composite(every, window)},
        band_valid=bands,
    )


def composite_cube(cube: Cube, *, every: Every = "month", period: Period | str | int | None = None) -> Cube:
    """Composite a cube to calendar intervals; the same rules as `composite_series`.

    Raises:
        TimeError: the period does not touch the cube.
    """
    edges, slot, inside, window = _slots(cube.start, cube.end, every, period)
    made = Composite.empty(edges, cube.reflectance.shape[1:])
    made.fill(cube.reflectance, cube.valid, np.where(inside, slot, -1), band_valid=cube.band_valid)
    return replace(
        cube,
        reflectance=made.reflectance,
        valid=made.observations > 0,
        start=made.start,
        end=made.end,
        provenance={**cube.provenance, "composite": describe_composite(every, window)},
        observations=made.observations,
        band_valid=made.band_valid,
    )


@dataclass(frozen=True, slots=True)
class DayStack:
    """Single days of a window, before they are composited."""

    values: NDArray[np.float32] | NDArray[np.uint16]
    """(T, C, Y, X): float32 reflectance, or uint16 digital numbers from which offsets are subtracted already.

    Digital numbers take half of the memory and a quarter of the time, and give the same bits: the two middle values are
    found among whole numbers, and divided and averaged as reflectances are."""
    valid: NDArray[np.bool_]
    """(T, Y, X), True = clear and observed in at least one band."""
    dates: NDArray[np.datetime64]
    """(T,) datetime64[D]."""
    band_valid: NDArray[np.bool_] | None = None
    """(T, C, Y, X), True = this band was observed; None: all of them where valid."""

    @property
    def reflectance(self) -> NDArray[np.float32]:
        """(T, C, Y, X) surface reflectance."""
        return self.values if _is_reflectance(self.values) else np.divide(self.values, QUANTIFICATION, dtype=np.float32)


def _is_reflectance(values: NDArray[np.float32] | NDArray[np.uint16]) -> TypeGuard[NDArray[np.float32]]:
    return values.dtype.kind == "f"


@dataclass(frozen=True, slots=True)
class Composite:
    """Medians of intervals, filled stack by stack."""

    reflectance: NDArray[np.float32]
    """(K, C, Y, X), 0 where nothing was seen."""
    observations: NDArray[np.uint16]
    """(K, Y, X) valid dates, of which each has at least one band; 65,535 stands for any larger number, too."""
    start: NDArray[np.datetime64]
    """(K,) first day of each interval."""
    end: NDArray[np.datetime64]
    """(K,) first day after it."""
    seen_bands: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    """Interval -> which bands were seen (C, Y, X); all of them in an interval that is not among these."""

    @classmethod
    def empty(cls, edges: NDArray[np.datetime64], shape: tuple[int, ...]) -> Composite:
        """Nothing seen, in the intervals between edges (K + 1,), for a shape (C, Y, X)."""
        count = len(edges) - 1
        return cls(
            reflectance=np.zeros((count, *shape), dtype=np.float32),
            observations=np.zeros((count, *shape[1:]), dtype=np.uint16),
            start=edges[:-1],
            end=edges[1:],
        )

    @property
    def band_valid(self) -> NDArray[np.bool_] | None:
        """(K, C, Y, X) bands seen at one date of an interval at least, as `Cube.band_valid`."""
        if not self.seen_bands:
            return None
        valid = self.observations > 0
        found = np.repeat(valid[:, None], self.reflectance.shape[1], axis=1)  # (K, C, Y, X)
        for k, seen in self.seen_bands.items():
            found[k] = seen
        return compact(valid, found)

    def fill(
        self,
        values: NDArray[np.float32] | NDArray[np.uint16],
        valid: NDArray[np.bool_],
        slot: NDArray[np.integer],
        *,
        band_valid: NDArray[np.bool_] | None = None,
    ) -> None:
        """Write the medians of every interval that has steps among these, each band over the dates that have it.

        Args:
            values: (T, C, Y, X), as `DayStack.values`.
            valid: (T, Y, X) True = use.
            slot: (T,) interval of each step, -1 where it is left out; all steps of an interval come in one call.
            band_valid: (T, C, Y, X) as `DayStack.band_valid`.
        """
        t, c, y, x = values.shape
        flat = np.ascontiguousarray(values).reshape(t, c, y * x)
        use = np.ascontiguousarray(valid).reshape(t, y * x)
        scale = 1.0 if _is_reflectance(values) else QUANTIFICATION
        for k in np.unique(slot[slot >= 0]):
            rows = np.flatnonzero(slot == k)
            if not use[rows].any():  # often at sea and outside the polygon; sorting would be wasted there
                continue
            if band_valid is None:
                median, count = medians(flat, use, rows, scale=scale)
                self.reflectance[k], self.observations[k] = median.reshape(c, y, x), count.reshape(y, x)
            else:
                self._fill_by_band(int(k), values[rows], valid[rows], band_valid[rows], scale)

    def _fill_by_band(
        self,
        k: int,
        values: NDArray[np.float32] | NDArray[np.uint16],
        valid: NDArray[np.bool_],
        band_valid: NDArray[np.bool_],
        scale: float,
    ) -> None:
        """Write one interval, of all of these steps: the bands that were seen at the same dates together."""
        t, c, y, x = values.shape
        self.observations[k] = np.minimum(valid.sum(axis=0), np.iinfo(np.uint16).max)
        self.seen_bands[k] = np.zeros((c, y, x), dtype=np.bool_)
        for bands, seen in bands_with_one_mask(valid, band_valid):
            flat = np.ascontiguousarray(values[:, bands]).reshape(t, len(bands), y * x)
            median, _ = medians(flat, seen.reshape(t, y * x), scale=scale)
            self.reflectance[k, bands] = median.reshape(-1, y, x)
            self.seen_bands[k][bands] = seen.any(axis=0)


def intervals_of_days(
    dates: NDArray[np.datetime64], *, every: Every, period: Period | None
) -> tuple[NDArray[np.datetime64], NDArray[np.intp]]:
    """Edges (K + 1,) of the intervals of a period, and the interval (T,) of each date, -1 outside the period.

    Args:
        dates: (T,) datetime64[D].
        every: length of the intervals.
        period: what they cover; None: from the first date to the last.

    Raises:
        TimeError: the period has none of the dates.
    """
    edges, slot, inside, _ = _slots(dates, dates + np.timedelta64(1, "D"), every, period)
    return edges, np.where(inside, slot, -1)


def composite_days(stacks: Iterable[DayStack], edges: NDArray[np.datetime64], shape: tuple[int, int, int]) -> Composite:
    """Composite single days; memory holds one stack and the result.

    Args:
        stacks: their dates lie between the edges, and all dates of an interval are in one stack.
        edges: (K + 1,) of the intervals; see `intervals_of_days`.
        shape: (C, Y, X) of the stacks.
    """
    made = Composite.empty(edges, shape)
    for stack in stacks:
        slot = np.searchsorted(edges, stack.dates, side="right") - 1
        made.fill(stack.values, stack.valid, slot, band_valid=stack.band_valid)
        del stack  # before the next one is read
    return made


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
