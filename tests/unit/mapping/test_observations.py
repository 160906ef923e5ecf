from __future__ import annotations

from dataclasses import replace

import numpy as np

from timesenclip.eo.area import CubeInMemory
from timesenclip.errors import NoClearObservationError
from timesenclip.grid import Window
from timesenclip.mapping.observations import clear_count, read_composites, true_colour
from timesenclip.testing import random_cube


def test_observations_are_counted_and_composites_where_they_are_not() -> None:
    cube = random_cube((4, 6))
    assert np.array_equal(clear_count(cube), cube.valid.sum(axis=0))
    counted = replace(cube, observations=np.full(cube.valid.shape, 30_000, dtype=np.uint16))
    assert (clear_count(counted) == 65_535).all()  # six times 30,000 does not fit
    assert clear_count(counted).dtype == np.uint16


def test_true_colour_is_the_median_of_what_was_seen_and_0_elsewhere() -> None:
    cube = random_cube((4, 6), cloudy=0.0)
    cube.valid[:, 0, 0] = False
    cube.reflectance[:, :, 1, 1] = 0.0  # seen, and black
    colour = true_colour(cube)
    assert colour.shape == (4, 6, 3)
    assert (colour[0, 0] == 0).all()
    assert (colour[1, 1] == 1).all()
    red = np.median(cube.reflectance[:, 2, 3, 3])
    assert colour[3, 3, 0] == np.rint(np.sqrt(red) * 255)


def test_a_window_without_observations_is_none() -> None:
    source = CubeInMemory(random_cube((4, 6)))
    read = read_composites(source, Window(0, 2, 0, 3), None, "month")
    assert read is not None
    assert read.shape == (2, 3)

    class Clouded(CubeInMemory):
        def read(self, *_: object, **__: object):
            raise NoClearObservationError("nothing but cloud")

    assert read_composites(Clouded(source.cube), Window(0, 2, 0, 3), None, "month") is None


def test_outlying_composites_count_as_not_seen() -> None:
    cube = random_cube((4, 6), dates=12, cloudy=0.0)
    field = np.array([0.04, 0.07, 0.05, 0.1, 0.25, 0.32, 0.34, 0.36, 0.2, 0.11], dtype=np.float32)
    values = np.broadcast_to(field[:, None, None], cube.reflectance.shape).copy()
    values[3, :, 1, 2] = 0.6
    cube = replace(cube, reflectance=values)
    source = CubeInMemory(cube)
    read = read_composites(source, Window(0, 4, 0, 6), None, "month")
    kept = read_composites(source, Window(0, 4, 0, 6), None, "month", "keep")
    assert read is not None
    assert kept is not None
    assert clear_count(read)[1, 2] == 11
    assert (clear_count(kept) == 12).all()
    assert (~read.valid).sum() == 1
