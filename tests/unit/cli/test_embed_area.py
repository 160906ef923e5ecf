"""`embed-area`: every option reaches the store, and a dry run only plans."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.mapping.plan import AreaPlan

MODEL = SimpleNamespace(encoder=SimpleNamespace(config=SimpleNamespace(embed_dim=256)))
INFO = SimpleNamespace(dims=64, kept=0.93, level_shapes=[(4, 6), (2, 3)])
STORE = SimpleNamespace(path=Path("s.zarr"), info=INFO)
RESULT = SimpleNamespace(
    store=STORE, blocks=4, reused=1, pixels=2400, seen=2000, item=Path("s.json"), manifest=Path("s.manifest.jsonl")
)
PLAN = AreaPlan((20, 30), 64, 4, 600, 300, 2_000_000, 1_500, 1000.0, 500.0, 3)


@pytest.fixture
def built(stand_in: StandIn) -> list[dict[str, Any]]:
    stand_in("cli.options.chosen_model", MODEL)
    return stand_in("mapping.embed_area.embed_area", RESULT)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ([], "error: Neither CUBE nor --aoi was given; give a cube on disk, or an area to search for."),
        (["c.nc", "--aoi", "31UFS"], "error: CUBE 'c.nc' and --aoi 31UFS were both given; give one of them."),
        (
            ["c.nc", "--workers", 2, "--dask", "local:2"],
            (
                "error: --workers and --dask were both given; the cluster sets the number of workers, so leave "
                "--workers out."
            ),
        ),
        (
            ["--aoi", "31UFS", "--period", "2021", "--year", 2021],
            "error: --period 2021 and --year 2021 were both given; give one of them.",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(
    args: list[Any], line: str, refused: Refused, built: list[dict[str, Any]]
) -> None:
    assert refused("embed-area", *args, "-o", "s.zarr") == line
    assert built == []


def test_every_option_reaches_the_store(run: Run, stand_in: StandIn, built: list[dict[str, Any]]) -> None:
    opened = stand_in("eo.cube.open.open_cube", "the cube")
    read = [
        "--units",
        "dn",
        "--period",
        "2021-03..2021-08",
        "--every",
        "quarter",
        "--offset-dn",
        1000,
        "--outliers",
        "keep",
    ]
    work = ["--dims", 64, "--block", 32, "--workers", 3]
    result = run("embed-area", "c.nc", *read, *work, "-o", "s.zarr")
    assert result.exit_code == 0, result.output
    assert (opened[0]["path"], opened[0]["units"], opened[0]["offset_dn"]) == ("c.nc", "dn", 1000)
    assert built == [
        {
            "source": "the cube",
            "out": Path("s.zarr"),
            "model": MODEL,
            "period": "2021-03..2021-08",
            "every": "quarter",
            "outliers": "keep",
            "dims": 64,
            "block": 32,
            "workers": 3,
            "dask": None,
            "overwrite": False,
            "progress": ANY,
        }
    ]
    assert result.stderr == "1 of 4 blocks were done by an earlier run\n"
    assert "2,000 of 2,400 pixels embedded in 64 dimensions: s.zarr" in result.stdout


def test_an_area_is_searched_for(run: Run, stand_in: StandIn, built: list[dict[str, Any]]) -> None:
    scenes = SimpleNamespace(shape=(2, 3), scenes=[1], dates=[1], source_name="cdse", crs="EPSG:32631")
    searched = stand_in("eo.stac.open.open_stac", scenes)
    result = run("embed-area", "--aoi", "31UFS", "--year", 2023, "--readers", 9, "--dask", "local:2", "-o", "s.zarr")
    assert result.exit_code == 0, result.output
    assert (searched[0]["aoi"], searched[0]["period"], searched[0]["workers"]) == ("31UFS", 2023, 9)
    assert built[0]["source"] is scenes
    assert (built[0]["block"], built[0]["dask"], built[0]["period"]) == (None, "local:2", 2023)


def test_the_object_names_the_store_and_its_size(run: Run, stand_in: StandIn, built: object) -> None:
    stand_in("eo.cube.open.open_cube", "the cube")
    assert json.loads(run("embed-area", "c.nc", "-o", "s.zarr", "--json").stdout) == {
        "store": "s.zarr",
        "blocks": 4,
        "reused_blocks": 1,
        "pixels": 2400,
        "seen": 2000,
        "dims": 64,
        "kept": 0.93,
        "levels": 2,
        "item": "s.json",
        "manifest": "s.manifest.jsonl",
    }


@pytest.mark.parametrize(("given", "dims"), [([], 256), (["--dims", 64], 64)])
def test_a_dry_run_plans_and_does_nothing(
    given: list[Any], dims: int, run: Run, stand_in: StandIn, built: list[dict[str, Any]]
) -> None:
    stand_in("eo.cube.open.open_cube", "the cube")
    planned = stand_in("mapping.plan.plan_area", PLAN)
    command = ["embed-area", "c.nc", *given, "--workers", 3, "--every", "year", "-o", "s.zarr", "--dry-run"]
    answer = json.loads(run(*command, "--json").stdout)
    assert built == []
    assert planned == [
        {
            "source": "the cube",
            "model": MODEL,
            "dims": dims,
            "period": None,
            "every": "year",
            "block": None,
            "workers": 3,
        }
    ]
    assert answer["hours"] == pytest.approx(300 * (1 / 1000 + 1 / 500) / 3 / 3600)
    assert (answer["shape"], answer["output_bytes"]) == ([20, 30], 1500)
    words = run(*command).stdout
    assert "30 x 20 pixels, 50% of them in the area" in words
    assert "2 MB before compression" in words
    assert "1.5 kB" in words
