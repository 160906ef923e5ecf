"""A run's folder: its lock and its state."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from timesenclip.errors import InputError, RunStoppedError
from timesenclip.files import TEMPORARY_SUFFIX
from timesenclip.train.state import RunLog, locked, save_state


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()}"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


HOLD = """
import sys
from pathlib import Path
from timesenclip.train.state import locked
with locked(Path(sys.argv[1])):
    print("begun", flush=True)
    sys.stdin.readline()
"""


def test_a_run_of_another_process_is_refused_until_that_process_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "begun\n"
        with pytest.raises(InputError, match=rf"process {run.pid}\) trains"), locked(tmp_path):
            pass
        run.kill()
    with locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_the_state_before(tmp_path: Path) -> None:
    save_state(tmp_path, {"step": 1, "x": torch.ones(3)})
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    (tmp_path / f".state.pt{TEMPORARY_SUFFIX}").symlink_to("/dev/full")
    with pytest.raises(RunStoppedError, match=r"Cannot save step 2 .*the state saved before is kept"):
        save_state(tmp_path, {"step": 2, "x": torch.ones(100_000)})
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_run_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError), locked(tmp_path / "runs" / "a"):
        raise InputError("x")
    assert not list(tmp_path.iterdir())
    (tmp_path / "own").mkdir()
    with locked(tmp_path / "own"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_a_line_that_a_killed_process_cut_is_left_out(tmp_path: Path) -> None:
    log = RunLog(tmp_path, step=0)
    log.add(10, 0, {"loss": 1.0})
    log.close()
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("1")  # of 120
    RunLog(tmp_path, step=20).close()
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "10"]


def test_a_full_disk_for_the_log_is_named_and_keeps_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunLog(tmp_path, step=0)
    log.add(10, 0, {"loss": 1.0})
    before = (tmp_path / "metrics.csv").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("csv.DictWriter.writerow", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*metrics\.csv'"):
            log.add(20, 0, {"loss": 1.0})
    log.close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"metrics\.csv"):
            RunLog(tmp_path, step=20)
    assert (tmp_path / "metrics.csv").read_bytes() == before
