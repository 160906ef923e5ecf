from __future__ import annotations

import numpy as np
import pytest

from timesenclip.data.places import numbers_in, settle_lonlat
from timesenclip.errors import DegradedInputWarning, InputError


def test_numbers_are_found_in_whatever_form_they_are_stored() -> None:
    for value in (np.array([4.5, 50.8]), (4.5, 50.8), "POINT (4.5 50.8)", b"[4.5, 50.8]", np.array(["4.5", "50.8"])):
        assert numbers_in(value) == [4.5, 50.8]


def test_swapped_columns_are_exchanged_with_a_warning() -> None:
    lon, lat = np.array([24.0, 25.0, np.nan]), np.array([60.5, 61.0, np.nan])
    assert settle_lonlat(lon, lat, source_name="f")[2] is False
    with pytest.warns(DegradedInputWarning, match=r"f: longitude and latitude are swapped \(100% "):
        found = settle_lonlat(lat, lon, source_name="f")
    assert found[2] is True
    assert np.array_equal(found[0], lon, equal_nan=True)
    assert np.array_equal(found[1], lat, equal_nan=True)


def test_outside_europe_only_impossible_latitudes_are_exchanged() -> None:
    lon, lat = np.array([120.0, 10.0]), np.array([15.0, 20.0])
    assert settle_lonlat(lat[1:], lon[1:], source_name="f", european=False)[2] is False
    with pytest.warns(DegradedInputWarning):
        assert settle_lonlat(lat[:1], lon[:1], source_name="f", european=False)[0].tolist() == [120.0]


def test_metres_are_no_degrees_and_unknown_places_are_left_alone() -> None:
    with pytest.raises(InputError, match=r"f: coordinates such as \(4e\+06, 3e\+06\) are not degrees"):
        settle_lonlat(np.array([np.nan, 4e6]), np.array([np.nan, 3e6]), source_name="f")
    unknown = np.full(2, np.nan)
    assert settle_lonlat(unknown, unknown, source_name="f")[2] is False
