"""`map`: every option reaches the map, and what does not go together is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.cli.map import map_facts
from timesenclip.mapping.output.result import ClassArea

RESULT: Any = SimpleNamespace(
    folder=Path("out"),
    files={"picture": Path("out/map.png"), "page": Path("out/map.html")},
    areas=(
        ClassArea("maize", 1, "#ffaa00", 30, 0.3, 0.75, 0.9),
        ClassArea("water", 2, "#0000ff", 0, 0.0, 0.0, float("nan")),
        ClassArea("unknown", 254, "#808080", 10, 0.1, 0.25, 0.4),
    ),
    nodata_pixels=1200,
    provenance={"masked_pixels": 200},
    clipped=False,
)


@pytest.fixture
def drawn(stand_in: StandIn, models: object) -> list[dict[str, Any]]:
    return stand_in("mapping.map_area.map_cube", RESULT)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ["map", "-p", "maize", "-o", "out"],
            "error: Neither CUBE nor --aoi was given; give a cube on disk, or an area to search for.",
        ),
        (
            ["map", "c.nc", "--aoi", "31UFS", "-p", "maize", "-o", "out"],
            "error: CUBE 'c.nc' and --aoi 31UFS were both given; give one of them.",
        ),
        (
            ["map", "c.nc", "--catalog", "cdse", "-p", "maize", "-o", "out"],
            "error: --catalog cdse searches for an area, but --aoi was not given; give --aoi.",
        ),
        (
            ["map", "c.nc", "--workers", "2", "--dask", "local:2", "-o", "out"],
            (
                "error: --workers and --dask were both given; the cluster sets the number of workers, so leave "
                "--workers out."
            ),
        ),
        (
            ["map", "c.nc", "-p", "maize", "-t", "worldcover", "-o", "out"],
            "error: --prompt and --taxonomy were both given; give one of them.",
        ),
        (
            ["map", "c.nc", "--head", "h", "-p", "maize", "-o", "out"],
            "error: --head was given with --prompt or --taxonomy; a head has its own classes, give only one.",
        ),
        (
            ["map", "c.nc", "--head", "h", "--templates", "name", "-o", "out"],
            "error: --head was given with --templates name; a head has no prompts, leave --templates out.",
        ),
        (
            ["map", "--aoi", "31UFS", "-o", "out"],
            "error: --aoi needs a period: give --period 2023, or months such as 2022-11..2023-10.",
        ),
        (["map", "c.nc"], "error: Missing option '--output' / '-o'. (see timesenclip map --help)"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    args: list[str], line: str, refused: Refused, drawn: list[dict[str, Any]]
) -> None:
    assert refused(*args) == line
    assert drawn == []


def test_every_option_reaches_the_map_of_a_cube(run: Run, stand_in: StandIn, drawn: list[dict[str, Any]]) -> None:
    opened = stand_in("eo.cube.open.open_cube", "the cube")
    place = ["--provider", "cdse", "--collection", "c1", "--baseline", "05.09", "--offset-dn", 0, "--units", "dn"]
    asked = ["-p", "maize", "-p", "water", "--templates", "name", "--unknown-below", 0.2, "--checkpoint", "mine"]
    asked += ["--against", "worldcover"]
    read = ["--period", "2021-03..2021-08", "--every", "dekad", "--outliers", "keep"]
    work = ["--workers", 3, "--block", 64, "--min-clear", 4, "--zones", "z.geojson", "--no-scores"]
    result = run("map", "c.nc", *place, *asked, *read, *work, "-o", "out")
    assert result.exit_code == 0, result.output
    assert opened == [
        {
            "path": "c.nc",
            "units": "dn",
            "provider": "cdse",
            "collection": "c1",
            "baseline": "05.09",
            "offset_dn": 0,
            "sensor": "auto",
        }
    ]
    assert drawn[0].pop("taxonomy").names == ("maize", "water")
    assert drawn == [
        {
            "cube": "the cube",
            "out": Path("out"),
            "model": "model mine",
            "period": "2021-03..2021-08",
            "every": "dekad",
            "outliers": "keep",
            "templates": "name",
            "against": "worldcover",
            "unknown_below": 0.2,
            "answer_all": False,
            "min_clear": 4,
            "scores": False,
            "zones": Path("z.geojson"),
            "block": 64,
            "workers": 3,
            "dask": None,
            "overwrite": False,
            "progress": ANY,
        }
    ]


def test_an_area_is_searched_for_and_its_blocks_left_to_the_source(
    run: Run, stand_in: StandIn, drawn: list[dict[str, Any]]
) -> None:
    scenes = SimpleNamespace(shape=(2, 3), scenes=[1], dates=[1, 2], source_name="cdse", crs="EPSG:32631")
    searched = stand_in("eo.stac.open.open_stac", scenes)
    place = ["--aoi", "31UFS", "--catalog", "cdse", "--max-cloud", 30, "--resampling", "bilinear", "--readers", 2]
    result = run("map", *place, "--year", 2023, "--dask", "local:2", "-t", "worldcover", "-o", "out")
    assert result.exit_code == 0, result.output
    assert "cdse: 1 scene, 2 days, 2 x 3 pixels, EPSG:32631" in result.stderr
    assert searched == [
        {
            "aoi": "31UFS",
            "period": 2023,
            "catalog": "cdse",
            "collection": "sentinel-2-l2a",
            "max_cloud": 30.0,
            "provider": None,
            "baseline": None,
            "offset_dn": None,
            "resampling": "bilinear",
            "workers": 2,
            "allow_elsewhere": False,
        }
    ]
    assert drawn[0]["cube"] is scenes
    assert drawn[0]["taxonomy"].name == "worldcover"
    assert (drawn[0]["period"], drawn[0]["block"], drawn[0]["dask"], drawn[0]["workers"]) == (
        2023,
        None,
        "local:2",
        None,
    )


def test_a_head_asks_with_its_own_classes(run: Run, stand_in: StandIn, drawn: list[dict[str, Any]]) -> None:
    stand_in("eo.cube.open.open_cube", "the cube")
    loaded = stand_in("tasks.heads.load_head", SimpleNamespace(taxonomy="its classes"))
    stand_in("tasks.heads.adapted", lambda model, head: f"{model} with a head")
    assert run("map", "c.nc", "--head", "h", "-o", "out").exit_code == 0
    assert {str(call["folder"]) for call in loaded} == {"h"}
    asked = [drawn[0][key] for key in ("taxonomy", "model", "templates")]
    assert asked == ["its classes", "model None with a head", "name"]


def test_the_object_holds_every_class_and_the_words_only_those_found(
    run: Run, stand_in: StandIn, drawn: list[dict[str, Any]]
) -> None:
    stand_in("eo.cube.open.open_cube", "the cube")
    answer = json.loads(run("map", "c.nc", "-p", "maize", "-o", "out", "--json").stdout)
    assert answer["classes"][0] == {
        "label": "maize",
        "value": 1,
        "count": 30,
        "hectares": 0.3,
        "share": 0.75,
        "mean_confidence": 0.9,
    }
    assert [row["label"] for row in answer["classes"]] == ["maize", "water", "unknown"]
    assert answer["classes"][1]["mean_confidence"] is None
    assert (answer["nodata_count"], answer["masked_count"]) == (1200, 200)
    assert answer["files"] == {"picture": "out/map.png", "page": "out/map.html"}
    assert answer.keys() == map_facts(RESULT).keys()
    words = run("map", "c.nc", "-p", "maize", "-o", "out").stdout
    assert "maize" in words
    assert "water" not in words
    assert "1,200 pixels were not seen clearly, 200 of them not often enough (nodata)" in words


def test_all_is_answered_where_asked_for(run: Run, stand_in: StandIn, drawn: list[dict[str, Any]]) -> None:
    stand_in("eo.cube.open.open_cube", "the cube")
    words = ["-p", "maize", "-p", "water", "--answer-all", "-o", "out"]
    assert run("map", "c.nc", *words).exit_code == 0
    assert (drawn[0]["answer_all"], drawn[0]["unknown_below"]) == (True, None)
