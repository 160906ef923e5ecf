"""`evaluate scenic` and `evaluate sweep`: options reach the library, and what diverged is said."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.evaluation.sweep.cells import SweepCell, SweepCheckpoint
from timesenclip.tasks.scenic_score import BEAUTIFUL, UGLY

CORRELATIONS = SimpleNamespace(pearson=0.5, spearman=0.4, kendall=0.3, intervals={"pearson": (0.25, 0.75)})
SCENIC = SimpleNamespace(
    contrast=CORRELATIONS,
    ridge=SimpleNamespace(pearson=0.6, spearman=0.5, kendall=0.4, intervals={}),
    count=90,
    blocks=4,
    notes=("10 places have no vote.",),
    scores=("the scores",),
    to_dict=lambda: {"count": 90},
)
POINTS = ["evaluate", "scenic", "p.parquet", "--votes", "v.tsv"]


@pytest.fixture
def judged(stand_in: StandIn, models: object) -> list[dict[str, Any]]:
    stand_in("evaluation.scenic.read_votes", lambda path: f"votes {path}")
    return stand_in("evaluation.scenic.evaluate_scenicness", SCENIC)


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ["evaluate", "scenic", "p.parquet"],
            "error: Missing option '--votes'. (see timesenclip evaluate scenic --help)",
        ),
        (
            [*POINTS, "--map", "c.nc"],
            "error: --map c.nc draws a map, but no folder was given; add -o FOLDER.",
        ),
        (
            [*POINTS, "--period", "2018", "--year", "2018"],
            "error: --period 2018 and --year 2018 were both given; give one of them.",
        ),
        (
            ["evaluate", "sweep", "none.yaml"],
            "error: Missing option '--output' / '-o'. (see timesenclip evaluate sweep --help)",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(
    args: list[str], line: str, refused: Refused, judged: list[dict[str, Any]]
) -> None:
    assert refused(*args) == line
    assert judged == []


def test_every_option_reaches_the_votes(run: Run, stand_in: StandIn, judged: list[dict[str, Any]]) -> None:
    read = stand_in("eo.points.read.read_points", "the places")
    written = stand_in("evaluation.scenic.write_scenicness", {"scores": Path("out/scores.csv")})
    words = ["--beautiful", "a lake", "--beautiful", "a hill", "--ugly", "a road"]
    times = ["--year", 2018, "--units", "dn", "--every", "quarter"]
    result = run(*POINTS, *words, *times, "--seed", 7, "--checkpoint", "mine", "--strict", "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert read == [{"path": Path("p.parquet"), "strict": True, "period": 2018, "units": "dn", "every": "quarter"}]
    assert judged == [
        {
            "series": "the places",
            "votes": "votes v.tsv",
            "model": "model mine",
            "beautiful": ["a lake", "a hill"],
            "ugly": ["a road"],
            "seed": 7,
        }
    ]
    assert written == [{"found": SCENIC, "series": "the places", "out": Path("out")}]
    assert json.loads(result.stdout) == {"count": 90, "files": {"scores": "out/scores.csv"}}


def test_without_a_folder_the_correlations_are_printed(
    run: Run, stand_in: StandIn, judged: list[dict[str, Any]]
) -> None:
    stand_in("eo.points.read.read_points", "the places")
    written = stand_in("evaluation.scenic.write_scenicness", {})
    result = run(*POINTS)
    assert result.exit_code == 0, result.output
    assert written == []
    assert (judged[0]["beautiful"], judged[0]["ugly"]) == (BEAUTIFUL, UGLY)
    for text in ("0.250 to 0.750", "ridge on embeddings", "90 places, 4 blocks of land", "10 places have no vote."):
        assert text in result.stdout


def test_the_scores_are_mapped_over_a_cube(run: Run, stand_in: StandIn, judged: object) -> None:
    stand_in("eo.points.read.read_points", "the places")
    stand_in("evaluation.scenic.write_scenicness", {})
    checked: list[object] = []
    cube = SimpleNamespace(check_offset=checked.append)
    opened = stand_in("eo.cube.open.open_cube", cube)
    drawn = stand_in("mapping.score_map.map_scores", {"raster": Path("out/m.tif"), "picture": Path("out/m.png")})
    result = run(
        *POINTS, "--map", "c.nc", "--units", "dn", "--every", "dekad", "--outliers", "keep", "--year", 2018, "-o", "out"
    )
    assert result.exit_code == 0, result.output
    assert opened == [{"path": Path("c.nc"), "units": "dn", "offset_dn": None, "sensor": "auto"}]
    assert checked == [2018]
    assert drawn == [
        {
            "area": cube,
            "scores": ("the scores",),
            "model": "model None",
            "out": Path("out"),
            "period": 2018,
            "every": "dekad",
            "outliers": "keep",
            "progress": ANY,
        }
    ]
    assert result.stdout.endswith("Map: out/m.tif, out/m.png\n")


def test_the_scores_are_mapped_over_a_store(
    run: Run, stand_in: StandIn, judged: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from timesenclip.mapping.store.store import EmbeddingStore

    monkeypatch.setattr(EmbeddingStore, "open", lambda path: f"store {path.name}")
    (tmp_path / "s.zarr" / "vectors").mkdir(parents=True)
    (tmp_path / "s.zarr" / "zarr.json").touch()
    stand_in("eo.points.read.read_points", "the places")
    stand_in("evaluation.scenic.write_scenicness", {})
    drawn = stand_in("mapping.score_map.map_scores", {})
    assert run(*POINTS, "--map", tmp_path / "s.zarr", "-o", "out").exit_code == 0
    assert drawn[0]["area"] == "store s.zarr"


def swept(*diverged: str) -> SimpleNamespace:
    entries = [SweepCheckpoint("base", "default")] + [SweepCheckpoint(name, None) for name in diverged]
    cell = SweepCell("base", "0" * 8, "name", "month", 12, 0, 40, 11.5, 0.5, 0.25, 0.125)
    return SimpleNamespace(cells=(cell,), computed=1, files={"table": Path("out/sweep.csv")}, entries=entries)


def test_a_sweep_without_training_is_run(run: Run, stand_in: StandIn) -> None:
    config = SimpleNamespace(train=None)
    read = stand_in("evaluation.sweep.config.read_sweep", config)
    calls = stand_in("evaluation.sweep.run.run_sweep", swept())
    trained = stand_in("train.ablation.run_ablation", swept())
    result = run("evaluate", "sweep", "s.yaml", "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    assert list(read[0].values()) == [Path("s.yaml")]
    assert calls == [{"config": config, "out": Path("out"), "progress": ANY}]
    assert trained == []
    answer = json.loads(result.stdout)
    assert answer.keys() == {"computed", "entries", "cells", "files"}
    assert (answer["computed"], answer["files"]) == (1, {"table": "out/sweep.csv"})
    assert (answer["cells"][0]["accuracy"], answer["cells"][0]["templates"]) == (0.5, "name")


def test_a_sweep_with_training_says_what_diverged(run: Run, stand_in: StandIn) -> None:
    config = SimpleNamespace(train=SimpleNamespace())
    stand_in("evaluation.sweep.config.read_sweep", config)
    calls = stand_in("train.ablation.run_ablation", swept("bands=rgb"))
    result = run("evaluate", "sweep", "s.yaml", "--accelerator", "cpu", "-o", "out")
    assert result.exit_code == 1
    assert calls == [{"config": config, "out": Path("out"), "accelerator": "cpu", "watch": ANY}]
    assert "1 cells, 1 of them now: out/sweep.csv" in result.stdout
    assert result.stderr == "error: Training diverged for bands=rgb; the other rows are complete.\n"
