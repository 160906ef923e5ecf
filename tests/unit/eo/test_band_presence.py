from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES, BAND_SETS
from timesenclip.eo.band_presence import (
    SeenBands,
    absent_bands,
    bands_of_cube,
    bands_with_one_mask,
    compact,
    darkest,
    describe_bands,
    mask_of_bands,
    require_any_band,
)
from timesenclip.errors import BandError
from timesenclip.testing import random_cube

SHAPE = (3, 10, 4, 5)
RNG = np.random.default_rng(0)


def test_one_known_band_is_enough() -> None:
    require_any_band(["SCL", "B02"], source_name="cube")
    with pytest.raises(BandError, match="cube has no known band; expected at least one of B02, B03"):
        require_any_band(["SCL", "B01"], source_name="cube")


def test_bands_are_described_for_people() -> None:
    assert describe_bands(BAND_NAMES) == "all 10"
    assert describe_bands(BAND_SETS["10m"]) == "B02, B03, B04, B08 (without B05, B06, B07, B8A, B11, B12)"
    assert absent_bands(BAND_NAMES[:-2]) == ("B11", "B12")


def test_a_mask_of_a_sensor_takes_no_memory() -> None:
    assert mask_of_bands(BAND_NAMES, SHAPE) is None
    mask = mask_of_bands(("B03",), SHAPE)
    assert mask is not None
    assert mask.shape == SHAPE
    assert mask.strides == (0, mask.strides[1], 0, 0)
    assert np.array_equal(np.flatnonzero(mask[0, :, 0, 0]), [1])


def test_the_smallest_mask_that_says_the_same() -> None:
    valid = RNG.random((3, 4, 5)) < 0.5
    assert compact(valid, None) is None
    everywhere = np.repeat(valid[:, None], 10, axis=1)
    assert compact(valid, everywhere) is None
    assert compact(valid & False, everywhere) is None
    sensor = everywhere.copy()
    sensor[:, 3:6] = False
    found = compact(valid, sensor)
    assert found is not None
    assert found.strides[0] == found.strides[2] == found.strides[3] == 0
    assert np.array_equal(found & valid[:, None], sensor)
    once = everywhere.copy()
    once[(0, 7, *np.argwhere(valid[0])[0])] = False
    assert compact(valid, once) is once
    once[:, :, ~valid.any(axis=0)] = True  # what a mask says where nothing is valid does not count
    assert compact(valid, everywhere | ~valid[:, None]) is None


def test_bands_are_collected_with_one_mask_as_long_as_they_agree() -> None:
    first, second = RNG.random((3, 4, 5)) < 0.5, RNG.random((3, 4, 5)) < 0.5
    agree = SeenBands(SHAPE)
    for band in range(10):
        agree.add(band, first.copy())
    assert agree.mask() is None
    assert np.array_equal(agree.any(), first)
    few = SeenBands(SHAPE)
    few.add(2, first)
    few.add(4, first)
    mask = few.mask()
    assert mask is not None
    assert np.array_equal(np.flatnonzero(mask[0, :, 0, 0]), [2, 4])
    few.add(9, second)
    mask = few.mask()
    assert mask is not None
    assert np.array_equal(mask[:, 2], first)
    assert np.array_equal(mask[:, 4], first)
    assert np.array_equal(mask[:, 9], second)
    assert not mask[:, [0, 1, 3, 5, 6, 7, 8]].any()
    assert np.array_equal(few.any(), first | second)


def test_bands_of_one_mask_go_together_and_those_never_seen_are_left_out() -> None:
    valid = np.ones((3, 4, 5), dtype=bool)
    bands = np.ones(SHAPE, dtype=bool)
    bands[1, [3, 4]] = False
    bands[:, 9] = False
    found = list(bands_with_one_mask(valid, bands))
    assert [members for members, _ in found] == [[0, 1, 2, 5, 6, 7, 8], [3, 4]]
    assert np.array_equal(found[1][1], bands[:, 3])


def test_a_cube_tells_its_bands_and_its_darkest_one() -> None:
    cube = random_cube(cloudy=0)
    assert bands_of_cube(cube) == BAND_NAMES
    assert np.array_equal(darkest(cube), cube.reflectance.min(axis=1))
    mask = mask_of_bands(BAND_SETS["10m"], cube.reflectance.shape)
    assert mask is not None
    part = replace(cube, reflectance=cube.reflectance * mask, band_valid=mask)
    assert bands_of_cube(part) == BAND_SETS["10m"]
    assert np.array_equal(darkest(part), cube.reflectance[:, [0, 1, 2, 6]].min(axis=1))
    assert bands_of_cube(replace(part, valid=part.valid & False)) == BAND_NAMES
