"""`compare`: both checkpoints get the same places, classes and draws."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn

ROW = SimpleNamespace(name="accuracy", first=0.5, second=0.75, difference=0.25, range_text="0.1 to 0.4", verdict="B")
RESULT = SimpleNamespace(rows=[ROW], notes=["B is better."], to_dict=lambda: {"rows": ["accuracy"]})
SAMPLES = SimpleNamespace(skipped={"rye": 2})
DATA = ["--data", "a.parquet", "--data", "b.parquet", "--labels", "crop"]


@pytest.fixture
def read(stand_in: StandIn, models: object) -> list[dict[str, Any]]:
    return stand_in("evaluation.labels.labelled_data.read_labelled", SimpleNamespace(samples=SAMPLES))


@pytest.fixture
def compared(stand_in: StandIn) -> list[dict[str, Any]]:
    return stand_in("evaluation.compare.compare_checkpoints", RESULT)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["a"], "error: Missing argument 'B'. (see timesenclip compare --help)"),
        (["a", "b", "--labels", "crop"], "error: Missing option '--data'. (see timesenclip compare --help)"),
        (
            ["a", "b", *DATA, "-p", "maize", "-t", "worldcover"],
            "error: --prompt and --taxonomy were both given; give one of them.",
        ),
        (
            ["a", "b", *DATA, "--period", "2018", "--year", "2018"],
            "error: --period 2018 and --year 2018 were both given; give one of them.",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(
    args: list[str], line: str, refused: Refused, read: object, compared: list[dict[str, Any]]
) -> None:
    assert refused("compare", *args) == line
    assert compared == []


def test_every_option_reaches_the_library(
    run: Run, stand_in: StandIn, read: list[dict[str, Any]], compared: list[dict[str, Any]]
) -> None:
    written = stand_in("evaluation.compare.write_comparison", {"page": Path("out/index.html")})
    truth = ["--mapping", "1200=corn", "--mapping", "corn=maize", "--block-deg", 0.5, "--year", 2018, "--units", "dn"]
    asked = ["-p", "maize", "-p", "water", "--templates", "name", "--seed", 7, "--draws", 50, "--every", "quarter"]
    result = run("compare", "one", "two", *DATA, *truth, *asked, "--strict", "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert read[0].pop("taxonomy").names == ("maize", "water")
    assert read == [
        {
            "data": [Path("a.parquet"), Path("b.parquet")],
            "labels": "crop",
            "mapping": [{"1200": "corn"}, {"corn": "maize"}],
            "block_deg": 0.5,
            "strict": True,
            "period": 2018,
            "units": "dn",
            "every": "quarter",
        }
    ]
    assert compared == [
        {
            "first": "model one",
            "second": "model two",
            "data": SAMPLES,
            "templates": "name",
            "seed": 7,
            "draws": 50,
        }
    ]
    assert written == [{"found": RESULT, "out": Path("out")}]
    assert json.loads(result.stdout) == {"rows": ["accuracy"], "files": {"page": "out/index.html"}}


def test_without_a_folder_a_table_is_printed(
    run: Run, stand_in: StandIn, read: object, compared: list[dict[str, Any]]
) -> None:
    written = stand_in("evaluation.compare.write_comparison", {})
    result = run("compare", "one", "two", *DATA)
    assert result.exit_code == 0, result.output
    assert written == []
    assert (compared[0]["seed"], compared[0]["draws"], compared[0]["templates"]) == (0, 1000, "default")
    for text in ("accuracy", "+0.250", "0.1 to 0.4", "B is better."):
        assert text in result.stdout
    assert "rye" in result.stderr
