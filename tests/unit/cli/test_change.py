"""`change`: what is compared with what, and which options need pixels."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.mapping.change import ChangeResult

RESULT = ChangeResult(
    folder=Path("out"),
    files={"distance": Path("out/distance.tif")},
    threshold=0.2,
    compared=2000,
    changed=500,
    hectares=5.0,
    median_distance=0.05,
    months={"2021-07": 0.75, "2021-08": 0.25},
)


@pytest.fixture
def compared(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stores are opened without files: the store `a.zarr` is of 2020, any other of 2021."""
    from timesenclip.mapping.store.store import EmbeddingStore

    def opened(path: Path) -> SimpleNamespace:
        return SimpleNamespace(path=path, info=SimpleNamespace(period="2020" if path.name == "a.zarr" else "2021"))

    monkeypatch.setattr(EmbeddingStore, "open", opened)
    return stand_in("mapping.change.change_stores", RESULT)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ["--cube-a", "a.nc"],
            "error: Only one of --cube-a and --cube-b was given; months are found by comparing both.",
        ),
        (
            ["--cube-a", "a.nc", "--cube-b", "b.nc", "--aoi", "31UFS"],
            "error: --cube-a and --aoi 31UFS were both given; give the one that the stores were made of.",
        ),
        (
            ["--catalog", "cdse"],
            "error: --catalog cdse searches for an area, but --aoi was not given; give --aoi.",
        ),
        (
            ["--allow-elsewhere"],
            (
                "error: --allow-elsewhere applies to a search, but --aoi was not given; leave it out, or give the "
                "cubes or --aoi to which it applies."
            ),
        ),
        (
            ["--readers", "4"],
            (
                "error: --readers 4 applies to a search, but --aoi was not given; leave it out, or give the "
                "cubes or --aoi to which it applies."
            ),
        ),
        (
            ["--offset-dn", "0"],
            (
                "error: --offset-dn 0 applies to pixels that are read, but neither --cube-a and --cube-b nor "
                "--aoi was given; leave it out, or give the cubes or --aoi to which it applies."
            ),
        ),
        (
            ["-p", "maize", "-t", "worldcover"],
            "error: --prompt and --taxonomy were both given; give one of them.",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(
    args: list[str], line: str, refused: Refused, compared: list[dict[str, Any]]
) -> None:
    assert refused("change", "a.zarr", "b.zarr", *args, "-o", "out") == line
    assert compared == []


def test_stores_alone_are_compared_without_question_and_months(run: Run, compared: list[dict[str, Any]]) -> None:
    result = run("change", "a.zarr", "b.zarr", "--threshold", 0.2, "--min-clear", 3, "-o", "out")
    assert result.exit_code == 0, result.output
    first, second = compared[0].pop("before"), compared[0].pop("after")
    assert (first.path, second.path) == (Path("a.zarr"), Path("b.zarr"))
    assert compared == [
        {"out": Path("out"), "query": None, "threshold": 0.2, "min_clear": 3, "cubes": None, "progress": ANY}
    ]
    assert "500 of 2,000 pixels changed (25.0%, 5.0 ha): distance above 0.200, median 0.050" in result.stdout
    assert "Months: 2021-07 75%, 2021-08 25%" in result.stdout


def test_a_question_is_asked_of_the_earlier_store(run: Run, stand_in: StandIn, compared: list[dict[str, Any]]) -> None:
    asked = stand_in("mapping.query.make_query", "the question")
    result = run("change", "a.zarr", "b.zarr", "-p", "maize", "-p", "water", "--templates", "name", "-o", "out")
    assert result.exit_code == 0, result.output
    assert asked[0]["asked"].path == Path("a.zarr")
    assert asked[0]["taxonomy"].names == ("maize", "water")
    assert asked[0]["templates"] == "name"
    assert compared[0]["query"] == "the question"


def test_a_background_goes_with_the_phrase_and_not_without(
    run: Run, stand_in: StandIn, compared: list[dict[str, Any]]
) -> None:
    asked = stand_in("mapping.query.make_query", "the question")
    assert run("change", "a.zarr", "b.zarr", "-p", "maize", "--against", "wheat", "-o", "out").exit_code == 0
    assert asked[0]["against"] == ["wheat"]
    result = run("change", "a.zarr", "b.zarr", "--against", "wheat", "-o", "out")
    assert result.exit_code == 2
    assert "error: --against was given without --prompt" in result.stderr


def test_both_cubes_are_opened_with_the_options(run: Run, stand_in: StandIn, compared: list[dict[str, Any]]) -> None:
    opened = stand_in("eo.cube.open.open_cube", lambda path, **_: f"cube {path}")
    cubes = ["--cube-a", "a.nc", "--cube-b", "b.nc"]
    options = ["--provider", "cdse", "--collection", "c1", "--baseline", "05.09", "--offset-dn", 1000]
    result = run("change", "a.zarr", "b.zarr", *cubes, *options, "-o", "out")
    assert result.exit_code == 0, result.output
    expected = {"units": "auto", "provider": "cdse", "collection": "c1", "baseline": "05.09", "offset_dn": 1000}
    expected["sensor"] = "auto"
    assert opened == [{"path": "a.nc"} | expected, {"path": "b.nc"} | expected]
    assert compared[0]["cubes"] == ("cube a.nc", "cube b.nc")


def test_an_area_is_searched_for_in_the_period_of_each_store(
    run: Run, stand_in: StandIn, compared: list[dict[str, Any]]
) -> None:
    scenes = SimpleNamespace(shape=(2, 3), scenes=[1], dates=[1], source_name="cdse", crs="EPSG:32631")
    searched = stand_in("eo.stac.open.open_stac", scenes)
    options = ["--catalog", "cdse", "--max-cloud", 40, "--resampling", "bilinear", "--readers", 2, "--offset-dn", 0]
    result = run("change", "a.zarr", "b.zarr", "--aoi", "31UFS", *options, "-o", "out")
    assert result.exit_code == 0, result.output
    assert [call.pop("period") for call in searched] == ["2020", "2021"]
    expected = {
        "aoi": "31UFS",
        "catalog": "cdse",
        "collection": "sentinel-2-l2a",
        "max_cloud": 40.0,
        "provider": None,
        "baseline": None,
        "offset_dn": 0,
        "resampling": "bilinear",
        "workers": 2,
        "allow_elsewhere": False,
    }
    assert searched == [expected, expected]
    assert compared[0]["cubes"] == (scenes, scenes)


def test_the_object_holds_the_figures_and_files(run: Run, compared: object) -> None:
    assert json.loads(run("change", "a.zarr", "b.zarr", "-o", "out", "--json").stdout) == {
        "files": {"distance": "out/distance.tif"},
        "threshold": 0.2,
        "compared": 2000,
        "changed": 500,
        "hectares": 5.0,
        "median_distance": 0.05,
        "transitions": [],
        "months": {"2021-07": 0.75, "2021-08": 0.25},
        "answer_all": False,
    }
