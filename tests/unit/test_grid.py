"""Windows, transforms and grids."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from timesenclip.errors import GridError
from timesenclip.grid import (
    Grid,
    Window,
    as_affine,
    pixel_lonlat,
    pixel_xy,
    resolution_m,
    six_numbers,
    window_transform,
)

GRID = Grid(500_000.0, 5_600_000.0, 10.0, -10.0, (40, 60))
NUMBERS = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0)
ROTATED = Affine(9.0, 2.0, 500_000.0, 1.0, -8.0, 5_600_000.0)
EDGES = st.tuples(*[st.integers(-8, 8)] * 4)


def test_utm_pixels_are_what_they_say():
    assert resolution_m("EPSG:32631", Affine(10.0, 0.0, 399_960.0, 0.0, -10.0, 5_700_000.0), (10_980, 10_980)) == 10.0
    assert resolution_m("EPSG:3035", Affine(20.0, 0.0, 4_000_000.0, 0.0, -20.0, 3_000_000.0), (100, 100)) == 20.0


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:4326"])
def test_other_pixels_are_measured_on_the_ground(crs: str):
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(5.0, 51.0)
    step = 10.0 if crs == "EPSG:3857" else 1e-4
    corners = [(x, y), (x + step, y), (x + step, y - step), (x, y - step)]
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(*zip(*corners, strict=True))
    area = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0])
    assert resolution_m(crs, Affine(step, 0.0, x, 0.0, -step, y), (1, 1)) == pytest.approx(math.sqrt(area), rel=0.005)


@given(edges=EDGES, shape=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_the_part_of_a_window_inside_an_area_has_the_pixels_of_both(edges, shape):
    top, bottom, left, right = edges
    window = Window(min(top, bottom), max(top, bottom), min(left, right), max(left, right))
    part = window.inside(shape)
    found = np.zeros(shape, dtype=bool)
    found[part.slices] = True
    row, column = np.mgrid[: shape[0], : shape[1]]
    expected = (row >= window.row) & (row < window.row_end) & (column >= window.column) & (column < window.column_end)
    np.testing.assert_array_equal(found, expected)
    assert part.pixels == expected.sum()


def test_a_window_is_four_numbers_with_names():
    window = Window(2, 5, 3, 9)
    assert window == (2, 5, 3, 9)
    assert window.shape == (3, 6)
    assert window.pixels == 18
    assert window.ranges == ((2, 5), (3, 9))
    assert np.zeros((7, 10, 12))[..., *window.slices].shape == (7, 3, 6)
    assert window.shifted(-2, 1) == Window(0, 3, 4, 10)
    assert window.grown(2) == Window(0, 7, 1, 11)
    assert Window.whole((4, 5)) == Window(0, 4, 0, 5)
    assert {window: 1}[(2, 5, 3, 9)] == 1  # as a key, and as four plain numbers


def test_six_numbers_and_an_affine_are_the_same():
    assert as_affine(NUMBERS) == GRID.transform
    assert as_affine(GRID.transform) is GRID.transform or as_affine(GRID.transform) == GRID.transform
    assert six_numbers(as_affine(NUMBERS)) == NUMBERS
    assert as_affine(np.array(NUMBERS)) == GRID.transform
    with pytest.raises(GridError, match="A transform of 4 numbers; expected an Affine, or six"):
        as_affine(NUMBERS[:4])


def test_the_transform_of_a_window_gives_its_pixels_the_same_places():
    window = Window(3, 9, 4, 7)
    row, column = np.mgrid[0:6, 0:3] + 0.5
    x, y = pixel_xy(window_transform(ROTATED, window), column, row)
    expected_x, expected_y = pixel_xy(ROTATED, column + 4, row + 3)
    np.testing.assert_allclose(x, expected_x, rtol=0, atol=1e-6)
    np.testing.assert_allclose(y, expected_y, rtol=0, atol=1e-6)


def test_coordinates_have_the_bits_of_the_formula():
    a, b, c, d, e, f = six_numbers(ROTATED)
    row, column = np.mgrid[0:50, 0:50].reshape(2, -1) + 0.5
    x, y = pixel_xy(ROTATED, column, row)
    np.testing.assert_array_equal(x, a * column + b * row + c)
    np.testing.assert_array_equal(y, d * column + e * row + f)
    lon, lat = pixel_lonlat("EPSG:32631", ROTATED, (50, 50))
    expected = Transformer.from_crs(32631, 4326, always_xy=True).transform(x, y)
    np.testing.assert_array_equal((lon, lat), expected)
    with pytest.raises(GridError, match="Cannot understand the CRS 'EPSG:999999'"):
        pixel_lonlat("EPSG:999999", ROTATED, (2, 2))


def test_centres_of_a_window_are_those_of_its_transform():
    window = Window(5, 9, 30, 60)
    x, y = GRID.centres(window)
    assert x.shape == (30,)
    assert y.shape == (4,)
    at = window_transform(GRID.transform, window)
    np.testing.assert_array_equal(x, pixel_xy(at, np.arange(30) + 0.5, 0)[0])
    np.testing.assert_array_equal(y, pixel_xy(at, 0, np.arange(4) + 0.5)[1])


def test_a_grid_matches_only_the_same_pixels():
    assert GRID.matches(Grid(500_000.04, 5_600_000.0, 10.0, -10.0, (40, 60)))  # rounded in the file
    assert not GRID.matches(Grid(500_001.0, 5_600_000.0, 10.0, -10.0, (40, 60)))
    assert not GRID.matches(Grid(500_000.0, 5_600_000.0, 10.0, -10.0, (40, 61)))
    assert not GRID.matches(Grid(500_000.0, 5_600_000.0, 10.01, -10.0, (40, 60)))
    assert str(GRID) == "40 x 60 pixels of 10 from (500000, 5600000)"
