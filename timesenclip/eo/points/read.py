"""Read tables of points, in wide or long form, from Parquet, GeoParquet or CSV.

Wide: one row a point, columns such as `OPTICAL-B02-ts0-10m`; the first step begins at `start_date`, the others follow
monthly unless `step` says otherwise. Long: one row a point and date, columns such as `S2-L2A-B02` and `timestamp`; the
order of the rows carries no meaning. Which form a table has is seen from its columns, and the two give the same
`PixelSeries`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.outliers import Outliers
from timesenclip.eo.period import Every, Period, as_period
from timesenclip.eo.pixel_checks import check_dark_level
from timesenclip.eo.points.columns import calibrate, places, sample_ids, ten_bands
from timesenclip.eo.points.files import attribute_columns, iter_frames, table_shape
from timesenclip.eo.points.pieces import column_names, iter_columns, read_frame
from timesenclip.eo.points.wide_long import from_long, from_wide, long_points, timestamps, wide_dates
from timesenclip.eo.points.window import select_window
from timesenclip.eo.radiometry import Units
from timesenclip.eo.sensors import AUTO
from timesenclip.errors import InputError, NoClearObservationError, TimeError
from timesenclip.messages import list_some
from timesenclip.series import PixelSeries

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["iter_points", "points_from_frame", "read_attributes", "read_points"]


def read_points(
    path: str | Path,
    *,
    period: Period | str | int | None = None,
    units: Units = "auto",
    every: Every | None = "month",
    step: Every | int = "month",
    offset_dn: int = 0,
    sensor: str = AUTO,
    strict: bool = False,
    outliers: Outliers = "drop",
) -> PixelSeries:
    """Read a whole table of points.

    Args:
        path: Parquet, GeoParquet or CSV.
        period: a year (2018), months ("2018-07..2019-06") or a `Period`; default: everything where a series spans a
            year or less, else for each point the calendar year of `valid_time` (or `year`), or else the one with most
            clear months.
        units: whether band values are `dn`, `reflectance` or `landsat-c2`; `auto` looks at them.
        every: composite to these intervals by median; None keeps the steps as they are (all, without a period). Steps
            longer than the interval are kept as they are.
        step: length of a step in a wide table, an interval's name or a number of days.
        offset_dn: DN to subtract (see `timesenclip.eo.radiometry.offset_for`); 0 for harmonised tables.
        sensor: whose names the columns are (`timesenclip.eo.sensors`); `auto` decides by names that only one has. A
            band without a column is missing at all steps, and a value that is missing at its step.
        strict: refuse a table that repeats a `sample_id`.
        outliers: leave out outlying steps, such as clouds that were not masked, before they are composited, or keep
            them (see `timesenclip.eo.outliers`); the provenance counts them.

    Returns:
        One series a point, in the order in which the points first appear.

    Raises:
        DataNotFoundError: no such file, or not a table.
        BandError: no band is there, or one is unknown or given twice.
        UnitsError: the declared units cannot be true.
        TimeError: dates are missing, a point has a date twice, or the period is outside the dates.
        InputError: no points, or a name or place that cannot be.
        NoClearObservationError: no point has a clear observation.
    """
    return points_from_frame(
        read_frame(Path(path)),
        source_name=str(path),
        period=period,
        units=units,
        every=every,
        step=step,
        offset_dn=offset_dn,
        sensor=sensor,
        strict=strict,
        outliers=outliers,
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
    sensor: str = AUTO,
    strict: bool = False,
    outliers: Outliers = "drop",
) -> Iterator[PixelSeries]:
    """Read a table of points piece by piece; arguments and errors as `read_points`.

    Memory is bounded, whatever the size of the table and of its row groups; it grows by the names of the points (some
    100 bytes each) where the rows of a long table are scattered, since these are sorted in temporary files first, and
    by the footer of a Parquet file (columns times row groups). A long table without `sample_id` is held in memory as a
    whole. Points without any clear observation are yielded too, with `valid` all False. The number of steps may differ
    between pieces.

    Yields:
        Series of about `batch_size` points (long tables: of their usual twelve rows), in order.
    """
    file, span = Path(path), as_period(period)
    if span is not None:
        _require_dates_in(file, span, step, sensor)
    first = 0
    for frame in iter_frames(file, batch_size=batch_size, sensor=sensor):
        series = points_from_frame(
            frame,
            source_name=str(path),
            period=span,
            units=units,
            every=every,
            step=step,
            offset_dn=offset_dn,
            sensor=sensor,
            strict=strict,
            outliers=outliers,
            first_number=first,
            allow_cloudy=True,
        )
        first += len(series)
        if units == "auto" and series.valid.any():
            units = series.provenance["units"]  # of the whole table: a piece of snow alone would be taken for another
        yield series


def read_attributes(path: str | Path, columns: Sequence[str], *, sensor: str = AUTO) -> pd.DataFrame:
    """Columns that are not bands (labels, for one), one row a point, in the order of `read_points`.

    Raises:
        InputError: a column is not there; the message lists those that are.
    """
    have = column_names(Path(path))
    for column in columns:
        if column not in have:
            others = attribute_columns(have)
            raise InputError(
                f"{path} has no column '{column}'; beside bands and steps it has: "
                f"{list_some(others, 40, separator=', ')}."
            )
    wide = table_shape(have, source_name=str(path), sensor=sensor).wide
    keys = [name for name in ("sample_id", "lat", "lon", "latitude", "longitude", "lat_deg", "lon_deg") if name in have]
    needed = [name for name in have if name in columns or (not wide and name in keys)]
    frame = read_frame(Path(path), needed)
    if not wide and len(frame):
        frame = frame.iloc[np.unique(long_points(frame, source_name=str(path))[0], return_index=True)[1]]
    return frame[list(columns)].reset_index(drop=True)


def points_from_frame(
    frame: pd.DataFrame,
    *,
    source_name: str = "table",
    period: Period | str | int | None = None,
    units: Units = "auto",
    every: Every | None = "month",
    step: Every | int = "month",
    offset_dn: int = 0,
    sensor: str = AUTO,
    strict: bool = False,
    outliers: Outliers = "drop",
    first_number: int = 0,
    allow_cloudy: bool = False,
) -> PixelSeries:
    """Series of a pandas table in wide or long form; arguments and errors as `read_points`.

    Args:
        frame: the table.
        source_name: its name, for messages.
        first_number: number of the first point, for made-up names.
        allow_cloudy: do not raise where no point has a clear observation, or none a step in the period.
    """
    if frame.empty:
        raise InputError(f"{source_name} has no points; expected at least one row.")
    shape = table_shape([str(name) for name in frame.columns], source_name=source_name, sensor=sensor)
    if shape.wide:
        raw, dates, rows = from_wide(frame, shape, step=step, source_name=source_name)
    else:
        raw, dates, rows = from_long(frame, shape, source_name=source_name)
    raw = ten_bands(raw, shape.bands)  # (N, T, C)
    reflectance, valid, seen, found = calibrate(
        raw, units=units, offset_dn=offset_dn, sensor=shape.sensor, source_name=source_name
    )
    valid = valid & ~np.isnat(dates[..., 0])
    lon, lat = places(rows, source_name=source_name)
    about = {
        "source": source_name,
        "form": "wide" if shape.wide else "long",
        "units": found,
        "offset_dn": offset_dn,
        "sensor": shape.sensor.name,
        "bands": shape.taken(),
    }
    series = PixelSeries(
        reflectance=reflectance,
        valid=valid,
        **_without_gaps(dates),
        sample_id=sample_ids(rows, first_number=first_number, strict=strict, source_name=source_name),
        lon_deg=lon,
        lat_deg=lat,
        provenance=about,
        band_valid=seen,
    )
    span = as_period(period)
    series = select_window(series, rows, period=span, every=every, may_be_empty=allow_cloudy, outliers=outliers)
    if not series.valid.any() and not allow_cloudy:
        raise NoClearObservationError(
            f"{source_name}: no point has a clear observation{f' in {span}' if span is not None else ''}; every "
            "value is missing (65535 or NaN)."
        )
    if found == "dn" and offset_dn == 0:
        check_dark_level(_darkest(series), series.valid, source_name=source_name)
    return series


def _darkest(series: PixelSeries) -> NDArray[np.float32]:
    """(N, T, ...) reflectance of the darkest band that was seen; infinite at steps without any."""
    if series.band_valid is None:
        return np.asarray(series.reflectance.min(axis=2))
    return np.asarray(series.reflectance.min(axis=2, where=series.bands_seen(), initial=np.inf))


def _without_gaps(dates: NDArray[np.datetime64]) -> dict[str, Any]:
    """`start` and `end`, (N, T) each; where a point has fewer steps the last one is repeated and not valid."""
    last = np.maximum((~np.isnat(dates[..., 0])).sum(axis=1) - 1, 0)
    index = np.minimum(np.arange(dates.shape[1]), last[:, None])
    row = np.arange(len(dates))[:, None]
    return {"start": dates[row, index, 0], "end": dates[row, index, 1]}


def _require_dates_in(path: Path, span: Period, step: Every | int, sensor: str) -> None:
    """Raise before the first piece if the period is outside all dates; only the column of dates is read.

    Raises:
        TimeError: it is.
    """
    shape = table_shape(column_names(path), source_name=str(path), sensor=sensor)
    first, stop = np.datetime64("9999-01-01"), np.datetime64("0001-01-01")
    for frame in iter_columns(path, ["start_date" if shape.wide else "timestamp"]):
        if frame.empty:
            return
        if shape.wide:
            dates = wide_dates(frame, (shape.steps[0], shape.steps[-1]), step, source_name=str(path))
            begin, end = dates[..., 0], dates[..., 1]
        else:
            begin = timestamps(frame, source_name=str(path))
            end = begin + 1
        first, stop = min(first, begin.min()), max(stop, end.max())
    if stop <= span.start or first >= span.end:
        last = stop - np.timedelta64(1, "D")
        raise TimeError(f"The period {span} has no step; {path} runs from {first} to {last}.")
