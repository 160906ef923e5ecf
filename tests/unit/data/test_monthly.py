"""Monthly medians of small arrays against NumPy's and torch's; tests/unit/data/test_sen4map.py does it with files."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from timesenclip.data.monthly import authors_months, clear_months
from timesenclip.eo.radiometry import MISSING_DN

CLEAR, CLOUD = 4, 9


def _place(
    dn: list[int], month: list[int], scl: list[int] | None = None
) -> tuple[list[NDArray[np.uint16]], list[NDArray[np.uint8]], list[NDArray[np.int64]]]:
    """One place of one pixel and two bands, the second with one DN more."""
    values = np.array(dn, dtype=np.uint16)[:, None, None, None] + np.array([0, 1], dtype=np.uint16)[:, None, None]
    classes = np.array(scl or [CLEAR] * len(dn), dtype=np.uint8)[:, None, None]
    return [values], [classes], [np.array(month)]


def test_a_month_is_the_median_of_its_clear_observations() -> None:
    dn, count = clear_months(
        *_place([100, 300, 200, 999, 50], [0, 0, 0, 0, 5], [CLEAR, CLEAR, CLEAR, CLOUD, CLEAR]), margin=0
    )
    assert dn.shape == (1, 12, 2, 1, 1)
    assert dn[0, [0, 5], :, 0, 0].tolist() == [[200, 201], [50, 51]]
    assert count[0].tolist() == [3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert (dn[0, 1:5] == MISSING_DN).all()


def test_halves_are_rounded_to_even_and_other_years_do_not_count() -> None:
    dn, count = clear_months(*_place([100, 101, 7], [3, 3, -1]), margin=0)
    assert dn[0, 3, :, 0, 0].tolist() == [100, 102]  # medians 100.5 and 101.5
    assert count.sum() == 2


def test_zero_in_all_bands_is_no_observation() -> None:
    values, scl, month = _place([100, 100], [2, 2])
    values[0][1] = 0
    dn, count = clear_months(values, scl, month, margin=0)
    assert dn[0, 2, :, 0, 0].tolist() == [100, 101]
    assert count[0, 2] == 1


def test_a_place_with_more_images_does_not_change_another() -> None:
    one, many = _place([100], [0]), _place([10, 20, 30], [0, 0, 1])
    both = clear_months(*(a + b for a, b in zip(one, many, strict=True)), margin=0)  # type: ignore[operator]
    for i, alone in enumerate((one, many)):
        dn, count = clear_months(*alone, margin=0)
        assert np.array_equal(both[0][i], dn[0])
        assert np.array_equal(both[1][i], count[0])


def test_a_cloud_in_the_margin_grows_into_the_patch() -> None:
    values, _, month = _place([100, 100], [0, 1])
    scl = np.full((2, 5, 5), CLEAR, dtype=np.uint8)
    scl[1, 2, 0] = CLOUD
    _, count = clear_months(values, [scl], month, margin=2)
    assert count[0, :2].tolist() == [1, 0]


def test_the_authors_take_the_lower_middle_masked_values_as_zero_and_add_one() -> None:
    dn, seen = authors_months(*_place([100, 200, 300, 400], [0, 0, 1, 1], [CLEAR, CLEAR, CLEAR, CLOUD]), margin=0)
    assert dn[0, 0, :, 0, 0].tolist() == [101, 102]  # of 100 and 200 the lower
    assert dn[0, 1, :, 0, 0].tolist() == [1, 1]  # of 0 (masked) and 300 the lower
    assert dn[0, 7, :, 0, 0].tolist() == [101, 102]  # an absent month: the year's, of 0, 100, 200, 300
    assert seen.all()


@pytest.mark.parametrize("composite", [clear_months, authors_months])
def test_a_place_without_images_of_the_year_is_missing(composite: object) -> None:
    dn, seen = composite(*_place([100], [-1]), margin=0)  # type: ignore[operator]
    assert (dn == MISSING_DN).all()
    assert not seen.any()
