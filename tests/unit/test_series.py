"""Series: the calendar of their steps, and joining."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.errors import InputError
from timesenclip.series import PixelSeries, concatenate
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


def monthly(n: int, steps: int = 12, *, side: int = 0) -> PixelSeries:
    shape = (n, steps, 10) + ((side, side) if side else ())
    values = np.random.default_rng(n).uniform(0.1, 0.5, shape).astype(np.float32)
    return PixelSeries.from_monthly(values, year=2021, provenance={"source": f"{n} points"})


def test_joined_series_keep_their_values_and_say_where_each_came_from() -> None:
    one, other = monthly(2), monthly(3)
    both = concatenate([one, other])
    assert np.array_equal(both.reflectance, np.concatenate([one.reflectance, other.reflectance]))
    assert both.sample_id == ("0", "1", "0", "1", "2")
    assert both.provenance == {"joined": [{"source": "2 points"}, {"source": "3 points"}]}
    assert concatenate([one, other], provenance={"source": "both"}).provenance == {"source": "both"}


def test_one_part_is_returned_as_it_is() -> None:
    one = monthly(2)
    assert concatenate([one]) is one
    assert concatenate([one], provenance={"source": "a"}).provenance == {"source": "a"}


def test_shorter_series_end_in_missing_steps() -> None:
    both = concatenate([monthly(2), monthly(1, 5)])
    assert both.valid[2].tolist() == [True] * 5 + [False] * 7
    assert not both.reflectance[2, 5:].any()


def test_what_does_not_fit_is_refused() -> None:
    for parts in ([], [monthly(1), monthly(1, side=3)]):
        with pytest.raises(InputError, match="Cannot join series"):
            concatenate(parts)
