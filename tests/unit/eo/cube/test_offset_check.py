"""The offset of baseline 04.00 is looked for where a cube is read, and said once."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.eo.area import read_blocks
from timesenclip.eo.cube.open import open_cube, read_cube
from timesenclip.eo.cube.source import CubeSource
from timesenclip.errors import DegradedInputWarning
from timesenclip.series import Cube
from timesenclip.testing import random_cube, write_netcdf_cube

LEFT_IN = "offset of 1000 DN of baseline 04.00 may still be in the data"
RISES = "rises by 0.1.* on 2022-01-25"


def with_offset(cube: Cube, late: slice = slice(None)) -> Cube:
    """The cube as ESA writes it: 1000 DN more on some of its dates."""
    reflectance = cube.reflectance.copy()
    reflectance[late] += np.float32(0.1)
    return replace(cube, reflectance=reflectance * cube.valid[:, None])


def across_the_jump(cube: Cube) -> Cube:
    """The cube with three dates before 25 January 2022 and three after it, the latter with the offset."""
    dates = np.array(
        ["2021-10-05", "2021-11-05", "2021-12-05", "2022-02-05", "2022-03-05", "2022-04-05"], dtype="datetime64[D]"
    )
    return with_offset(replace(cube, start=dates, end=dates + 1), slice(3, None))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_netcdf_cube(with_offset(random_cube((32, 48))), tmp_path / "cube")


def said(work: Callable[[], Any]) -> list[str]:
    """Texts of the warnings that some work gives, however often the same one."""
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        work()
    return [str(one.message) for one in given if issubclass(one.category, DegradedInputWarning)]


@pytest.mark.parametrize("how", [{}, {"every": None}, {"every": "year"}, {"window": (0, 16, 0, 16)}, {"mask": False}])
def test_reading_says_it_once(folder: Path, how: dict[str, Any]) -> None:
    source = open_cube(folder)
    first = said(lambda: source.read(**how))
    assert len(first) == 1
    assert LEFT_IN in first[0]
    assert str(folder) in first[0]
    assert said(lambda: (source.read(**how), source.read(period=2021), list(read_blocks(source, 16)))) == []
    assert len(said(lambda: read_cube(folder, **how))) == 1


def test_blocks_in_threads_say_it_once(folder: Path) -> None:
    source = open_cube(folder)
    boxes = [(row, row + 8, column, column + 8) for row in range(0, 32, 8) for column in range(0, 48, 8)]

    def work() -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(source.read, boxes))

    assert len(said(work)) == 1


def test_a_pickled_copy_knows_what_was_said(folder: Path) -> None:
    source = open_cube(folder)
    assert len(said(source.check_offset)) == 1
    copy = pickle.loads(pickle.dumps(source))
    assert said(copy.read) == []
    assert copy.identity == source.identity
    assert np.array_equal(copy.read().reflectance, source.read().reflectance)


@pytest.mark.parametrize(
    "stated", [{"offset_dn": 0}, {"offset_dn": 1000}, {"provider": "cdse", "baseline": "05.00"}], ids=str
)
def test_a_stated_offset_is_believed(folder: Path, stated: dict[str, Any]) -> None:
    source = open_cube(folder, **stated)
    assert said(lambda: (source.check_offset(), source.read())) == []


def test_a_clean_cube_is_silent_and_read_alike(tmp_path: Path) -> None:
    folder = write_netcdf_cube(random_cube((32, 48)), tmp_path / "cube")
    checked, stated = open_cube(folder), open_cube(folder, offset_dn=0)
    assert said(checked.check_offset) == []
    for every in ("month", None):
        one, other = checked.read(every=every), stated.read(every=every)
        assert np.array_equal(one.reflectance, other.reflectance)
        assert np.array_equal(one.valid, other.valid)
        assert one.provenance == other.provenance


def test_the_jump_of_january_2022_is_found_before_work_begins(tmp_path: Path) -> None:
    source = open_cube(write_netcdf_cube(across_the_jump(random_cube((32, 48))), tmp_path / "cube"))
    assert said(lambda: source.check_offset("2021-10..2021-12")) == []
    with pytest.warns(DegradedInputWarning, match=RISES):
        source.check_offset()
    assert said(source.read) == []


def test_another_period_is_looked_at_too(tmp_path: Path) -> None:
    source = open_cube(write_netcdf_cube(across_the_jump(random_cube((32, 48))), tmp_path / "cube"))
    assert said(lambda: source.read(period=2021)) == []
    assert LEFT_IN in said(lambda: source.read(period=2022))[0]
    assert said(lambda: source.read(period="2022-02")) == []


def test_raised_as_an_error_it_is_raised_again(folder: Path) -> None:
    source = open_cube(folder)
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("error", DegradedInputWarning)
            with pytest.raises(DegradedInputWarning, match="offset"):
                source.check_offset()


class Watched:
    """A stack that counts the pixels of each window read."""

    def __init__(self, stack: Any, counts: list[int]) -> None:
        self.stack, self.counts = stack, counts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stack, name)

    def read(self, dates: Any, window: tuple[int, int, int, int]) -> Any:
        self.counts.append((window[1] - window[0]) * (window[3] - window[2]))
        return self.stack.read(dates, window)


def watched(source: CubeSource, counts: list[int]) -> CubeSource:
    return replace(
        source,
        layers={name: replace(one, stack=Watched(one.stack, counts)) for name, one in source.layers.items()},
    )


def test_the_look_is_small_and_made_once(tmp_path: Path) -> None:
    folder = write_netcdf_cube(random_cube((400, 300), dates=2), tmp_path / "cube")
    counts: list[int] = []
    source = watched(open_cube(folder, units="dn"), counts)
    source.check_offset()
    assert counts
    assert max(counts) <= 130 * 130  # 128 x 128 pixels; SCL, at 20 m, with a rim
    counts.clear()
    source.check_offset()
    assert counts == []
    stated = watched(open_cube(folder, offset_dn=0), counts)
    stated.check_offset()
    assert counts == []


def test_where_the_middle_was_never_seen_another_place_is_looked_at(tmp_path: Path) -> None:
    cube = with_offset(random_cube((300, 300), dates=2, cloudy=0.0))
    valid = cube.valid.copy()
    valid[:, 80:220, 80:220] = False
    hidden = replace(cube, valid=valid, reflectance=cube.reflectance * valid[:, None])
    source = open_cube(write_netcdf_cube(hidden, tmp_path / "cube"), dilate_px=0)
    with pytest.warns(DegradedInputWarning, match=LEFT_IN):
        source.check_offset()
