"""Pixel series and cubes: what they refuse, their calendar, and how they are cut and joined."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from timesenclip.errors import InputError, TimeError, UnitsError
from timesenclip.series import PixelSeries, calendar_intervals, concatenate, year_fraction
from timesenclip.testing import random_cube, random_series


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


def test_lon_lat_are_those_of_pixel_centres() -> None:
    cube = random_cube((4, 6))
    series = cube.pixel_series()
    lon, lat = Transformer.from_crs(32631, 4326, always_xy=True).transform(500_000 + 15, 5_600_000 - 5)
    assert (series.lon_deg[1], series.lat_deg[1]) == pytest.approx((lon, lat))


def test_positions_in_the_calendar() -> None:
    dates = np.array(["2021-01-01", "2021-07-02", "2020-12-31"], dtype="datetime64[D]")
    assert year_fraction(dates).tolist() == pytest.approx([0.0, 182 / 365, 365 / 366])
    found = calendar_intervals(dates, dates + np.timedelta64(31, "D"))
    assert found.shape == (3, 2)
    assert np.allclose(found[:, 1] - found[:, 0], 31 / 365.25, atol=1e-6)
    assert found[2, 1] > 1  # across New Year


def test_months_with_nan_are_missing() -> None:
    values = np.full((2, 12, 10), 0.2, dtype=np.float32)
    values[1, 3, 5] = np.nan
    series = PixelSeries.from_monthly(values, year=2020)
    assert np.argwhere(~series.valid).tolist() == [[1, 3]]
    assert not series.reflectance[1, 3].any()
    assert (str(series.start[0, 1]), str(series.end[0, 1])) == ("2020-02-01", "2020-03-01")
    assert series.calendar().shape == (2, 12, 2)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"reflectance": np.zeros((3, 12, 9), np.float32)}, InputError, "expected \\(N, T, 10\\)"),
        ({"valid": np.ones((3, 11), bool)}, InputError, "`valid` has shape \\(3, 11\\); expected \\(3, 12\\)"),
        ({"sample_id": ("a",)}, InputError, "`sample_id` has 1 entries for 3 series"),
        ({"reflectance": np.full((3, 12, 10), np.nan, np.float32)}, InputError, "NaN or infinity"),
        ({"reflectance": np.full((3, 12, 10), 2500.0, np.float32)}, UnitsError, "look like digital numbers"),
        ({"end": monthly(3).start}, TimeError, "ends before it starts"),
    ],
)
def test_series_that_cannot_be_are_refused(change: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        replace(monthly(3), **change)


def test_a_part_of_the_series_keeps_its_order() -> None:
    series = monthly(4)
    part = series.take(np.array([2, 0]))
    assert part.sample_id == ("2", "0")
    assert np.array_equal(part.reflectance, series.reflectance[[2, 0]])
    assert series.take(slice(1, 3)).sample_id == ("1", "2")
    assert len(series.take(np.array([True, False, False, True]))) == 2


def test_a_cube_takes_six_numbers_for_its_transform() -> None:
    cube = random_cube((4, 6))
    numbers = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0)
    again = replace(cube, transform=numbers)
    assert again.transform == cube.transform == Affine(*numbers)
    assert np.array_equal(again.pixel_series().lon_deg, cube.pixel_series().lon_deg)


def test_cubes_that_cannot_be_are_refused() -> None:
    cube = random_cube((4, 6))
    with pytest.raises(InputError, match="expected \\(T, 10, Y, X\\)"):
        replace(cube, reflectance=cube.reflectance[:, :9])
    with pytest.raises(InputError, match="`valid` has shape"):
        replace(cube, valid=cube.valid[:, :3])
    with pytest.raises(InputError, match="`start` and `end`"):
        replace(cube, start=cube.start[:2])
    with pytest.raises(InputError, match="`observations` has shape"):
        replace(cube, observations=np.ones((1, 4, 6), np.uint16))


def test_pixels_of_a_cube_come_row_by_row() -> None:
    cube = random_cube((4, 6))
    series = cube.pixel_series()
    assert len(series) == 24
    assert np.array_equal(series.reflectance[7], cube.reflectance[:, :, 1, 1])
    assert np.array_equal(series.valid[7], cube.valid[:, 1, 1])


def test_a_mask_by_band_goes_with_its_series() -> None:
    series = monthly(4)
    assert np.array_equal(series.bands_seen(), np.repeat(series.valid[..., None], 10, axis=2))
    mask = np.ones((4, series.steps, 10), dtype=np.bool_)
    mask[:, :, 3] = False
    partial = replace(series, band_valid=mask)
    assert not partial.take(slice(1, 3)).bands_seen()[..., 3].any()
    both = concatenate([series, partial])
    assert both.band_valid is not None
    assert np.array_equal(both.bands_seen(), np.concatenate([series.bands_seen(), partial.bands_seen()]))
    with pytest.raises(InputError, match="band_valid"):
        replace(series, band_valid=mask[:, :, :4])
    with pytest.raises(InputError, match="no band"):
        replace(series, band_valid=np.zeros_like(mask))
