"""`classify`: every option reaches the library, and the table of answers."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.tasks.point_tables import TableSummary


@pytest.fixture
def answered(stand_in: StandIn, models: object) -> list[dict[str, Any]]:
    """Two points of maize and one that is unknown."""
    summary = TableSummary(["maize", "water"])
    labels = ("maize", "maize", "unknown")
    summary.add(SimpleNamespace(sample_id=("a", "b", "c"), label=labels, confidence=(0.75, 0.25, 0.5)))  # type: ignore[arg-type]
    return stand_in("tasks.point_tables.classify_table", summary)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["classify"], "error: Missing argument 'POINTS'. (see timesenclip classify --help)"),
        (
            ["classify", "x.parquet", "--units", "feet"],
            "error: Invalid value for '--units': 'feet' is not one of 'auto', 'dn', 'reflectance', 'landsat-c2'. "
            "(see timesenclip classify --help)",
        ),
        (
            ["classify", "x.parquet", "-o", "out.csv"],
            "error: Output out.csv: expected a file name that ends in .parquet.",
        ),
        (
            ["classify", "x.parquet", "--period", "2018", "--year", "2018"],
            "error: --period 2018 and --year 2018 were both given; give one of them.",
        ),
        (
            ["classify", "x.parquet", "-p", "maize", "-t", "worldcover"],
            "error: --prompt and --taxonomy were both given; give one of them.",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(
    args: list[str], line: str, refused: Refused, answered: list[dict[str, Any]]
) -> None:
    assert refused(*args) == line
    assert answered == []


def test_every_option_reaches_the_library(run: Run, answered: list[dict[str, Any]]) -> None:
    asked = ["-p", "maize", "-p", "water", "--templates", "name", "--unknown-below", 0.2, "--checkpoint", "mine"]
    asked += ["--against", "one thing"]
    read = ["--year", 2018, "--units", "dn", "--every", "quarter", "--step", "10", "--offset-dn", 1000]
    read += ["--outliers", "keep"]
    result = run("classify", "x.parquet", *asked, *read, "--prior-correction", "--strict", "-o", "out.parquet")
    assert result.exit_code == 0, result.output
    assert answered[0].pop("taxonomy").names == ("maize", "water")
    assert answered == [
        {
            "points": Path("x.parquet"),
            "model": "model mine",
            "out": Path("out.parquet"),
            "templates": "name",
            "against": ["one thing"],
            "prior_correction": True,
            "unknown_below": 0.2,
            "answer_all": False,
            "head": None,
            "progress": ANY,
            "period": 2018,
            "units": "dn",
            "offset_dn": 1000,
            "every": "quarter",
            "step": 10,
            "outliers": "keep",
            "strict": True,
        }
    ]
    assert result.stderr == ""
    assert result.stdout.endswith("3 points, 33.3% unknown: out.parquet\n")


def test_what_is_not_given_has_its_default(run: Run, answered: list[dict[str, Any]]) -> None:
    result = run("classify", "x.parquet")
    assert result.exit_code == 0, result.output
    assert answered[0].pop("taxonomy").name == "lucas-land-cover"
    defaults = {"period": None, "units": "auto", "every": "month", "strict": False}
    defaults |= {
        "against": None,
        "out": None,
        "templates": "default",
        "prior_correction": False,
        "unknown_below": None,
        "head": None,
    }
    assert {name: answered[0][name] for name in defaults} == defaults
    assert not {"offset_dn", "step", "outliers"} & set(answered[0])  # the reader's own defaults hold
    assert answered[0]["model"] == "model None"
    assert result.stderr == "nothing was written; add -o FILE.parquet to write the class of every point\n"


def test_a_head_brings_its_classes(run: Run, stand_in: StandIn, answered: list[dict[str, Any]]) -> None:
    stand_in("tasks.heads.load_head", SimpleNamespace(taxonomy="its classes"))
    stand_in("tasks.heads.adapted", lambda model, head: f"{model} with a head")
    assert run("classify", "x.parquet", "--head", "h").exit_code == 0
    expected = {"taxonomy": "its classes", "model": "model None with a head", "templates": "name", "head": Path("h")}
    assert {name: answered[0][name] for name in expected} == expected


def test_the_object_counts_the_classes(run: Run, answered: object) -> None:
    answer = json.loads(run("classify", "x.parquet", "-o", "out.parquet", "--json").stdout)
    assert answer == {
        "count": 3,
        "unknown_share": pytest.approx(1 / 3),
        "classes": [
            {"label": "maize", "count": 2, "share": pytest.approx(2 / 3), "mean_confidence": 0.5},
            {"label": "water", "count": 0, "share": 0.0, "mean_confidence": None},
            {"label": "unknown", "count": 1, "share": pytest.approx(1 / 3), "mean_confidence": 0.5},
        ],
        "output": "out.parquet",
    }


def test_all_is_answered_where_asked_for(run: Run, answered: list[dict[str, Any]]) -> None:
    words = ["-p", "maize", "-p", "water", "--answer-all", "-o", "out"]
    assert run("classify", "x.parquet", *words[:-2]).exit_code == 0
    assert (answered[0]["answer_all"], answered[0]["unknown_below"]) == (True, None)
