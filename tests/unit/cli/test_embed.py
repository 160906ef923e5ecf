"""`embed`: every option reaches the library."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn

MODEL = SimpleNamespace(encoder=SimpleNamespace(config=SimpleNamespace(embed_dim=256)))


@pytest.fixture
def embedded(stand_in: StandIn) -> list[dict[str, Any]]:
    stand_in("cli.options.chosen_model", MODEL)
    return stand_in("tasks.point_tables.embed_table", 3)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["-o", "out.csv"], "error: Output out.csv: expected a file name that ends in .parquet."),
        ([], "error: Missing option '--output' / '-o'. (see timesenclip embed --help)"),
        (
            ["-o", "out.parquet", "--period", "2018", "--year", "2018"],
            "error: --period 2018 and --year 2018 were both given; give one of them.",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(
    args: list[str], line: str, refused: Refused, embedded: list[dict[str, Any]]
) -> None:
    assert refused("embed", "x.parquet", *args) == line
    assert embedded == []


def test_every_option_reaches_the_library(run: Run, embedded: list[dict[str, Any]]) -> None:
    read = ["--period", "2018-03..2018-08", "--units", "dn", "--every", "dekad", "--step", "5", "--offset-dn", 1000]
    result = run("embed", "x.parquet", *read, "--strict", "-o", "out.parquet", "--json")
    assert result.exit_code == 0, result.output
    assert embedded == [
        {
            "points": Path("x.parquet"),
            "out": Path("out.parquet"),
            "model": MODEL,
            "progress": ANY,
            "period": "2018-03..2018-08",
            "units": "dn",
            "offset_dn": 1000,
            "every": "dekad",
            "step": 5,
            "strict": True,
        }
    ]
    assert json.loads(result.stdout) == {"count": 3, "dim": 256, "output": "out.parquet"}


def test_what_is_not_given_has_its_default(run: Run, embedded: list[dict[str, Any]]) -> None:
    result = run("embed", "x.parquet", "--step", "dekad", "-o", "out.parquet")
    assert result.stdout == "3 embeddings of 256 numbers: out.parquet\n"
    defaults = {"period": None, "units": "auto", "every": "month", "step": "dekad", "strict": False}
    assert {name: embedded[0][name] for name in defaults} == defaults
    assert "offset_dn" not in embedded[0]  # the reader's own default holds
