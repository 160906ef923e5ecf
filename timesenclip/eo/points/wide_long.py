"""The two forms of a point table, wide and long, as arrays: values, dates and one row a point."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.period import YEARS, Every
from timesenclip.eo.points.columns import require_names
from timesenclip.eo.points.files import TableShape
from timesenclip.errors import InputError, TimeError
from timesenclip.messages import shorten_error, show_value

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_long", "from_wide", "long_points", "timestamps", "wide_dates"]

Form = tuple[NDArray[np.float32], NDArray[np.datetime64], "pd.DataFrame"]
"""Values (N, T, bands) as in the table, NaN where there is none; dates (N, T, 2), first day of a step and first day
after it, NaT where a point has fewer steps; one row a point."""

_MOST_STEPS = 20_000_000
"""Points times dates of the longest series, where most of them would be empty: some 800 MB of values."""
_FIXED_DATE = re.compile(r"\d{4}|\d[./-]\d\d?[./-]\d|\d[./-][A-Za-z]{3,9}[./-]\d")
"""A text with a year, or of three parts; pandas also reads `now` and `10:30`, which mean another day every day."""

_PLACE = (("lat", "lon"), ("latitude", "longitude"), ("lat_deg", "lon_deg"))


def from_wide(frame: pd.DataFrame, shape: TableShape, *, step: Every | int, source_name: str) -> Form:
    """One row a point, the steps side by side."""
    raw = np.stack([_numbers(frame, columns, source_name) for columns in shape.columns], axis=-1)  # (N, T, bands)
    return raw, wide_dates(frame, shape.steps, step, source_name=source_name), frame


def from_long(frame: pd.DataFrame, shape: TableShape, *, source_name: str) -> Form:
    """One row a point and date, in any order; points come in the order of their first rows."""
    number, names = long_points(frame, source_name=source_name)
    when = timestamps(frame, source_name=source_name)
    order = np.lexsort((when, number))
    point, when = np.asarray(number[order]), when[order]
    double = (np.diff(point) == 0) & (np.diff(when.astype(np.int64)) == 0)
    if double.any():
        i = int(double.argmax())
        raise TimeError(
            f"{source_name}: point '{names[point[i]]}' has the date {when[i]} more than once; keep one row."
        )
    begins = np.flatnonzero(np.diff(point, prepend=-1))
    position = np.arange(len(point)) - begins[point]
    n, t = len(begins), int(position.max()) + 1
    if n * t > max(_MOST_STEPS, 4 * len(point)):
        raise InputError(
            f"{source_name}: point {show_value(names[point[position.argmax()]])} has {t:,} dates, and {n:,} points "
            "would have as many empty ones; put points with so many dates into a table of their own."
        )
    raw = np.full((n, t, len(shape.bands)), np.nan, dtype=np.float32)
    raw[point, position] = _numbers(frame, [columns[0] for columns in shape.columns], source_name)[order]
    dates = np.full((n, t, 2), np.datetime64("NaT"), dtype="datetime64[D]")
    dates[point, position, 0] = when
    dates[point, position, 1] = when + _cadence(point, when)
    rows = frame.iloc[order[begins]]
    return raw, dates, rows if "sample_id" in frame else rows.assign(sample_id=names)


def long_points(frame: pd.DataFrame, *, source_name: str) -> tuple[NDArray[np.intp], Sequence[str]]:
    """Number of the point of each row, in order of first appearance, and the points' names.

    Without `sample_id` the rows of one place are a point; the names are then made up.

    Raises:
        InputError: nothing tells points apart, or a row has no name.
    """
    import pandas as pd

    if "sample_id" in frame:
        if frame["sample_id"].isna().any():
            raise InputError(
                f"{source_name}: row {int(frame['sample_id'].isna().argmax())} has no sample_id; name each point."
            )
        require_names(frame["sample_id"], source_name=source_name)
        point, names = pd.factorize(frame["sample_id"].astype(str))
        return np.asarray(point, dtype=np.intp), [str(name) for name in names]
    for place in _PLACE:
        if set(place) <= set(frame.columns):
            group = frame.groupby(list(place), sort=False, dropna=False).ngroup().to_numpy()
            return group.astype(np.intp), [str(i) for i in range(int(group.max()) + 1)]
    raise InputError(
        f"{source_name} is a long table without 'sample_id', or 'lat' and 'lon', to tell the points apart."
    )


def timestamps(frame: pd.DataFrame, *, source_name: str) -> NDArray[np.datetime64]:
    """(rows,) datetime64[D] of a long table.

    Raises:
        TimeError: a row has no date.
    """
    return _read_days(frame, "timestamp", example="2018-07-01", source_name=source_name)


def wide_dates(
    frame: pd.DataFrame, steps: Sequence[int], step: Every | int, *, source_name: str
) -> NDArray[np.datetime64]:
    """(N, T, 2) first day of each step and first day after it; step 0 begins at `start_date`.

    Raises:
        TimeError: `start_date` is absent or no date, or `step` is unknown.
    """
    if "start_date" not in frame:
        raise TimeError(f"{source_name}: a wide table needs a column 'start_date', the first day of step 0.")
    first = _read_days(frame, "start_date", example="2018-01-01", source_name=source_name)
    number = np.asarray(steps)
    begin = _begin(first, number, step)
    _require_years(begin, "step", source_name)
    return np.stack([begin, _begin(first, number + 1, step)], axis=-1)  # (N, T, 2)


def _read_days(frame: pd.DataFrame, column: str, *, example: str, source_name: str) -> NDArray[np.datetime64]:
    """(rows,) datetime64[D] of a column of dates; those with a time zone are put into UTC first."""
    import pandas as pd

    values = frame[column]
    if values.dtype.kind in "iufb" and values.notna().any():  # pandas would count them as nanoseconds since 1970
        raise TimeError(
            f"{source_name}: column '{column}' holds numbers such as {values.dropna().iloc[0]}; expected dates as "
            f"{example}."
        )
    if values.dtype.kind not in "mM":
        _refuse_relative(values, column, example, source_name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas warns of texts that it then refuses
            when = pd.to_datetime(values, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    except (ValueError, TypeError, OverflowError, NotImplementedError) as error:
        raise TimeError(
            f"{source_name}: column '{column}' holds no dates ({shorten_error(error)}); expected {example}."
        ) from error
    if np.isnat(when).any():
        raise TimeError(f"{source_name}: row {int(np.isnat(when).argmax())} has no {column}; give each row a date.")
    _require_years(when, column, source_name)
    return np.asarray(when)


def _refuse_relative(values: pd.Series, column: str, example: str, source_name: str) -> None:
    """Refuse texts such as `today`, whose date depends on when they are read.

    Raises:
        TimeError: there is one.
    """
    for text in {value for value in values if isinstance(value, str)}:
        if text.strip() and not _FIXED_DATE.search(text):
            raise TimeError(
                f"{source_name}: column '{column}' holds no dates ({show_value(text)}); expected {example}."
            )


def _require_years(when: NDArray[np.datetime64], what: str, source_name: str) -> None:
    """Refuse dates outside of the years that a period may have: they are errors, and composites would fill memory.

    Raises:
        TimeError: there is one; `when` has one row a row of the table.
    """
    first, last = YEARS
    wrong = (when < np.datetime64(f"{first}-01-01")) | (when >= np.datetime64(f"{last + 1}-01-01"))
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise TimeError(f"{source_name}: row {row} has the {what} {when[wrong][0]}; expected {first} to {last}.")


def _begin(first: NDArray[np.datetime64], number: NDArray[np.integer], step: Every | int) -> NDArray[np.datetime64]:
    """(N, T) first day of the steps of these numbers."""
    months = {"month": 1, "quarter": 3, "year": 12}
    if isinstance(step, int):
        if step < 1:
            raise TimeError(f"A step of {step} days; expected 1 or more.")
        return np.asarray(first[:, None] + step * number)
    month = first.astype("datetime64[M]")
    if step in months:
        return np.asarray((month[:, None] + months[step] * number).astype("datetime64[D]"))
    if step == "dekad":
        dekad = month.astype(int) * 3 + np.minimum((first - month.astype("datetime64[D]")).astype(int) // 10, 2)
        count = dekad[:, None] + number
        return np.asarray((count // 3).astype("datetime64[M]").astype("datetime64[D]") + 10 * (count % 3))
    raise TimeError(f"Unknown step '{step}'; expected month, quarter, year, dekad or a number of days.")


def _cadence(point: NDArray[np.intp], when: NDArray[np.datetime64]) -> NDArray[np.timedelta64]:
    """Length of each step: a dekad, month, quarter or year where dates follow that calendar, else a single day."""
    gaps = np.diff(when.astype(np.int64))[np.diff(point) == 0]
    typical = float(np.median(gaps)) if gaps.size else 1.0
    month = when.astype("datetime64[M]")
    day_of_month = (when - month.astype("datetime64[D]")).astype(int)
    number = month.astype(int) % 12
    if typical >= 28 and (day_of_month == 0).all():
        count = 12 if typical >= 365 and (number == 0).all() else 3 if typical >= 89 and (number % 3 == 0).all() else 1
        return np.asarray((month + count).astype("datetime64[D]") - when)
    if 8 <= typical <= 11 and np.isin(day_of_month, (0, 10, 20)).all():
        month_end = (month + 1).astype("datetime64[D]")
        return np.asarray(np.where(day_of_month == 20, month_end, when + 10) - when)
    return np.full(len(when), 1, dtype="timedelta64[D]")


def _numbers(frame: pd.DataFrame, columns: Sequence[str], source_name: str) -> NDArray[np.float32]:
    """(rows, columns) float32, NaN where empty, and where a column is not there ("")."""
    if "" in columns:
        out = np.full((len(frame), len(columns)), np.nan, dtype=np.float32)
        there = [i for i, name in enumerate(columns) if name]
        out[:, there] = _numbers(frame, [columns[i] for i in there], source_name)
        return out
    others = [name for name in columns if frame[name].dtype.kind in "bmM"]
    if others:
        raise InputError(
            f"{source_name}: the band column '{others[0]}' is of type {frame[others[0]].dtype}; expected numbers."
        )
    try:
        with np.errstate(all="ignore"):  # what is too large for float32 becomes infinite, and is then no observation
            return frame[list(columns)].to_numpy(dtype=np.float32, na_value=np.nan)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"{source_name}: band columns such as '{columns[0]}' hold no numbers ({shorten_error(error)})."
        ) from error
