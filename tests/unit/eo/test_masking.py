from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from timesenclip.eo.masking import DROPPED_SCL, clear_mask
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
