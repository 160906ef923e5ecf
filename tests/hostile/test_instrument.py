"""The watch can fail: false applications with one fault each, and every fault is seen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from .case import EXPECTATIONS, Case
from .faults import FAULTS, fault_cases
from .kinds import all_cases
from .runner import Pool
from .watch import OUTCOMES, Observed, judge

CASES = {case.name.removeprefix("fault/"): case for case in fault_cases()}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_seen(name: str, hostile_pool: Pool) -> None:
    if "from C" in name and not Path("/proc/self/task").is_dir():
        pytest.skip("what C does is seen through /proc and inotify, which this system lacks")
    result = hostile_pool.run_one(CASES[name])
    assert result.outcome == FAULTS[name][1], result
    assert {outcome for outcome, _ in result.faults} == {result.outcome}, "one fault was planted, and one is seen"


@pytest.mark.parametrize("name", ["refuses", "works"])
def test_what_keeps_its_promise_is_passed(name: str, hostile_pool: Pool) -> None:
    assert hostile_pool.run_one(CASES[name]).faults == []


def test_every_outcome_has_a_planted_fault() -> None:
    assert {outcome for _, outcome in FAULTS.values()} == {*OUTCOMES} - {"as promised", "broken case"}


def test_a_case_that_cannot_be_built_is_named(hostile_pool: Pool) -> None:
    result = hostile_pool.run_one(CASES["cannot be built"])
    assert result.outcome == "broken case"
    assert "no such value" in result.faults[0][1]


@pytest.mark.parametrize("expect", EXPECTATIONS)
def test_exit_codes_are_compared_with_the_promise(expect: str) -> None:
    case = Case("fault", "fault/x", lambda _: [], expect)  # type: ignore[arg-type]
    for code in (0, 1, 2, 130):
        faults = judge(case, Observed(exit_code=code, stderr=b"error: x\n" if code in (1, 2) else b""))
        assert ("exit code" in {outcome for outcome, _ in faults}) == (code not in EXPECTATIONS[expect])


def test_an_output_is_allowed_only_where_the_case_says_and_only_if_the_command_worked() -> None:
    case = Case("fault", "fault/x", lambda _: [], "refused or works", writes=("out/a.tif",))
    arguments = ["map", "-o", "out/a.tif"]
    assert judge(case, Observed(exit_code=0, new=["out/", "out/a.tif"]), arguments) == []
    assert judge(case, Observed(exit_code=0, new=["out/", "out/b.tif"]), arguments) == [("left file", "out/b.tif")]
    refused = Observed(exit_code=2, stderr=b"error: no\n", new=["out/"])
    assert judge(case, refused, arguments) == []
    refused.new.append("out/a.tif")
    assert judge(case, refused, arguments) == [("left file", "out/a.tif")]


def test_there_are_enough_cases_of_every_kind_and_controls_that_must_work() -> None:
    cases = all_cases()
    counts = Counter(case.kind for case in cases)
    assert len(cases) >= 600
    assert min(counts.values()) >= 30, counts
    working = Counter(case.kind for case in cases if case.expect == "works")
    assert working.keys() >= counts.keys(), "a program that refuses everything must fail"


def test_other_seeds_give_other_values(tmp_path: Path) -> None:
    import random

    from .case import Place

    case = next(case for case in all_cases() if case.name == "YAML/taxonomy/a date that is none")
    texts = set()
    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        place = Place(folder, tmp_path, tmp_path, "", "", random.Random(f"{seed}:{case.name}"))
        (tmp_path / "labelled.parquet").touch()
        import os

        before = Path.cwd()
        os.chdir(folder)
        try:
            case.build(place)
        finally:
            os.chdir(before)
        texts.add((folder / "classes.yaml").read_text())
    assert len(texts) > 1
