"""Series: the calendar of their steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from timesenclip.testing import random_series


def test_the_month_of_a_step_is_that_of_its_middle() -> None:
    series = random_series(1, year=2021)
    assert series.months()[0].tolist() == [51 * 12 + month for month in range(12)]
    start = np.array([["2020-12-20", "2020-12-01"]], "datetime64[D]")
    end = np.array([["2021-01-10", "2020-12-02"]], "datetime64[D]")  # the second is a single acquisition
    two = replace(series, reflectance=series.reflectance[:, :2], valid=series.valid[:, :2], start=start, end=end)
    assert (two.months() % 12).tolist() == [[11, 11]]
    later = replace(two, end=np.array([["2021-01-20", "2020-12-02"]], "datetime64[D]"))
    assert (later.months() % 12).tolist() == [[0, 11]]
