"""`evaluate paper`: what goes together, and that every option reaches the suite."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.evaluation.baselines.external import ExternalModels

METRICS = SimpleNamespace(
    count=40, accuracy=0.5, balanced_accuracy=0.25, macro_f1=0.125, to_dict=lambda: {"accuracy": 0.5}
)
FINDINGS = SimpleNamespace(comparison=SimpleNamespace(methods={"zero-shot": METRICS}))
CORRELATIONS = SimpleNamespace(pearson=0.5, spearman=0.4, kendall=0.3)
FILES = {"report": Path("out/index.html"), "tables": Path("out/tables")}


def answers(**changes: Any) -> SimpleNamespace:
    facts: dict[str, Any] = {
        "findings": {"land-cover": FINDINGS},
        "skipped": {"crops": "no labels"},
        "files": FILES,
        "scenicness": None,
    }
    return SimpleNamespace(**(facts | changes))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder that looks like a training store."""
    folder = tmp_path / "s.zarr"
    folder.mkdir()
    for name in ("index.parquet", "zarr.json"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ["evaluate", "paper", "x.zarr", "--year", "2018", "-o", "report"],
            "error: --period 2018 was given without --scenic; a training store has its own period.",
        ),
        (
            ["evaluate", "paper", "x.zarr", "--scenic", "p.parquet", "-o", "report"],
            "error: --scenic and --votes go together; give both, or neither.",
        ),
        (
            ["evaluate", "paper", "x.zarr", "--votes", "v.tsv", "-o", "report"],
            "error: --scenic and --votes go together; give both, or neither.",
        ),
        (
            ["evaluate", "paper", "x.zarr", "-o", "report"],
            "error: `evaluate paper` needs one training store (`data sen4map` makes it), not 'x.zarr'.",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(args: list[str], line: str, refused: Refused, stand_in: StandIn) -> None:
    calls = stand_in("evaluation.suite.paper.run_paper_suite", answers())
    assert refused(*args) == line
    assert calls == []


def test_every_option_reaches_the_suite(run: Run, stand_in: StandIn, models: object, store: Path) -> None:
    calls = stand_in("evaluation.suite.paper.run_paper_suite", answers())
    ground = stand_in("evaluation.labels.store.ground_views", "the photographs")
    towers = stand_in("ground.load.load_tower", "the tower")
    peers = ["--ground", "g.pt", "--presto", "p.pt", "--rgb", "clip", "--size-px", 16]
    sampling = ["--block-deg", 0.5, "--seed", 7, "--draws", 50]
    asked = ["--labels", "lucas.csv", "--templates", "name", "--checkpoint", "mine", "--outliers", "keep"]
    result = run("evaluate", "paper", store, *peers, *sampling, *asked, "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert list(ground[0].values()) == [Path("g.pt")]
    assert towers == [{"name": "clip"}]
    assert calls == [
        {
            "model": "model mine",
            "store": store,
            "out": Path("out"),
            "labels": "lucas.csv",
            "ground": "the photographs",
            "templates": "name",
            "external": ExternalModels(presto=Path("p.pt"), tower="the tower", size_px=16),  # type: ignore[arg-type]
            "scenic": None,
            "block_deg": 0.5,
            "outliers": "keep",
            "seed": 7,
            "draws": 50,
            "progress": ANY,
        }
    ]
    assert result.stderr.splitlines()[-1] == "crops was skipped: no labels"
    assert json.loads(result.stdout) == {
        "tasks": {"land-cover": {"accuracy": 0.5}},
        "skipped": {"crops": "no labels"},
        "files": {"report": "out/index.html", "tables": "out/tables"},
    }


@pytest.mark.parametrize(("given", "labels"), [([], None), (["--labels", "lucas.csv:auto"], "lucas.csv")])
def test_auto_is_left_to_the_suite(
    given: list[str], labels: str | None, run: Run, stand_in: StandIn, models: object, store: Path
) -> None:
    calls = stand_in("evaluation.suite.paper.run_paper_suite", answers())
    result = run("evaluate", "paper", store, *given, "-o", "out")
    assert result.exit_code == 0, result.output
    assert calls[0]["labels"] == labels
    assert (calls[0]["ground"], calls[0]["external"]) == (None, ExternalModels())


def test_places_with_votes_are_read_with_the_options_of_the_input(
    run: Run, stand_in: StandIn, models: object, store: Path
) -> None:
    scenicness = SimpleNamespace(contrast=CORRELATIONS, ridge=None, to_dict=lambda: {"count": 9})
    calls = stand_in("evaluation.suite.paper.run_paper_suite", answers(scenicness=scenicness))
    read = stand_in("eo.points.read.read_points", "the places")
    voted = stand_in("evaluation.scenic.read_votes", "the votes")
    given = ["--scenic", "p.parquet", "--votes", "v.tsv", "--year", 2018, "--units", "dn", "--every", "quarter"]
    result = run("evaluate", "paper", store, *given, "--strict", "-o", "out")
    assert result.exit_code == 0, result.output
    assert read == [{"path": Path("p.parquet"), "strict": True, "period": 2018, "units": "dn", "every": "quarter"}]
    assert voted == [{"path": Path("v.tsv")}]
    assert calls[0]["scenic"] == ("the places", "the votes")
    assert "prompts" in result.stdout
    assert "ridge on embeddings" not in result.stdout
    answer = json.loads(run("evaluate", "paper", store, *given, "-o", "out", "--json").stdout)
    assert answer["scenicness"] == {"count": 9}
