"""Read tables of points, in wide or long form, from Parquet, GeoParquet or CSV.

Wide: one row a point, columns such as `OPTICAL-B02-ts0-10m`; the first step begins at `start_date`, the others follow
monthly unless told. Long: one row a point and date, columns such as `S2-L2A-B02` and `timestamp`. Which form a table
has is
seen from its columns, and the two give the same `PixelSeries`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, require_bands
from timesenclip.eo.composite import composite_series
from timesenclip.eo.period import Every, Period, as_period
from timesenclip.eo.radiometry import SATURATED, Units, detect_units, to_reflectance
from timesenclip.eo.tables import TableShape, columns_of, iter_frames, table_shape, wide_dates
from timesenclip.errors import (
    BandError,
    DegradedInputWarning,
    InputError,
    NoClearObservationError,
    TimeError,
)
from timesenclip.series import PixelSeries

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["iter_points", "points_from_frame", "read_attributes", "read_points"]

_MAX_SPAN_DAYS = 370
_SUBSTITUTE, _SUBSTITUTED = "B08", "B8A"
_FILL_DN = 65535


def read_points(
    path: str | Path,
    *,
    period: Period | str | int | None = None,
    units: Units = "auto",
    every: Every | None = "month",
    step: Every | int = "month",
    offset_dn: int = 0,
    strict: bool = False,
) -> PixelSeries:
    """Read a whole table of points.

    Args:
        path: Parquet, GeoParquet or CSV.
        period: a year (2018), months ("2018-07..2019-06") or a `Period`; default: everything where a series spans a
            year or less, else for each point the calendar year of `valid_time` (or `year`), or else the one with most
            clear months.
        units: whether band values are `dn` or `reflectance`; `auto` looks at them.
        every: composite to these intervals by median; None keeps the steps as they are.
        step: length of a step in a wide table, an interval's name or a number of days.
        offset_dn: DN to subtract (see `timesenclip.eo.radiometry.offset_for`); 0 for harmonised tables.
        strict: refuse a table without B8A instead of putting B08 in its place.

    Returns:
        One series a point, in the order in which the points first appear.

    Raises:
        DataNotFoundError, BandError, UnitsError, TimeError, InputError, NoClearObservationError: what is wrong, with
        the
            column, point or value, and what to do.
    """
    frames = list(iter_frames(Path(path), batch_size=None))
    frame = frames[0]
    return points_from_frame(
        frame, where=str(path), period=period, units=units, every=every, step=step, offset_dn=offset_dn, strict=strict
    )


def iter_points(
    path: str | Path,
    *,
    batch_size: int = 20_000,
    period: Period | str | int | None = None,
    units: Units = "auto",
    every: Every | None = "month",
    step: Every | int = "month",
    offset_dn: int = 0,
    strict: bool = False,
) -> Iterator[PixelSeries]:
    """Read a table of points piece by piece; arguments as `read_points`.

    Memory is bounded for Parquet and CSV in wide form, and in long form where the rows of a point follow each other. A
    long table whose points are scattered is sorted in memory first. Points without any clear observation are yielded
    too, with `valid` all False.

    Yields:
        Series of up to `batch_size` points, in order.
    """
    first = 0
    for frame in iter_frames(Path(path), batch_size=batch_size):
        series = points_from_frame(
            frame,
            where=str(path),
            period=period,
            units=units,
            every=every,
            step=step,
            offset_dn=offset_dn,
            strict=strict,
            first_number=first,
            allow_cloudy=True,
        )
        first += len(series)
        yield series


def read_attributes(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Columns that are not bands (labels, for one), one row a point, in the order of `read_points`.

    Raises:
        InputError: a column is not there; the message lists those that are.
    """
    import pandas as pd

    have = columns_of(Path(path))
    for column in columns:
        if column not in have:
            raise InputError(f"{path} has no column '{column}'; it has: {', '.join(have[:40])}.")
    parts = []
    for frame in iter_frames(Path(path), batch_size=None):
        shape = table_shape(list(frame.columns), where=str(path))
        rows = frame if shape.wide or "sample_id" not in frame else frame.drop_duplicates("sample_id")
        parts.append(rows[list(columns)])
    return pd.concat(parts, ignore_index=True)


def points_from_frame(
    frame: pd.DataFrame,
    *,
    where: str = "table",
    period: Period | str | int | None = None,
    units: Units = "auto",
    every: Every | None = "month",
    step: Every | int = "month",
    offset_dn: int = 0,
    strict: bool = False,
    first_number: int = 0,
    allow_cloudy: bool = False,
) -> PixelSeries:
    """Series of a pandas table in wide or long form; arguments as `read_points`.

    Args:
        frame: the table.
        where: its name, for messages.
        first_number: number of the first point, for made-up names.
        allow_cloudy: do not raise where no point has a clear observation.
    """
    if frame.empty:
        raise InputError(f"{where} has no points; expected at least one row.")
    shape = table_shape(list(frame.columns), where=where)
    raw, dates, rows = _wide(frame, shape, step, where) if shape.wide else _long(frame, shape, where)
    raw, names, notes = _with_all_bands(raw, shape.bands, strict=strict, where=where)
    order = [names.index(name) for name in BAND_NAMES]
    raw = raw[:, :, order]
    reflectance, seen = _calibrate(raw, units=units, offset_dn=offset_dn, where=where)
    ids = _sample_ids(rows, first_number, where, strict=strict)
    lon, lat = _places(rows, where)
    valid = seen.all(axis=2) & ~np.isnat(dates[..., 0])
    series = PixelSeries(
        reflectance=np.where(valid[..., None], reflectance, 0.0).astype(np.float32),
        valid=valid,
        **_filled(dates),
        sample_id=ids,
        lon_deg=lon,
        lat_deg=lat,
        provenance={"source": where, "form": "wide" if shape.wide else "long", "offset_dn": offset_dn, **notes},
    )
    series = _select(series, rows, as_period(period), every)
    if not series.valid.any() and not allow_cloudy:
        raise NoClearObservationError(
            f"{where}: no point has a clear "
            f"observation{f' in {as_period(period)}' if period is not None else ''}; every "
            "value is missing (65535, 0 or NaN) in at least one band."
        )
    return series


def _wide(
    frame: pd.DataFrame, shape: TableShape, step: Every | int, where: str
) -> tuple[NDArray[np.float32], NDArray[np.datetime64], pd.DataFrame]:
    """Values (N, T, bands), dates (N, T, 2) and one row a point."""
    raw = np.stack(
        [frame[list(columns)].to_numpy(dtype=np.float32, na_value=np.nan) for columns in shape.columns], axis=-1
    )
    return raw, wide_dates(frame, raw.shape[1], step, where=where), frame


def _long(
    frame: pd.DataFrame, shape: TableShape, where: str
) -> tuple[NDArray[np.float32], NDArray[np.datetime64], pd.DataFrame]:
    """The same from one row a point and date; rows may come in any order."""
    import pandas as pd

    if "sample_id" not in frame:
        raise InputError(f"{where} is a long table without a column 'sample_id'; it is needed to tell points apart.")
    try:
        when = pd.to_datetime(frame["timestamp"], utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    except (ValueError, TypeError) as error:
        raise TimeError(f"{where}: column 'timestamp' holds no dates ({error}); expected 2018-07-01.") from error
    if np.isnat(when).any():
        raise TimeError(f"{where}: row {int(np.isnat(when).argmax())} has no timestamp; give each row a date.")
    point, ids = pd.factorize(frame["sample_id"].astype(str))
    order = np.lexsort((when, point))
    point, when = point[order], when[order]
    double = (np.diff(point) == 0) & (np.diff(when.astype(np.int64)) == 0)
    if double.any():
        i = int(double.argmax())
        raise TimeError(f"{where}: point '{ids[point[i]]}' has two rows for {when[i]}; keep one of them.")
    begins = np.flatnonzero(np.diff(point, prepend=-1))
    position = np.arange(len(point)) - begins[point]
    n, t = len(ids), int(position.max()) + 1
    raw = np.full((n, t, len(shape.bands)), np.nan, dtype=np.float32)
    columns = [names[0] for names in shape.columns]
    raw[point, position] = frame[columns].to_numpy(dtype=np.float32, na_value=np.nan)[order]
    dates = np.full((n, t, 2), np.datetime64("NaT"), dtype="datetime64[D]")
    dates[point, position, 0] = when
    dates[point, position, 1] = when + _cadence(point, when)
    return raw, dates, frame.iloc[order[begins]]


def _cadence(point: NDArray[np.intp], when: NDArray[np.datetime64]) -> NDArray[np.timedelta64]:
    """Length of each step: a month or dekad where dates follow that calendar, else a single day."""
    gaps = np.diff(when.astype(np.int64))[np.diff(point) == 0]
    typical = float(np.median(gaps)) if gaps.size else 1.0
    day_of_month = (when - when.astype("datetime64[M]").astype("datetime64[D]")).astype(int)
    if typical >= 28 and (day_of_month == 0).all():
        return np.asarray((when.astype("datetime64[M]") + 1).astype("datetime64[D]") - when)
    if 8 <= typical <= 11 and np.isin(day_of_month, (0, 10, 20)).all():
        month_end = (when.astype("datetime64[M]") + 1).astype("datetime64[D]")
        return np.asarray(np.where(day_of_month == 20, month_end, when + 10) - when)
    return np.full(len(when), 1, dtype="timedelta64[D]")


def _with_all_bands(
    raw: NDArray[np.float32], bands: Sequence[str], *, strict: bool, where: str
) -> tuple[NDArray[np.float32], list[str], dict[str, str]]:
    """Put B08 where a point lacks B8A altogether: nearly the same wavelength, and many tables have no B8A.

    Decided point by point, so that the answer does not depend on which points are read together.
    """
    names = list(bands)
    if _SUBSTITUTED not in names:
        require_bands([*names, _SUBSTITUTED], where=where)
        names.append(_SUBSTITUTED)
        raw = np.concatenate([raw, np.full_like(raw[:, :, :1], np.nan)], axis=2)
    require_bands(names, where=where)
    missing = ~np.isfinite(raw) | (raw == _FILL_DN) | (raw == 0)
    absent, present = names.index(_SUBSTITUTED), names.index(_SUBSTITUTE)
    points = missing[:, :, absent].all(axis=1) & ~missing[:, :, present].all(axis=1)
    if not points.any():
        return raw, names, {}
    message = f"{where}: {_SUBSTITUTED} is absent; {_SUBSTITUTE}, nearly the same wavelength, stands in its place."
    if strict:
        raise BandError(f"{message} Leave out --strict to accept that, or add the band.")
    warnings.warn(message, DegradedInputWarning, stacklevel=4)
    raw = raw.copy()
    raw[points, :, absent] = raw[points, :, present]
    return raw, names, {"substituted": f"{_SUBSTITUTED} by {_SUBSTITUTE}"}


def _calibrate(
    raw: NDArray[np.float32], *, units: Units, offset_dn: int, where: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if detect_units(raw, declared=units, where=where) == "dn":
        reflectance, seen = to_reflectance(raw, offset_dn=offset_dn, nodata=(_FILL_DN,))
    else:
        seen = np.isfinite(raw) & ~np.isin(raw, (65535.0, -9999.0))
        reflectance = np.clip(np.where(seen, raw, 0.0), 0.0, None).astype(np.float32)
    # Harmonised tables clip dark water to 0 in single bands; only a step of nothing but zeros is a missing one.
    empty = (raw == 0).all(axis=2, keepdims=True)
    return reflectance, seen & (reflectance <= SATURATED) & ~empty


def _filled(dates: NDArray[np.datetime64]) -> dict[str, NDArray[np.datetime64]]:
    """`start` and `end` with a harmless date where a shorter series has no step."""
    start, end = dates[..., 0].copy(), dates[..., 1].copy()
    gap = np.isnat(start)
    filler = np.where(
        gap.all(axis=1),
        np.datetime64("1970-01-01"),
        np.nanmax(np.where(gap, np.datetime64("1900-01-01"), start), axis=1),
    )
    start[gap] = np.broadcast_to(filler[:, None], start.shape)[gap]
    end[gap] = start[gap] + np.timedelta64(1, "D")
    return {"start": start, "end": end}


def _sample_ids(rows: pd.DataFrame, first_number: int, where: str, *, strict: bool) -> tuple[str, ...]:
    if "sample_id" not in rows:
        return tuple(str(first_number + i) for i in range(len(rows)))
    ids = rows["sample_id"].astype(str)
    if ids.duplicated().any():
        name, count = ids[ids.duplicated()].iloc[0], int(ids.duplicated().sum())
        message = f"{where}: {count} rows repeat a sample_id, such as '{name}'; each row stays a point of its own."
        if strict:
            raise InputError(message)
        warnings.warn(message, DegradedInputWarning, stacklevel=4)
    return tuple(ids)


def _places(rows: pd.DataFrame, where: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    def column(*names: str) -> NDArray[np.float64]:
        for name in names:
            if name in rows:
                return rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        return np.full(len(rows), np.nan)

    lon, lat = column("lon", "longitude", "lon_deg"), column("lat", "latitude", "lat_deg")
    for name, values, limit in (("latitude", lat, 90.0), ("longitude", lon, 180.0)):
        wrong = np.abs(values) > limit
        if wrong.any():
            raise InputError(
                f"{where}: row {int(wrong.argmax())} has {name} {values[wrong][0]:g}, expected "
                f"-{limit:g}..{limit:g} in "
                "EPSG:4326. Are the columns lat and lon swapped, or projected?"
            )
    return lon, lat


def _select(series: PixelSeries, rows: pd.DataFrame, period: Period | None, every: Every | None) -> PixelSeries:
    """Cut to the period, or to one year a point where there are several; then composite."""
    if period is not None:
        kept = series if every is None else composite_series(series, every=every, period=period)
        return kept if every is not None else _restrict(series, period.start, period.end)
    first = np.where(series.valid, series.start, np.datetime64("9999-01-01")).min(axis=1)
    last = np.where(series.valid, series.end, np.datetime64("0001-01-01")).max(axis=1)
    if every is None or not series.valid.any():
        return series
    if ((last - first).astype(int) > _MAX_SPAN_DAYS).any():
        years = _best_year(series, rows, ((last - first).astype(int) > _MAX_SPAN_DAYS))
        begin = np.where(years == 0, first, (years - 1970).astype("datetime64[Y]").astype("datetime64[D]"))
        stop = np.where(years == 0, last, (years - 1969).astype("datetime64[Y]").astype("datetime64[D]"))
        series = _restrict(series, begin[:, None], stop[:, None])
    return _squeeze(composite_series(series, every=every))


def _restrict(
    series: PixelSeries, begin: NDArray[np.datetime64] | np.datetime64, stop: NDArray[np.datetime64] | np.datetime64
) -> PixelSeries:
    from dataclasses import replace

    middle = series.start + (series.end - series.start) // 2
    valid = series.valid & (middle >= begin) & (middle < stop)
    if not valid.any() and series.valid.any():
        raise TimeError(
            f"The period {np.min(begin)}..{np.max(stop)} has no step; the series run from "
            f"{series.start[series.valid].min()} "
            f"to {series.end[series.valid].max()}."
        )
    reflectance = np.where(valid.reshape(*valid.shape, *(1,) * (series.reflectance.ndim - 2)), series.reflectance, 0.0)
    return replace(series, valid=valid, reflectance=reflectance.astype(np.float32))


def _best_year(series: PixelSeries, rows: pd.DataFrame, long: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Calendar year to use for each point that spans more than one; 0 = all of it."""
    import pandas as pd

    year_of_step = series.start.astype("datetime64[Y]").astype(int) + 1970
    chosen = np.zeros(len(series), dtype=np.int64)
    told: NDArray[np.int64] = np.full(len(series), -1, dtype=np.int64)
    if "valid_time" in rows:
        stamps = pd.to_datetime(rows["valid_time"], errors="coerce")
        told = np.asarray(stamps.dt.year.fillna(-1), dtype=np.int64)
    elif "year" in rows:
        told = np.asarray(pd.to_numeric(rows["year"], errors="coerce").fillna(-1), dtype=np.int64)
    for i in np.flatnonzero(long):
        years, counts = np.unique(year_of_step[i][series.valid[i]], return_counts=True)
        latest_best = int(years[len(years) - 1 - int(np.argmax(counts[::-1]))])
        chosen[i] = told[i] if told[i] in years else latest_best
    return chosen


def _squeeze(series: PixelSeries) -> PixelSeries:
    """Move each point's steps to the front, so that points of different years share few columns."""
    from dataclasses import replace

    seen = series.valid.any(axis=0)
    if series.steps <= 12 or seen.sum() == 0:
        return series
    # The calendar window of each point: from its first to its last valid step.
    first = series.valid.argmax(axis=1)
    last = np.where(series.valid.any(axis=1), series.steps - 1 - series.valid[:, ::-1].argmax(axis=1), first)
    width = int((last - first).max()) + 1
    index = np.minimum(first[:, None] + np.arange(width), series.steps - 1)
    inside = (first[:, None] + np.arange(width)) <= last[:, None]
    row = np.arange(len(series))[:, None]
    valid = series.valid[row, index] & inside
    extra = (1,) * (series.reflectance.ndim - 2)
    return replace(
        series,
        reflectance=np.where(valid.reshape(*valid.shape, *extra), series.reflectance[row, index], 0.0).astype(
            np.float32
        ),
        valid=valid,
        start=series.start[row, index],
        end=series.end[row, index],
    )
