"""`change` with cubes: what is said of the pixels holds for both, and what has no effect is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from timesenclip.eo.cube.open import open_cube
from timesenclip.mapping.embed_area import embed_area
from timesenclip.model.checkpoint import load
from timesenclip.testing import random_cube, write_netcdf_cube

LEFT_IN = "offset of 1000 DN"
OPTIONS = [
    ["--provider", "cdse", "--baseline", "05.09"],
    ["--provider", "earth-search", "--collection", "sentinel-2-c1-l2a", "--baseline", "05.09"],
    ["--offset-dn", "1000"],
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two stores, and their cubes as ESA writes them, all DN 1000 too high; the second differs in one month."""
    place = tmp_path_factory.mktemp("change")
    first = random_cube((16, 16), cloudy=0.0, seed=1)
    later = first.reflectance.copy()
    later[3, :, :8] = np.random.default_rng(0).uniform(0.2, 0.5, later[3, :, :8].shape)
    stores, cubes = [], []
    for name, cube in (("a", first), ("b", replace(first, reflectance=later))):
        folder = write_netcdf_cube(replace(cube, reflectance=cube.reflectance + np.float32(0.1)), place / name)
        area = open_cube(folder, offset_dn=1000)
        stores.append(embed_area(area, place / f"{name}.zarr", model=load(), block=16, workers=1).store.path)
        cubes.append(folder)
    return ["change", *map(str, stores), "--cube-a", str(cubes[0]), "--cube-b", str(cubes[1])]


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_both_cubes_are_opened_with_the_options(run, world: list[str], tmp_path: Path, options: list[str]) -> None:
    # Under --strict a cube whose offset is neither stated nor removed would be refused (the next test).
    result = run(*world, *options, "--threshold", "0.0001", "--strict", "--json", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["changed"] > 0
    with rasterio.open(tmp_path / "out" / "month.tif") as raster:
        assert set(np.unique(raster.read(1))) == {0, 3}


def test_without_them_the_offset_is_noticed_before_any_work(run, world: list[str], tmp_path: Path) -> None:
    result = run(*world, "--strict", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert LEFT_IN in result.stderr
    assert not (tmp_path / "out").exists()
    wrong = run(*world, "--provider", "nowhere", "-o", tmp_path / "out")
    assert wrong.exit_code == 2
    assert "No offset policy for 'nowhere/sentinel-2-l2a'" in wrong.stderr


@pytest.mark.parametrize(
    ("options", "with_cubes"),
    [
        (["--catalog", "cdse"], True),
        (["--max-cloud", "80"], True),
        (["--resampling", "bilinear"], True),
        (["--readers", "4"], True),
        (["--max-cloud", "40"], False),
        (["--provider", "cdse"], False),
        (["--collection", "sentinel-2-l2a"], False),
        (["--baseline", "05.09"], False),
        (["--offset-dn", "0"], False),
    ],
    ids=str,
)
def test_options_without_effect_are_refused(
    run, world: list[str], tmp_path: Path, options: list[str], with_cubes: bool
) -> None:
    result = run(*(world if with_cubes else world[:3]), *options, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {options[0]} ")
    assert result.stderr.count("\n") == 1
    assert "--aoi" in result.stderr
    assert not (tmp_path / "out").exists()
