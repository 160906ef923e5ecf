"""`adapt`: what is learned from, and what the head is told about it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip._version import __version__


class Labelled(SimpleNamespace):
    """Five labelled points, and a label that is no class."""

    series, truth, skipped, notes = "the series", "the truth", {"rye": 2}, ("2018 only",)

    def __len__(self) -> int:
        return 5


HEAD = SimpleNamespace(about={"examples": {"maize": 3, "water": 2}})


@pytest.fixture
def read(stand_in: StandIn) -> list[dict[str, Any]]:
    stand_in("cli.options.chosen_model", lambda name: SimpleNamespace(name=name, tower="the tower"))
    stand_in("model.embed.embed", lambda series, model: f"vectors of {series} by {model.name}")
    return stand_in("evaluation.labels.labelled.labelled_points", Labelled())


@pytest.fixture
def fitted(stand_in: StandIn) -> list[dict[str, Any]]:
    return stand_in("tasks.heads.fit_head", HEAD)


@pytest.fixture
def saved(stand_in: StandIn) -> list[dict[str, Any]]:
    return stand_in("tasks.heads.save_head")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["-o", "h"], "error: Missing option '--labels'. (see timesenclip adapt --help)"),
        (
            ["--labels", "crop", "-o", "h", "-p", "maize", "-t", "worldcover"],
            "error: --prompt and --taxonomy were both given; give one of them.",
        ),
        (
            ["--labels", "crop", "-o", "h", "--period", "2018", "--year", "2018"],
            "error: --period 2018 and --year 2018 were both given; give one of them.",
        ),
        (
            ["--labels", "crop", "-o", "h", "--method", "svm"],
            "error: Invalid value for '--method': 'svm' is not one of 'anchored', 'prototype', 'probe'. "
            "(see timesenclip adapt --help)",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(
    args: list[str], line: str, refused: Refused, read: object, fitted: object, saved: list[dict[str, Any]]
) -> None:
    assert refused("adapt", "x.parquet", *args) == line
    assert saved == []


def test_every_option_reaches_the_library(
    run: Run,
    stand_in: StandIn,
    read: list[dict[str, Any]],
    fitted: list[dict[str, Any]],
    saved: list[dict[str, Any]],
) -> None:
    words = stand_in("ground.prompts.class_vectors", "vectors of the words")
    asked = ["-p", "maize", "-p", "water", "--templates", "name", "--checkpoint", "mine", "--method", "prototype"]
    truth = ["--labels", "crop", "--mapping", "1200=corn", "--mapping", "corn=maize"]
    times = ["--year", 2018, "--units", "dn", "--every", "quarter"]
    result = run("adapt", "x.parquet", *truth, *asked, *times, "--strict", "-o", "h", "--json")
    assert result.exit_code == 0, result.output
    classes = read[0].pop("taxonomy")
    assert classes.names == ("maize", "water")
    assert read == [
        {
            "paths": Path("x.parquet"),
            "label_column": "crop",
            "mapping": [{"1200": "corn"}, {"corn": "maize"}],
            "strict": True,
            "period": 2018,
            "units": "dn",
            "every": "quarter",
        }
    ]
    assert words == [{"taxonomy": classes, "tower": "the tower", "templates": "name"}]
    assert fitted[0].pop("model").name == "mine"
    assert fitted == [
        {
            "embeddings": "vectors of the series by mine",
            "truth": "the truth",
            "taxonomy": classes,
            "method": "prototype",
            "text": "vectors of the words",
            "about": {
                "templates": "name",
                "points": "x.parquet",
                "labels": "crop",
                "skipped": {"rye": 2},
                "notes": ["2018 only"],
                "timesenclip": __version__,
            },
        }
    ]
    assert saved == [{"head": HEAD, "folder": Path("h"), "overwrite": False}]
    assert json.loads(result.stdout) == {
        "output": "h",
        "method": "prototype",
        "examples": {"maize": 3, "water": 2},
        "skipped": {"rye": 2},
    }
    assert "rye" in result.stderr
    assert "2018 only" in result.stderr


def test_a_probe_is_fitted_without_words(
    run: Run, stand_in: StandIn, read: object, fitted: list[dict[str, Any]], saved: object
) -> None:
    words = stand_in("ground.prompts.class_vectors", "vectors of the words")
    result = run("adapt", "x.parquet", "--labels", "crop", "--method", "probe", "-o", "h")
    assert result.exit_code == 0, result.output
    assert (words, fitted[0]["text"], fitted[0]["method"]) == ([], None, "probe")
    assert result.stdout.endswith("5 examples, 2 classes: h\n")


def test_words_come_first_where_nothing_else_is_asked_for(
    run: Run, stand_in: StandIn, read: list[dict[str, Any]], fitted: list[dict[str, Any]], saved: object
) -> None:
    words = stand_in("ground.prompts.class_vectors", "vectors of the words")
    assert run("adapt", "x.parquet", "--labels", "crop", "-o", "h").exit_code == 0
    assert fitted[0]["method"] == "anchored"
    assert (words[0]["taxonomy"].name, words[0]["templates"]) == ("lucas-land-cover", "default")
    assert read[0]["mapping"] is None
