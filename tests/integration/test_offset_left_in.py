"""A cube with the offset of baseline 04.00 left in: every way to work on an area says so once, before it begins."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import DegradedInputWarning
from timesenclip.mapping.change import change_stores
from timesenclip.mapping.embed_area import embed_area
from timesenclip.mapping.map_area import map_cube
from timesenclip.model.checkpoint import Model, load
from timesenclip.testing import random_cube, write_netcdf_cube

PHRASES = ["maize", "water"]
LEFT_IN = "offset of 1000 DN"


@pytest.fixture(scope="module")
def model() -> Model:
    return load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of monthly dates whose DN are all 1000 too high, 32 x 32 pixels."""
    cube = random_cube((32, 32), cloudy=0.0)
    high = replace(cube, reflectance=cube.reflectance + np.float32(0.1))
    return write_netcdf_cube(high, tmp_path_factory.mktemp("high") / "cube")


@pytest.fixture(scope="module")
def jump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three dates before 25 January 2022, and three after it, whose DN are 1000 too high."""
    cube = random_cube((32, 32), cloudy=0.0)
    dates = np.array(
        ["2021-10-05", "2021-11-05", "2021-12-05", "2022-02-05", "2022-03-05", "2022-04-05"], dtype="datetime64[D]"
    )
    reflectance = cube.reflectance.copy()
    reflectance[3:] += np.float32(0.1)
    late = replace(cube, start=dates, end=dates + 1, reflectance=reflectance)
    return write_netcdf_cube(late, tmp_path_factory.mktemp("jump") / "cube")


def said(work: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        work()
    return [str(one.message) for one in given if issubclass(one.category, DegradedInputWarning)]


@pytest.mark.parametrize("where", [{"workers": 1}, {"workers": 4}, {"dask": "local:1"}], ids=str)
def test_embedding_says_it_once_not_once_a_block(folder: Path, model: Model, tmp_path: Path, where: Any) -> None:
    source = open_cube(folder)
    texts = said(lambda: embed_area(source, tmp_path / "store.zarr", model=model, block=16, **where))
    assert len(texts) == 1
    assert LEFT_IN in texts[0]


def test_a_map_says_it_once(folder: Path, model: Model, tmp_path: Path) -> None:
    texts = said(lambda: map_cube(open_cube(folder), PHRASES, out=tmp_path, model=model, block=16))
    assert len(texts) == 1
    assert LEFT_IN in texts[0]


def test_change_says_it_once_for_each_cube_before_anything_is_written(folder, model, tmp_path: Path) -> None:
    store = embed_area(open_cube(folder, offset_dn=0), tmp_path / "store.zarr", model=model, block=16).store
    cubes = open_cube(folder), open_cube(folder)
    texts = said(lambda: change_stores(store, store, out=tmp_path / "change", cubes=cubes))
    assert [LEFT_IN in text for text in texts] == [True, True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DegradedInputWarning, match=LEFT_IN):
            change_stores(store, store, out=tmp_path / "strict", cubes=(open_cube(folder), open_cube(folder)))
    assert not (tmp_path / "strict").exists()


@pytest.mark.parametrize("command", ["map", "embed-area"])
def test_strict_stops_the_commands_before_any_work(run, folder: Path, tmp_path: Path, command: str) -> None:
    phrases = ["--prompt", "maize"] if command == "map" else []
    result = run(command, folder, "--strict", "-o", tmp_path / "out.zarr", *phrases)
    assert result.exit_code == 2
    assert result.stderr.count(LEFT_IN) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_notices_the_jump_of_january_2022(run, jump: Path, tmp_path: Path) -> None:
    result = run("map", jump, "--strict", "-o", tmp_path / "map", "--prompt", "maize")
    assert result.exit_code == 2
    assert "on 2022-01-25" in result.stderr
    said_so = run("embed-area", jump, "--dry-run", "--json", "-o", tmp_path / "store.zarr")
    assert said_so.exit_code == 0
    assert said_so.stderr.count("on 2022-01-25") == 1
    assert json.loads(said_so.stdout)["pixels"] == 1024
    silent = run("embed-area", jump, "--dry-run", "--offset-dn", "0", "--strict", "-o", tmp_path / "store.zarr")
    assert silent.exit_code == 0, silent.stderr
