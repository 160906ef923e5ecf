from __future__ import annotations

import numpy as np
import pytest

from timesenclip.eo.period import Period, interval_edges
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
