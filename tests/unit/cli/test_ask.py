"""`ask`: one kind of question at a time, and every option reaches the answer."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn

RESULT = SimpleNamespace(
    folder=Path("out"), files={"page": Path("out/map.html")}, areas=(), nodata_pixels=0, provenance={"masked_pixels": 0}
)


@pytest.fixture
def asked(stand_in: StandIn, models: object) -> list[dict[str, Any]]:
    return stand_in("mapping.ask_store.ask_store", RESULT)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ["ask", "x.zarr", "--head", "h", "--photo", "p.jpg", "-o", "answer"],
            "error: --photo was given with --prompt, --taxonomy or --head; give one of them.",
        ),
        (
            ["ask", "x.zarr", "-p", "maize", "--photo", "p.jpg", "-o", "answer"],
            "error: --photo was given with --prompt, --taxonomy or --head; give one of them.",
        ),
        (
            ["ask", "x.zarr", "-p", "maize", "--head", "h", "-o", "answer"],
            "error: --head was given with --prompt or --taxonomy; a head has its own classes, give only one.",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(
    args: list[str], line: str, refused: Refused, asked: list[dict[str, Any]]
) -> None:
    assert refused(*args) == line
    assert asked == []


def test_a_head_is_not_asked_of_another_checkpoint(
    refused: Refused, stand_in: StandIn, asked: list[dict[str, Any]]
) -> None:
    stand_in("tasks.heads.load_head", SimpleNamespace(taxonomy="its classes"))
    line = refused("ask", "x.zarr", "--head", "h", "--checkpoint", "mine", "-o", "out")
    assert line.startswith(
        "error: --head was given with --checkpoint mine; a head is used with the checkpoint of the store"
    )
    assert asked == []


def test_every_option_reaches_the_answer(run: Run, asked: list[dict[str, Any]]) -> None:
    words = ["-p", "maize", "-p", "water", "--templates", "name", "--unknown-below", 0.2, "--checkpoint", "mine"]
    words += ["--against", "potatoes", "--against", "wheat"]
    work = ["--min-clear", 4, "--zones", "z.geojson", "--no-scores"]
    result = run("ask", "x.zarr", *words, *work, "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert asked[0].pop("taxonomy").names == ("maize", "water")
    assert asked == [
        {
            "store": Path("x.zarr"),
            "out": Path("out"),
            "model": "model mine",
            "templates": "name",
            "against": ["potatoes", "wheat"],
            "unknown_below": 0.2,
            "answer_all": False,
            "min_clear": 4,
            "zones": Path("z.geojson"),
            "scores": False,
            "progress": ANY,
        }
    ]
    assert json.loads(result.stdout) == {
        "classes": [],
        "nodata_count": 0,
        "masked_count": 0,
        "files": {"page": "out/map.html"},
    }


def test_without_words_the_default_classes_are_asked_of_the_model_of_the_store(
    run: Run, asked: list[dict[str, Any]], models: list[dict[str, Any]]
) -> None:
    assert run("ask", "x.zarr", "-o", "out", "--json").exit_code == 0
    assert asked[0]["taxonomy"].name == "lucas-land-cover"
    assert asked[0]["model"] is None
    assert models == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--photo", "p.jpg", "--photo", "q.jpg"], {"photos": [Path("p.jpg"), Path("q.jpg")]}),
        (["--head", "h"], {"head": Path("h")}),
    ],
)
def test_photographs_or_a_head_are_asked_in_place_of_words(
    given: list[str], expected: dict[str, Any], run: Run, stand_in: StandIn, asked: list[dict[str, Any]]
) -> None:
    stand_in("tasks.heads.load_head", SimpleNamespace(taxonomy="its classes"))
    assert run("ask", "x.zarr", *given, "-o", "out", "--json").exit_code == 0
    assert {key: asked[0].get(key) for key in ("taxonomy", "photos", "head") if key in asked[0]} == expected


def test_all_is_answered_where_asked_for(run: Run, asked: list[dict[str, Any]]) -> None:
    words = ["-p", "maize", "-p", "water", "--answer-all", "-o", "out"]
    assert run("ask", "x.zarr", *words, "--json").exit_code == 0
    assert (asked[0]["answer_all"], asked[0]["unknown_below"]) == (True, None)
