from __future__ import annotations

import numpy as np
import pytest

from timesenclip.eo.period import Every, Period, as_period, interval_edges
from timesenclip.errors import TimeError


def test_dekads_are_those_of_the_calendar() -> None:
    edges = interval_edges(np.datetime64("2021-02-05"), np.datetime64("2021-03-12"), "dekad")
    assert edges.astype(str).tolist() == [
        "2021-02-01",
        "2021-02-11",
        "2021-02-21",
        "2021-03-01",
        "2021-03-11",
        "2021-03-21",
    ]


def test_periods_are_read_and_refused() -> None:
    assert str(Period.parse("2018")) == "2018-01-01..2018-12-31"
    assert str(Period.parse("2018-07..2019-06")) == "2018-07-01..2019-06-30"
    assert str(Period.parse("2018-03-15..2018-10-01")) == "2018-03-15..2018-10-01"
    for text in ("18", "2018-13", "2018-07..", "..2018", "soon", "2018-02-30"):
        with pytest.raises(TimeError):
            Period.parse(text)
    with pytest.raises(TimeError, match=r"last day 2018-12-31\) before it starts \(2019-01-01\)"):
        Period.parse("2019..2018")


@pytest.mark.parametrize(
    ("every", "first", "count"),
    [("month", "2021-11-01", 5), ("quarter", "2021-10-01", 2), ("year", "2021-01-01", 2), ("dekad", "2021-11-11", 12)],
)
def test_intervals_cover_the_days_and_no_more(every: Every, first: str, count: int) -> None:
    edges = interval_edges(np.datetime64("2021-11-15"), np.datetime64("2022-03-05"), every)
    assert str(edges[0]) == first
    assert len(edges) - 1 == count
    assert edges[0] <= np.datetime64("2021-11-15") < edges[1]
    assert edges[-2] <= np.datetime64("2022-03-05") < edges[-1]


def test_an_unknown_interval_is_refused() -> None:
    with pytest.raises(TimeError, match="Unknown interval 'week'; expected one of month, quarter"):
        interval_edges(np.datetime64("2021-01-01"), np.datetime64("2021-02-01"), "week")  # type: ignore[arg-type]


def test_a_period_is_taken_in_any_form() -> None:
    year = Period.of_year(2021)
    assert as_period(2021) == as_period("2021") == as_period(year) == as_period("2021-01..2021-12") == year
    assert as_period(None) is None
