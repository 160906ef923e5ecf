"""A stretch of calendar time, and the intervals it is cut into."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import TimeError

__all__ = ["Every", "Period", "as_period", "interval_edges"]

Every: TypeAlias = Literal["month", "quarter", "year", "dekad"]
YEARS = (1972, 2100)
"""First and last year of a period: from the first Landsat on, which is older than any series that can be read."""
EVERY: tuple[str, ...] = ("month", "quarter", "year", "dekad")

_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start` up to, but without, `end`."""

    start: np.datetime64
    """First day."""
    end: np.datetime64
    """First day after the period."""

    def __post_init__(self) -> None:
        """Refuse an empty period."""
        if self.end <= self.start:
            raise TimeError(f"The period ends (last day {self.end - 1}) before it starts ({self.start}).")

    @classmethod
    def of_year(cls, year: int) -> Period:
        """A calendar year.

        Raises:
            TimeError: it is not within `YEARS`.
        """
        _check_year(year)
        return cls(np.datetime64(f"{year:04d}-01-01"), np.datetime64(f"{year + 1:04d}-01-01"))

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read `2018`, `2018-07..2019-06` or `2018-03-15..2018-10-01`; both ends are included.

        Raises:
            TimeError: the text is none of these.
        """
        first, dots, last = text.strip().partition("..")
        return cls(_bounds(first, text)[0], _bounds(last if dots else first, text)[1])

    def __str__(self) -> str:
        """`2018-01-01..2018-12-31`."""
        return f"{self.start}..{self.end - np.timedelta64(1, 'D')}"


def as_period(value: Period | str | int | None) -> Period | None:
    """Take a period in any of its forms; a number is a calendar year."""
    if value is None or isinstance(value, Period):
        return value
    return Period.of_year(value) if isinstance(value, int) else Period.parse(value)


def interval_edges(first: np.datetime64, last: np.datetime64, every: Every) -> NDArray[np.datetime64]:
    """Edges (K + 1,) of the calendar intervals that cover the days `first`..`last` (both included).

    Raises:
        TimeError: `every` is unknown.
    """
    month, stop = first.astype("datetime64[M]"), last.astype("datetime64[M]") + 1
    if every == "dekad":
        months = np.arange(month, stop)
        days = months.astype("datetime64[D]")[:, None] + np.array([0, 10, 20])  # 1st, 11th, 21st
        edges = np.append(days.ravel(), stop.astype("datetime64[D]"))
        return edges[
            max(int(np.searchsorted(edges, first, side="right")) - 1, 0) : int(
                np.searchsorted(edges, last, side="right")
            )
            + 1
        ]
    if every == "month":
        return np.asarray(np.arange(month, stop + 1).astype("datetime64[D]"))
    if every == "quarter":
        quarter = month - (month.astype(int) % 3)
        count = -(-int((stop - quarter).astype(int)) // 3)
        return np.asarray((quarter + 3 * np.arange(count + 1)).astype("datetime64[D]"))
    if every == "year":
        return np.asarray(
            np.arange(first.astype("datetime64[Y]"), last.astype("datetime64[Y]") + 2).astype("datetime64[D]")
        )
    raise TimeError(f"Unknown interval '{every}'; expected one of {', '.join(EVERY)}.")


def _check_year(year: int) -> None:
    first, last = YEARS
    if not first <= year <= last:
        raise TimeError(f"The year is {year}; expected {first} to {last}, in four digits such as 2018.")


def _bounds(text: str, whole: str) -> tuple[np.datetime64, np.datetime64]:
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise TimeError(
            f"Cannot read the period '{whole}'; expected a year (2018), months (2018-07..2019-06) or days "
            "(2018-03-15..2018-10-01)."
        )
    _check_year(int(match[1]))
    unit = "D" if match[3] else "M" if match[2] else "Y"
    try:
        first = np.datetime64(text.strip()).astype(f"datetime64[{unit}]")
    except ValueError as error:
        raise TimeError(f"'{text.strip()}' in the period '{whole}' is no date of the calendar.") from error
    return first.astype("datetime64[D]"), (first + 1).astype("datetime64[D]")
