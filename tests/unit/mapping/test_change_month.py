from __future__ import annotations

from dataclasses import replace

import numpy as np

from timesenclip.eo.area import CubeInMemory
from timesenclip.eo.composite import composite_cube
from timesenclip.mapping.change_month import month_of_change
from timesenclip.series import Cube
from timesenclip.testing import random_cube


def months() -> Cube:
    return composite_cube(random_cube((4, 6), cloudy=0.0), every="month")


def test_the_month_of_the_largest_difference_is_found() -> None:
    before = months()
    after = replace(before, reflectance=before.reflectance.copy())
    after.reflectance[1, :, 0, 0] += 0.1  # February
    after.reflectance[2, :, 0, 0] += 0.3  # March
    after.reflectance[3, 2, 1, 1] += 0.2  # one band is enough
    found = month_of_change(before, after)
    assert found[0, 0] == 3
    assert found[1, 1] == 4
    assert (np.delete(found.ravel(), [0, 7]) == 0).all()


def test_months_are_matched_by_the_calendar_of_any_year() -> None:
    before = months()
    later = replace(
        before,
        reflectance=before.reflectance + 0.1,
        start=before.start + np.timedelta64(365, "D"),
        end=before.end + np.timedelta64(365, "D"),
    )
    only_march = CubeInMemory(later).cube
    only_march.valid[[0, 1, 3]] = False
    assert (month_of_change(before, only_march) == 3).all()


def test_a_month_that_was_not_seen_in_both_does_not_count() -> None:
    before = months()
    after = replace(before, reflectance=before.reflectance + 0.2, valid=np.zeros_like(before.valid))
    assert (month_of_change(before, after) == 0).all()
