"""Select the period of each point, and align the steps of all points in one array."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.composite import composite_series
from timesenclip.eo.outliers import Outliers, series_without_outliers
from timesenclip.eo.period import Every, Period, interval_edges
from timesenclip.errors import TimeError
from timesenclip.series import PixelSeries

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["select_window"]

_MAX_SPAN_DAYS = 370
"""A record up to this long counts as one year: 12 months, and the days by which a last step may run over."""

_LONGEST_DAYS = {"dekad": 11, "month": 31, "quarter": 92, "year": 366}

Days = NDArray[np.datetime64]


def select_window(
    series: PixelSeries,
    rows: pd.DataFrame,
    *,
    period: Period | None,
    every: Every | None,
    may_be_empty: bool,
    outliers: Outliers = "keep",
) -> PixelSeries:
    """Cut to the period, or to one year a point where a record is longer; leave out outlying steps; then composite.

    Single dates are judged, not their composites: a month with one clear and one cloudy date then stays.

    Args:
        series: all steps.
        rows: one row a point; `valid_time`, or else `year`, says which year is meant.
        period: the same stretch for all points; None: each point's own.
        every: composite to these intervals; None keeps the steps (all of them, without a period). Steps that are
            longer than the interval are kept too: a quarter is never passed off as a month.
        may_be_empty: give steps that are not valid, instead of raising, where no step is in the period.
        outliers: what is done with outlying steps (see `timesenclip.eo.outliers`).

    Raises:
        TimeError: no step is in the period.
    """
    every = None if every is not None and _longer(series, every) else every
    if period is not None:
        inside = _middle_in(series, period.start, period.end)
        if not inside.any():
            return _nothing(series, period, every, may_be_empty=may_be_empty)
        series = series_without_outliers(_drop(series, inside), outliers)
        if every is not None:
            return composite_series(series, every=every, period=period)
        return _pack(series, inside)
    if every is None:
        return series_without_outliers(series, outliers)
    begin, stop = _years(series, rows)
    begin, stop = begin[:, None], stop[:, None]
    judged = series_without_outliers(_drop(series, _middle_in(series, begin, stop)), outliers)
    composited = composite_series(judged, every=every)
    return _pack(composited, (composited.start < stop) & (composited.end > begin))


def _longer(series: PixelSeries, every: Every) -> bool:
    length = (series.end - series.start).astype(int)[series.valid]
    return length.size > 0 and int(length.min()) > _LONGEST_DAYS.get(every, 10_000)


def _middle_in(series: PixelSeries, begin: Days | np.datetime64, stop: Days | np.datetime64) -> NDArray[np.bool_]:
    """(N, T) whether the middle of a step is in the stretch."""
    middle = series.start + (series.end - series.start) // 2
    return np.asarray((middle >= begin) & (middle < stop))


def _nothing(series: PixelSeries, period: Period, every: Every | None, *, may_be_empty: bool) -> PixelSeries:
    if not may_be_empty:
        first, last = series.start.min(), series.end.max() - np.timedelta64(1, "D")
        raise TimeError(f"The period {period} has no step; the series run from {first} to {last}.")
    edges = interval_edges(period.start, period.end - np.timedelta64(1, "D"), every or "month")
    n, k = len(series), len(edges) - 1
    return replace(
        series,
        reflectance=np.zeros((n, k, *series.reflectance.shape[2:]), dtype=np.float32),
        valid=np.zeros((n, k), dtype=np.bool_),
        start=np.broadcast_to(edges[:-1], (n, k)).copy(),
        end=np.broadcast_to(edges[1:], (n, k)).copy(),
        band_valid=None,
    )


def _years(series: PixelSeries, rows: pd.DataFrame) -> tuple[Days, Days]:
    """(N,) first day of each point's stretch and first day after it: all of a record of a year or less, else a year."""
    first = np.where(series.valid, series.start, np.datetime64("9999-01-01")).min(axis=1)
    last = np.where(series.valid, series.end, np.datetime64("0001-01-01")).max(axis=1)
    never = ~series.valid.any(axis=1)
    first[never], last[never] = series.start[never, :1].min(axis=1), series.end[never, :1].max(axis=1)
    long = (last - first).astype(int) > _MAX_SPAN_DAYS
    if long.any():
        year = _best_year(series.take(long), _told_year(rows)[long])
        first[long] = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]")
        last[long] = (year - 1969).astype("datetime64[Y]").astype("datetime64[D]")
    return first, last


def _best_year(series: PixelSeries, told: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) the year in the table if it has an observation, else that with most clear months, the later of equals."""
    month = series.months()
    first, count = int(month.min()) // 12, int(month.max()) // 12 - int(month.min()) // 12 + 1
    seen = np.zeros((len(series), count * 12), dtype=np.bool_)
    row, step = np.nonzero(series.valid)
    seen[row, month[row, step] - first * 12] = True
    months = seen.reshape(len(series), count, 12).sum(axis=2)  # (N, years)
    best = count - 1 - months[:, ::-1].argmax(axis=1)
    index = np.clip(told - 1970 - first, 0, count - 1)
    has = (told - 1970 - first == index) & (months[np.arange(len(series)), index] > 0)
    return np.asarray(np.where(has, index, best) + first + 1970, dtype=np.int64)


def _told_year(rows: pd.DataFrame) -> NDArray[np.int64]:
    """(N,) year that the table names for each point; -1 where it names none."""
    import pandas as pd

    if "valid_time" in rows:
        years = pd.to_datetime(rows["valid_time"], errors="coerce").dt.year
    elif "year" in rows:
        years = pd.to_numeric(rows["year"], errors="coerce")
    else:
        return np.full(len(rows), -1, dtype=np.int64)
    return np.asarray(years.fillna(-1).to_numpy(), dtype=np.int64)


def _drop(series: PixelSeries, inside: NDArray[np.bool_]) -> PixelSeries:
    """Without the steps outside."""
    valid = series.valid & inside
    return replace(series, valid=valid, reflectance=np.where(_wide(valid, series), series.reflectance, np.float32(0)))


def _pack(series: PixelSeries, inside: NDArray[np.bool_]) -> PixelSeries:
    """Move each point's steps inside its stretch to the front; a shorter stretch ends in steps that are not valid."""
    if inside.all():
        return series
    order = np.argsort(~inside, axis=1, kind="stable")[:, : max(int(inside.sum(axis=1).max()), 1)]
    row = np.arange(len(series))[:, None]
    valid = (series.valid & inside)[row, order]
    return replace(
        series,
        reflectance=np.where(_wide(valid, series), series.reflectance[row, order], np.float32(0)),
        valid=valid,
        start=series.start[row, order],
        end=series.end[row, order],
        band_valid=None if series.band_valid is None else series.band_valid[row, order],
    )


def _wide(valid: NDArray[np.bool_], series: PixelSeries) -> NDArray[np.bool_]:
    return valid.reshape(*valid.shape, *(1,) * (series.reflectance.ndim - 2))
