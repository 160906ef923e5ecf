"""`demo`, `doctor`, `info` and `taxonomies`."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.demo import PhraseFound
from timesenclip.doctor import Check

MAP = SimpleNamespace(
    files={"picture": Path("out/map.png"), "page": Path("out/map.html")},
    areas=(),
    nodata_pixels=3,
    provenance={"masked_pixels": 0},
)


def test_taxonomies_are_listed(run: Run) -> None:
    names = [row["name"] for row in json.loads(run("taxonomies", "list", "--json").stdout)["taxonomies"]]
    assert {"lucas-land-cover", "worldcover"} <= set(names)
    assert json.loads(run("taxonomies", "list", "--json").stdout)["background"]["name"] == "background"
    table = run("taxonomies").stdout
    assert "background.yaml" in table
    assert all(name in table for name in names)


def test_a_taxonomy_is_shown(run: Run) -> None:
    shown = json.loads(run("taxonomies", "show", "lucas-land-cover", "--json").stdout)
    assert len(shown["classes"]) == 8
    assert all(len(row["prompts"]) >= 8 and row["colour"].startswith("#") for row in shown["classes"])
    table = run("taxonomies", "show", "lucas-land-cover").stdout
    assert all(row["name"] in table for row in shown["classes"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["taxonomies", "show", "worldcove"], "error: Unknown taxonomy 'worldcove'"),
        (["taxonomies", "show"], "error: Missing argument 'NAME|FILE'. (see timesenclip taxonomies show --help)"),
        (["info", "nowhere"], "error: "),
    ],
)
def test_what_there_is_not_is_one_line(args: list[str], said: str, refused: Refused) -> None:
    assert refused(*args).startswith(said)


def test_the_demo_says_what_was_found(run: Run, stand_in: StandIn, models: list[dict[str, Any]]) -> None:
    found = (PhraseFound("maize", 0.5, 0.75, float("nan")),)
    calls = stand_in("demo.run_demo", SimpleNamespace(map=MAP, agreement=0.875, found=found))
    command = ["demo", "--checkpoint", "mine", "-o", "out"]
    answer = json.loads(run(*command, "--json").stdout)
    assert calls == [{"out": Path("out"), "model": "model mine", "progress": ANY}]
    assert answer.keys() == {"agreement", "found", "classes", "nodata_count", "masked_count", "files"}
    assert (answer["agreement"], answer["found"][0]["recall"], answer["nodata_count"]) == (0.875, None, 3)
    words = run(*command).stdout
    assert "88% of the pixels of a simulated landscape got the right one of 1 phrases." in words
    assert "nan" not in words
    assert "out/map.html" in words


def test_the_doctor_fails_where_something_will_not_work(run: Run, stand_in: StandIn) -> None:
    checks = [Check("packages", "ok", "all there"), Check("torch", "failed", "does not load", "install it again")]
    stand_in("doctor.diagnose", checks)
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "ok    packages: all there",
        "FAIL  torch: does not load",
        "      -> install it again",
    ]
    assert result.stderr == "error: 1 of 2 checks failed: torch\n"
    answer = json.loads(run("doctor", "--json").stdout)
    assert answer["ok"] is False
    assert answer["checks"][1] == {
        "name": "torch",
        "status": "failed",
        "detail": "does not load",
        "remedy": "install it again",
    }


def test_a_warning_of_the_doctor_is_no_failure(run: Run, stand_in: StandIn) -> None:
    stand_in("doctor.diagnose", [Check("threads", "warning", "one only")])
    result = run("doctor")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "warn  threads: one only\n", "")
    assert json.loads(run("doctor", "--json").stdout)["ok"] is True


def test_the_facts_of_a_checkpoint_are_shown(run: Run) -> None:
    answer = json.loads(run("info", "--json").stdout)
    assert answer["checkpoint"] == "default"
    assert answer["parameters"] > 100_000
    assert {"digest", "encoder", "tower", "calibration", "training"} <= answer.keys()
    words = run("info").stdout
    assert f"digest: {answer['digest']}\n" in words
    assert f"parameters: {answer['parameters']}\n" in words
    assert "calibration:\n  " in words
