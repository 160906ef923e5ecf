from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from timesenclip.errors import DegradedInputWarning, PartialFailureError
from timesenclip.grid import Window
from timesenclip.manifest import Manifest
from timesenclip.mapping.run.blocks import block_key, done_blocks, run_blocks
from timesenclip.mapping.run.executor import BlockResult, open_executor
from timesenclip.mapping.run.facts import BlockFacts

WINDOWS = [Window(0, 2, 0, 3), Window(0, 2, 3, 6), Window(2, 4, 0, 3)]


class Job:
    """A job whose blocks have their first column as the number of pixels seen."""

    def __init__(self, broken: dict[tuple[int, ...], BaseException] | None = None) -> None:
        self.broken, self.ran, self.lost = broken or {}, [], set()

    def run(self, window: tuple[int, int, int, int]) -> BlockFacts:
        self.ran.append(window)
        if window in self.broken:
            raise self.broken[window]
        return BlockFacts(seen=window[2], pixels=6, input={"source": "cube"})

    def is_done(self, window: tuple[int, int, int, int], facts: BlockFacts) -> bool:
        return window not in self.lost


def run(job: Job, path: Path, **how: Any) -> dict[Any, BlockFacts]:
    with open_executor(1, None) as executor, Manifest(path, "test", {}) as manifest:
        return run_blocks(executor, job, WINDOWS, manifest, output=path, **how)


def test_only_missing_blocks_are_done_and_all_are_returned_in_order(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    facts = run(Job(), tmp_path / "m.jsonl", progress=lambda done, of: told.append((done, of)))
    assert list(facts) == WINDOWS
    assert told == [(6, 18), (12, 18), (18, 18)]
    assert [each.input for each in facts.values()] == [{"source": "cube"}, {}, {}]  # the same input is kept once
    again = Job()
    again.lost = {WINDOWS[1]}
    assert run(again, tmp_path / "m.jsonl") == facts
    assert again.ran == [WINDOWS[1]]
    with Manifest(tmp_path / "m.jsonl", "test", {}) as manifest:
        assert list(done_blocks(again, WINDOWS, manifest)) == [WINDOWS[0], WINDOWS[2]]
        assert done_blocks(again, WINDOWS, manifest, level=1) == {}


def test_failed_blocks_are_named_and_a_type_error_is_not_tried_again(tmp_path: Path) -> None:
    job = Job({WINDOWS[1]: TypeError("unsupported operand")})
    with pytest.raises(PartialFailureError, match=r"1 of 3 blocks failed .*columns 3-6 \(TypeError: unsupported"):
        run(job, tmp_path / "m.jsonl")
    assert job.ran == WINDOWS
    mended = Job()
    run(mended, tmp_path / "m.jsonl")
    assert mended.ran == [WINDOWS[1]]


def test_where_all_blocks_fail_the_first_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no good"):
        run(Job(dict.fromkeys(WINDOWS, ValueError("no good"))), tmp_path / "m.jsonl")


def test_a_warning_that_is_an_error_ends_the_run(tmp_path: Path) -> None:
    job = Job({WINDOWS[0]: DegradedInputWarning("strict")})
    with pytest.raises(DegradedInputWarning, match="strict"):
        run(job, tmp_path / "m.jsonl")


def test_troubles_of_other_processes_are_warned_of_once(tmp_path: Path) -> None:
    def remote(job: Any, windows: Iterable[Any]) -> Iterator[BlockResult]:
        for window in windows:
            own = {"failed": ["a.tif"], "contradicted": {"scene": "too dark"}}
            yield BlockResult(window, BlockFacts(seen=1, input=own), None, remote=True)

    with Manifest(tmp_path / "m.jsonl", "test", {}) as manifest, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run_blocks(remote, Job(), WINDOWS, manifest, output=tmp_path)
    said = [str(warning.message) for warning in caught]
    assert len(said) == 2
    assert said[0].startswith("1 files could not be read")
    assert "1 scenes contradict the offset" in said[1]


def test_keys_name_level_and_place() -> None:
    assert block_key(2, Window(0, 16, 32, 48)) == "level 2 rows 0-16 columns 32-48"
