from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from timesenclip.eo.masking import DROPPED_SCL, clear_mask, clear_where_seen, describe_mask
from timesenclip.errors import InputError

SCL = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 2), st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 11)
)


@given(scl=SCL, pixels=st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_dilation_equals_brute_force(scl: np.ndarray, pixels: int) -> None:
    found = clear_mask(scl, dilate_px=pixels)
    t, rows, columns = scl.shape
    for i, r, c in np.ndindex(t, rows, columns):
        around = scl[i, max(r - pixels, 0) : r + pixels + 1, max(c - pixels, 0) : c + pixels + 1]
        cloudy = np.isin(around, (3, 8, 9, 10)).any() or scl[i, r, c] in DROPPED_SCL
        assert found[i, r, c] == (not cloudy)


def test_what_is_no_scl_is_refused() -> None:
    with pytest.raises(InputError, match=r"0\.\.200"):
        clear_mask(np.array([[0, 200]]))


def test_snow_and_dark_areas_stay_and_dropped_classes_go() -> None:
    scl = np.arange(12).reshape(1, 12)
    assert np.flatnonzero(clear_mask(scl, dilate_px=0)[0]).tolist() == [2, 4, 5, 6, 7, 11]
    assert clear_mask(np.zeros((0, 4), np.uint8)).shape == (0, 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_a_file_does_not_hold_is_not_clear(dtype: type) -> None:
    values = np.full((3, 9, 9), 4, dtype=dtype)
    seen = np.ones(values.shape, dtype=bool)
    seen[0, 2, 2] = False
    values[1, 4, 4] = 9
    if dtype is np.float32:
        values[2, 6, 6] = np.nan
    found = clear_where_seen(values, seen, dilate_px=1)
    expected = np.ones(values.shape, dtype=bool)
    expected[0, 2, 2] = False
    expected[1, 3:6, 3:6] = False
    expected[2, 6, 6] = dtype is np.uint8
    assert np.array_equal(found, expected)


def test_the_mask_is_described() -> None:
    assert describe_mask(masked=False, dilate_px=1) == "none"
    assert describe_mask(masked=True, dilate_px=2) == "SCL without [0, 1, 3, 8, 9, 10], dilated by 2 pixel(s)"
