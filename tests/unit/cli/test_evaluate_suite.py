"""`evaluate suite`: a table without a folder, a report with one, and what has no effect is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.evaluation.baselines.external import ExternalModels

CLASS = SimpleNamespace(name="maize", support=30, precision=0.5, recall=float("nan"), f1=0.25)
METRICS = SimpleNamespace(
    accuracy=0.5,
    balanced_accuracy=0.25,
    macro_f1=0.125,
    calibration_error=float("nan"),
    classes=[CLASS],
    absent=["water"],
)
EVALUATION = SimpleNamespace(
    title="Points, 30 samples",
    methods={"zero-shot": METRICS},
    rows=lambda: [("zero-shot", 0.5, 0.25, 0.125, float("nan"))],
    notes=("Four folds.",),
    skipped={"rye": 2},
    to_dict=lambda: {"title": "Points, 30 samples"},
)


class Samples:
    """Thirty samples of one of two classes."""

    present, taxonomy, skipped = ["maize"], ["maize", "water"], {"rye": 2}

    def __len__(self) -> int:
        return 30


SAMPLES = Samples()
LABELLED = SimpleNamespace(samples=SAMPLES, unit="pixels", cube="the cube", drawn=lambda most, seed: DRAWN)
DRAWN = SimpleNamespace(samples="fewer samples", unit="pixels", cube="the cube")
PEERS = SimpleNamespace(features={"presto": 1}, scores={"clip": 2}, notes=("Presto's features.",))
SUITE = SimpleNamespace(
    report={"title": "Mine"},
    files={"report": Path("out/index.html"), "tables": Path("out/tables")},
    findings=SimpleNamespace(title="Mine", data=SAMPLES, comparison=SimpleNamespace(methods={"zero-shot": METRICS})),
)
DATA = ["evaluate", "suite", "a.parquet", "b.parquet", "--labels", "crop"]


@pytest.fixture
def read(stand_in: StandIn, models: object) -> list[dict[str, Any]]:
    stand_in("tasks.heads.with_unknown_below", lambda model, cosine, **_: f"{model} unknown below {cosine}")
    return stand_in("evaluation.labels.labelled_data.read_labelled", LABELLED)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ["evaluate", "suite", "none.parquet", "--labels", "x"],
            "error: No file 'none.parquet'; give a Parquet, GeoParquet or CSV table of points.",
        ),
        (
            ["evaluate", "suite", "x.parquet", "--labels", "x", "--ground", "g.pt"],
            "error: --ground g.pt adds retrieval to the report, but no folder was given; add -o FOLDER.",
        ),
        (
            ["evaluate", "suite", "x.parquet", "--labels", "x", "--title", "Mine"],
            "error: --title Mine is the heading of the report, but no folder was given; add -o FOLDER.",
        ),
        (
            ["evaluate", "suite", "x.parquet", "--labels", "x", "--head", "h", "-o", "report"],
            (
                "error: --head was given with -o report: most of the report compares prompts, and a head has "
                "none; leave -o out."
            ),
        ),
        (
            ["evaluate", "suite", "x.parquet"],
            "error: Missing option '--labels'. (see timesenclip evaluate suite --help)",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(args: list[str], line: str, refused: Refused) -> None:
    assert refused(*args) == line


def test_at_least_one_sample_is_drawn(refused: Refused) -> None:
    assert refused(*DATA, "--most", 0).startswith("error: Invalid value for '--most'")


def test_every_option_reaches_the_table(run: Run, stand_in: StandIn, read: list[dict[str, Any]]) -> None:
    towers = stand_in("ground.load.load_tower", "the tower")
    predicted = stand_in("evaluation.baselines.external.predict_external", PEERS)
    evaluated = stand_in("evaluation.evaluate.evaluate_labelled", EVALUATION)
    asked = ["-p", "maize", "-p", "water", "--templates", "name", "--unknown-below", 0.2, "--checkpoint", "mine"]
    truth = ["--mapping", "1200=corn", "--mapping", "corn=maize", "--block-deg", 0.5, "--seed", 7, "--draws", 50]
    times = ["--year", 2018, "--units", "dn", "--every", "quarter"]
    peers = ["--presto", "p.pt", "--rgb", "clip", "--size-px", 16]
    result = run(*DATA, *asked, *truth, *times, *peers, "--strict", "--json")
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
    assert towers == [{"name": "clip"}]
    external = ExternalModels(presto=Path("p.pt"), tower="the tower", cube="the cube", size_px=16)  # type: ignore[arg-type]
    assert predicted == [{"data": SAMPLES, "external": external, "templates": "name"}]
    assert evaluated == [
        {
            "data": SAMPLES,
            "model": "model mine unknown below 0.2",
            "templates": "name",
            "unit": "pixels",
            "others": {"presto": 1},
            "asked": {"clip": 2},
            "notes": ("Presto's features.",),
            "seed": 7,
            "draws": 50,
        }
    ]
    assert json.loads(result.stdout) == {"title": "Points, 30 samples"}


def test_a_table_says_what_is_absent_and_left_out(run: Run, stand_in: StandIn, read: object) -> None:
    stand_in("evaluation.baselines.external.predict_external", PEERS)
    evaluated = stand_in("evaluation.evaluate.evaluate_labelled", EVALUATION)
    result = run(*DATA, "--most", 10)
    assert result.exit_code == 0, result.output
    assert evaluated[0]["data"] == "fewer samples"
    assert "Without a single sample, and counted nowhere: water." in result.stdout
    assert "Four folds." in result.stdout
    assert "nan" not in result.stdout
    assert result.stderr == "2 samples left out: no class for the labels rye (2)\n"


def test_a_head_answers_in_place_of_words(run: Run, stand_in: StandIn, read: list[dict[str, Any]]) -> None:
    stand_in("tasks.heads.load_head", SimpleNamespace(taxonomy="its classes"))
    stand_in("tasks.heads.adapted", lambda model, head: f"{model} with a head")
    stand_in("evaluation.baselines.external.predict_external", PEERS)
    evaluated = stand_in("evaluation.evaluate.evaluate_labelled", EVALUATION)
    assert run(*DATA, "--head", "h").exit_code == 0
    assert read[0]["taxonomy"] == "its classes"
    assert (evaluated[0]["model"], evaluated[0]["templates"]) == ("model None with a head unknown below None", "name")


def test_every_option_reaches_the_report(run: Run, stand_in: StandIn, read: list[dict[str, Any]]) -> None:
    ground = stand_in("evaluation.labels.ground_vectors.read_ground", "the photographs")
    calls = stand_in("evaluation.suite.run.run_suite", SUITE)
    given = ["--ground", "g.parquet", "--title", "Mine", "--seed", 7, "--draws", 50, "-t", "worldcover"]
    result = run(*DATA, *given, "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert list(ground[0].values()) == [Path("g.parquet")]
    assert read[0]["taxonomy"].name == "worldcover"
    assert calls == [
        {
            "model": "model None unknown below None",
            "data": SAMPLES,
            "out": Path("out"),
            "ground": "the photographs",
            "templates": "default",
            "title": "Mine",
            "external": ExternalModels(cube="the cube"),  # type: ignore[arg-type]
            "progress": ANY,
            "seed": 7,
            "draws": 50,
        }
    ]
    assert json.loads(result.stdout) == {
        "title": "Mine",
        "files": {"report": "out/index.html", "tables": "out/tables"},
    }
    words = run(*DATA, "-o", "out").stdout
    assert words.startswith("Mine: 30 samples, 1 of 2 classes\n")
    assert "Report: out/index.html\nTables: out/tables" in words
