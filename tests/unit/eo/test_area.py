from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.area import (
    CubeInMemory,
    block_windows,
    checked_window,
    composite_of_window,
    days_of_window,
    read_blocks,
)
from timesenclip.eo.composite import DayStack, describe_composite, intervals_of_days
from timesenclip.errors import InputError
from timesenclip.grid import Window, window_transform
from timesenclip.series import Cube
from timesenclip.testing import random_cube

ROTATED = Affine(9.0, 2.0, 500_000.0, 1.0, -8.0, 5_600_000.0)


@pytest.fixture
def source() -> CubeInMemory:
    rng = np.random.default_rng(0)
    start = np.array(["2018-01-01", "2018-02-01"], dtype="datetime64[D]")
    return CubeInMemory(
        Cube(
            reflectance=rng.random((2, 10, 5, 7), dtype=np.float32),
            valid=np.ones((2, 5, 7), dtype=np.bool_),
            start=start,
            end=start + np.timedelta64(28, "D"),
            crs="EPSG:32631",
            transform=ROTATED,
            observations=rng.integers(1, 9, (2, 5, 7)).astype(np.uint16),
        )
    )


@pytest.mark.parametrize(("shape", "block"), [((5, 7), 2), ((4, 4), 4), ((1, 9), 16)])
def test_blocks_cover_every_pixel_once(shape, block):
    count = np.zeros(shape, dtype=int)
    for top, bottom, left, right in block_windows(shape, block):
        assert 0 < bottom - top <= block
        assert 0 < right - left <= block
        count[top:bottom, left:right] += 1
    assert (count == 1).all()


def test_blocks_of_a_source_are_its_windows_put_together(source):
    whole = source.read()
    together = np.zeros_like(whole.reflectance)
    seen = np.zeros(whole.shape, dtype=np.uint16)
    for (top, bottom, left, right), piece in read_blocks(source, 3, period=None, every=None, mask=False):
        together[:, :, top:bottom, left:right] = piece.reflectance
        seen[top:bottom, left:right] = piece.observations[0]
        assert piece.shape == (bottom - top, right - left)
    np.testing.assert_array_equal(together, whole.reflectance)
    np.testing.assert_array_equal(seen, whole.observations[0])


def test_a_block_has_at_least_one_pixel(source):
    with pytest.raises(InputError, match="A block of 0 pixels; expected 1 or more"):
        list(read_blocks(source, 0, period=None, every=None, mask=False))


def test_no_window_is_all_of_the_area(source):
    assert checked_window(source, None) == (0, 5, 0, 7)
    assert checked_window(source, (1, 2, 3, 7)) == (1, 2, 3, 7)


@pytest.mark.parametrize("window", [(0, 6, 0, 7), (0, 5, 0, 8), (-1, 2, 0, 3), (2, 2, 0, 3), (0, 3, 4, 3)])
def test_a_window_lies_inside_the_area(source, window):
    with pytest.raises(InputError, match="not inside the 5 x 7 pixels of cube in memory"):
        checked_window(source, window)


def test_the_affine_of_a_window_gives_its_pixels_the_same_places(source):
    a, b, c, d, e, f = ROTATED[:6]
    row, column = 3, 2
    window = window_transform(ROTATED, Window(row, 5, column, 7))
    assert window == Affine(a, b, a * column + b * row + c, d, e, d * column + e * row + f)
    np.testing.assert_array_equal(
        source.read((row, 5, column, 7)).pixel_series().lon_deg,
        source.read().pixel_series().lon_deg.reshape(5, 7)[row:, column:].ravel(),
    )


def test_days_and_composites_of_a_window_have_its_place(source):
    window = Window(1, 4, 2, 7)
    dates = np.array(["2018-01-05", "2018-03-05"], dtype="datetime64[D]")
    stack = DayStack(np.full((2, 10, 3, 5), 2500, dtype=np.uint16), np.ones((2, 3, 5), dtype=bool), dates)
    days = days_of_window(source, window, stack)
    assert days.transform == window_transform(ROTATED, window)
    assert (days.reflectance == np.float32(0.25)).all()
    assert (days.end - days.start == 1).all()
    edges, _ = intervals_of_days(dates, every="month", period=None)
    months = composite_of_window(source, window, [stack], edges=edges, every="month", period=None)
    assert months.transform == days.transform
    assert months.valid[:, 0, 0].tolist() == [True, False, True]
    assert (months.reflectance[[0, 2]] == np.float32(0.25)).all()
    assert months.provenance == {"composite": describe_composite("month", None)}


def test_a_cube_in_memory_tells_its_bands_and_gives_them_by_window():
    whole = random_cube((6, 8), cloudy=0)
    bands = np.ones(whole.reflectance.shape, dtype=bool)
    bands[:, 8:] = False
    bands[0, 2, 3:] = False
    area = CubeInMemory(replace(whole, band_valid=bands))
    assert area.bands_there() == BAND_NAMES[:8]
    part = area.read((2, 5, 1, 4))
    np.testing.assert_array_equal(part.band_valid, bands[:, :, 2:5, 1:4])
    assert CubeInMemory(whole).bands_there() == BAND_NAMES


def test_days_and_composites_of_a_window_know_their_bands(source):
    window = Window(1, 4, 2, 7)
    dates = np.array(["2018-01-05", "2018-03-05"], dtype="datetime64[D]")
    bands = np.ones((2, 10, 3, 5), dtype=bool)
    bands[0, 4] = False
    stack = DayStack(np.full((2, 10, 3, 5), 2500, dtype=np.uint16), np.ones((2, 3, 5), dtype=bool), dates, bands)
    days = days_of_window(source, window, stack)
    assert days.band_valid is bands
    edges, _ = intervals_of_days(dates, every="month", period=None)
    months = composite_of_window(source, window, [stack], edges=edges, every="month", period=None)
    assert months.band_valid[:, 4, 0, 0].tolist() == [False, False, True]
    assert months.reflectance[0, 4].max() == 0
