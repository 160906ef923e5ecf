"""A run's folder: its lock and its state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from timesenclip.errors import InputError, RunStoppedError
from timesenclip.train.state import locked, save_state


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()}"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_full_disk_keeps_the_state_before(tmp_path: Path) -> None:
    save_state(tmp_path, {"step": 1, "x": torch.ones(3)})
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    (tmp_path / ".state.pt.tmp").symlink_to("/dev/full")
    with pytest.raises(RunStoppedError, match=r"Cannot save step 2 .*the state saved before is kept"):
        save_state(tmp_path, {"step": 2, "x": torch.ones(100_000)})
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
