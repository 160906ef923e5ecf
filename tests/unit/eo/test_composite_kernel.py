from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from timesenclip.eo.composite import DayStack, composite_cube, composite_days, intervals_of_days
from timesenclip.eo.composite_kernel import compiled, medians, network
from timesenclip.testing import random_cube


def _median(stack: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    values = np.where(valid[:, None], stack.astype(np.float64), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN columns
        return np.nan_to_num(np.nanmedian(values, axis=0))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40))
def test_the_network_sorts_every_pattern_of_zeros_and_ones_that_is_tried(count: int) -> None:
    rng = np.random.default_rng(count)
    rows = rng.integers(0, 2, (200, count)) if count > 12 else ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    found = rows.copy()
    for a, b in network(count):
        found[:, a], found[:, b] = np.minimum(found[:, a], found[:, b]), np.maximum(found[:, a], found[:, b])
    assert np.array_equal(found, np.sort(rows, axis=1))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize(("dates", "pixels"), [(1, 5), (2, 600), (7, 1300), (31, 513)])
def test_medians_are_numpys(kernel: str, dtype: Any, dates: int, pixels: int) -> None:
    rng = np.random.default_rng(dates)
    stack = rng.integers(0 if dtype == np.uint16 else -500, 12_000, (dates, 3, pixels)).astype(dtype)
    valid = rng.random((dates, pixels)) < 0.6
    valid[:, 0] = False
    for rows in (np.arange(dates), np.sort(rng.choice(dates, max(1, dates // 2), replace=False))):
        found, count = medians(stack, valid, rows)
        assert np.array_equal(found, _median(stack[rows], valid[rows]))
        assert np.array_equal(count, valid[rows].sum(axis=0))
    turned = np.asfortranarray(stack)
    assert np.array_equal(medians(turned, valid)[0], medians(stack, valid)[0])


def test_no_date_at_all_is_missing(kernel: str) -> None:
    found, count = medians(np.ones((3, 2, 4), np.uint16), np.ones((3, 4), np.bool_), np.zeros(0, np.intp))
    assert not found.any()
    assert not count.any()


def test_more_dates_than_a_count_can_say_are_all_in_the_median() -> None:
    values = np.arange(70_001, dtype=np.float32)[:, None, None]  # (T, 1, 1); few enough values for NumPy's way
    found, count = medians(values, np.ones((70_001, 1), np.bool_))
    assert found[0, 0] == 35_000
    assert count[0] == 65_535


@pytest.mark.parametrize("every", ["dekad", "month", "quarter", "year"])
def test_whole_numbers_give_the_bits_of_reflectance(kernel: str, every: Any) -> None:
    cube = random_cube((20, 26), dates=30, cloudy=0.5)
    dn = np.rint(cube.reflectance * 10_000).astype(np.uint16)
    edges, _ = intervals_of_days(cube.start, every=every, period=None)
    found = composite_days([DayStack(dn, cube.valid, cube.start)], edges, dn.shape[1:])
    expected = composite_cube(cube, every=every)
    assert np.array_equal(found.reflectance, expected.reflectance)
    assert np.array_equal(found.observations, expected.observations)
    assert expected.observations is not None
    assert np.array_equal(expected.observations > 0, expected.valid)
    assert np.array_equal(found.start, expected.start)


def test_without_numba_numpy_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    assert compiled() is None
    stack = np.arange(9, dtype=np.uint16)[:, None, None] * np.ones((9, 1, 100_000), np.uint16)
    assert (medians(stack, np.ones((9, 100_000), np.bool_))[0] == 4).all()
    compiled.cache_clear()
