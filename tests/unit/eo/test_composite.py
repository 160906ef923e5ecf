from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from timesenclip.eo.composite import (
    DayStack,
    composite_cube,
    composite_days,
    composite_series,
    intervals_of_days,
    masked_median,
)
from timesenclip.eo.period import Period
from timesenclip.errors import TimeError
from timesenclip.series import PixelSeries
from timesenclip.testing import random_cube


@given(
    data=hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=st.floats(0, 1, width=32)),
    seed=st.integers(0, 99),
)
@settings(max_examples=100, deadline=None)
def test_median_equals_numpy(data: np.ndarray, seed: int) -> None:
    valid = np.random.default_rng(seed).random(data.shape) < 0.6
    found = masked_median(data, valid)
    for column in range(data.shape[1]):
        kept = data[valid[:, column], column]
        assert found[column] == pytest.approx(np.median(kept) if kept.size else 0.0, abs=1e-6)


def _daily(days: int = 400, seed: int = 0) -> PixelSeries:
    rng = np.random.default_rng(seed)
    n = 3
    start = np.sort(rng.choice(days, 60, replace=False)) + np.datetime64("2021-01-01")
    valid = rng.random((n, 60)) < 0.5
    reflectance = rng.uniform(0, 0.6, (n, 60, 10)).astype(np.float32) * valid[..., None]
    dates = np.broadcast_to(start, (n, 60))
    return PixelSeries(reflectance, valid, dates, dates + 1, ("a", "b", "c"), np.zeros(n), np.zeros(n))


@pytest.mark.parametrize(("every", "frequency"), [("month", "MS"), ("quarter", "QS"), ("year", "YS")])
def test_composite_equals_pandas(every: str, frequency: str) -> None:
    series = _daily()
    found = composite_series(series, every=every)  # type: ignore[arg-type]
    for i in range(len(series)):
        frame = pd.DataFrame(series.reflectance[i], index=pd.DatetimeIndex(series.start[i]))[series.valid[i]]
        expected = frame.resample(frequency).median()
        for k, first in enumerate(found.start[i]):
            there = pd.Timestamp(first) in expected.index and bool(expected.loc[pd.Timestamp(first)].notna().all())
            assert found.valid[i, k] == there
            if there:
                assert np.allclose(found.reflectance[i, k], expected.loc[pd.Timestamp(first)], atol=1e-6)
            else:
                assert (found.reflectance[i, k] == 0).all()  # missing stays missing


def test_composite_does_not_depend_on_the_order_of_dates() -> None:
    series = _daily()
    order = np.random.default_rng(1).permutation(series.steps)
    shuffled = PixelSeries(
        series.reflectance[:, order],
        series.valid[:, order],
        series.start[:, order],
        series.end[:, order],
        series.sample_id,
        series.lon_deg,
        series.lat_deg,
    )
    first, second = composite_series(series), composite_series(shuffled)
    assert np.array_equal(first.reflectance, second.reflectance)
    assert np.array_equal(first.valid, second.valid)


def test_cube_and_series_composites_agree() -> None:
    cube = random_cube((4, 6), dates=12)
    by_cube = composite_cube(cube).pixel_series()
    by_series = composite_series(cube.pixel_series())
    assert np.allclose(by_cube.reflectance, by_series.reflectance, atol=1e-7)
    assert np.array_equal(by_cube.valid, by_series.valid)


def test_a_season_may_cross_new_year() -> None:
    found = composite_series(_daily(), period="2021-07..2022-01")
    assert str(found.start[0, 0]) == "2021-07-01"
    assert str(found.end[0, -1]) == "2022-02-01"


def test_a_period_without_a_step_says_which_there_are() -> None:
    with pytest.raises(TimeError, match="run from 2021"):
        composite_series(_daily(), period=1999)


@pytest.mark.parametrize("as_dn", [True, False])
def test_days_may_come_in_one_stack_or_interval_by_interval(as_dn: bool) -> None:
    cube = random_cube((6, 8), dates=20, cloudy=0.4)
    values = np.rint(cube.reflectance * 10_000).astype(np.uint16) if as_dn else cube.reflectance
    edges, slot = intervals_of_days(cube.start, every="quarter", period=None)
    stacks = [DayStack(values[slot == k], cube.valid[slot == k], cube.start[slot == k]) for k in np.unique(slot)]
    one = composite_days([DayStack(values, cube.valid, cube.start)], edges, values.shape[1:])
    several = composite_days(iter(stacks), edges, values.shape[1:])
    expected = composite_cube(cube, every="quarter")
    for found in (one, several):
        assert np.array_equal(found.reflectance, expected.reflectance)
        assert np.array_equal(found.observations, expected.observations)
        assert np.array_equal(found.end, expected.end)
    assert np.array_equal(stacks[0].reflectance, cube.reflectance[slot == slot[0]])
    assert stacks[0].reflectance.dtype == np.float32


def test_intervals_without_days_are_missing() -> None:
    cube = random_cube((4, 4), dates=3, cloudy=0)  # 7 and 27 January, 16 February
    edges, slot = intervals_of_days(cube.start, every="month", period=Period.of_year(2021))
    found = composite_days([DayStack(cube.reflectance, cube.valid, cube.start)], edges, (10, 4, 4))
    assert slot.tolist() == [0, 0, 1]
    assert len(found.start) == 12
    assert found.observations[:, 0, 0].tolist() == [2, 1, *[0] * 10]
    assert not found.reflectance[2:].any()
    _, outside = intervals_of_days(cube.start, every="month", period=Period.parse("2021-02"))
    assert outside.tolist() == [-1, -1, 0]
    with pytest.raises(TimeError, match="has no step"):
        intervals_of_days(cube.start, every="month", period=Period.of_year(1999))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_the_median_of_a_band_is_that_of_the_steps_that_have_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, t = 4, 20
    band_valid, valid = rng.random((n, t, 10)) < 0.5, rng.random((n, t)) < 0.7
    valid &= band_valid.any(axis=2)
    reflectance = np.where(band_valid & valid[..., None], rng.random((n, t, 10)), 0).astype(np.float32)
    start = np.datetime64("2021-01-01") + np.sort(rng.choice(90, (n, t)), axis=1)
    series = PixelSeries(
        reflectance, valid, start, start + 1, tuple("abcd"), np.zeros(n), np.zeros(n), band_valid=band_valid
    )
    found = composite_series(series, every="month", period="2021-01..2021-03")
    assert found.band_valid is not None
    month = start.astype("datetime64[M]").astype(int) % 12
    for i, k, c in np.ndindex(n, 3, 10):
        use = (month[i] == k) & valid[i] & band_valid[i, :, c]
        assert found.bands_seen()[i, k, c] == use.any()
        assert np.isclose(found.reflectance[i, k, c], np.median(reflectance[i, use, c]) if use.any() else 0, atol=1e-6)
    assert np.array_equal(found.valid, found.bands_seen().any(axis=2))


@pytest.mark.parametrize("as_dn", [True, False])
def test_each_band_is_composited_over_the_dates_that_have_it(kernel: str, as_dn: bool) -> None:
    cube = random_cube((6, 8), dates=20, cloudy=0.4)
    values = np.rint(cube.reflectance * 10_000).astype(np.uint16) if as_dn else cube.reflectance
    bands = np.random.default_rng(1).random(values.shape) < 0.7
    bands[:, 9] = False  # a band that the sensor does not have
    bands[5:9, 3:6] = False
    bands[:, 0] |= ~bands.any(axis=1)
    edges, slot = intervals_of_days(cube.start, every="quarter", period=None)
    stacks = [
        DayStack(values[slot == k], cube.valid[slot == k], cube.start[slot == k], bands[slot == k])
        for k in np.unique(slot)
    ]
    one = composite_days([DayStack(values, cube.valid, cube.start, bands)], edges, values.shape[1:])
    several = composite_days(iter(stacks), edges, values.shape[1:])
    plain = composite_days([DayStack(values, cube.valid, cube.start)], edges, values.shape[1:])
    for found in (one, several):
        assert found.band_valid is not None
        assert np.array_equal(found.observations, plain.observations)
        for c in range(10):
            alone = composite_days([DayStack(values, cube.valid & bands[:, c], cube.start)], edges, values.shape[1:])
            assert np.array_equal(found.reflectance[:, c], alone.reflectance[:, c])
            seen = (found.observations > 0) & found.band_valid[:, c]
            assert np.array_equal(seen, alone.observations > 0)


def test_a_stack_that_lacks_bands_leaves_those_of_other_intervals_as_they_are() -> None:
    cube = random_cube((4, 4), dates=4, cloudy=0)  # two dates in January, one in February, one in March
    edges, slot = intervals_of_days(cube.start, every="month", period=None)
    lacking = np.ones((2, 10, 4, 4), dtype=bool)
    lacking[:, 3:6] = False
    stacks = [
        DayStack(cube.reflectance[:2], cube.valid[:2], cube.start[:2], lacking),
        DayStack(cube.reflectance[2:], cube.valid[2:], cube.start[2:]),
    ]
    found = composite_days(stacks, edges, (10, 4, 4))
    assert slot.tolist() == [0, 0, 1, 2]
    assert found.band_valid is not None
    assert found.band_valid[:, :, 0, 0].sum(axis=1).tolist() == [7, 10, 10]
    plain = composite_days([DayStack(cube.reflectance, cube.valid, cube.start)], edges, (10, 4, 4))
    assert np.array_equal(found.reflectance[1:], plain.reflectance[1:])
    assert not found.reflectance[0, 3:6].any()


def test_masks_that_hide_nothing_give_the_same_bits_and_no_mask() -> None:
    cube = random_cube((6, 8), dates=20, cloudy=0.4)
    told = replace(cube, band_valid=np.repeat(cube.valid[:, None], 10, axis=1))
    one, other = composite_cube(cube), composite_cube(told)
    assert other.band_valid is None
    assert np.array_equal(one.reflectance, other.reflectance)
    assert np.array_equal(one.valid, other.valid)
