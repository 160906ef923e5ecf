"""Calibrating and measuring a checkpoint again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from timesenclip.model.checkpoint import load
from timesenclip.train.field_notes import __main__ as command

SHIPPED = Path(command.__file__).parents[2] / "weights" / "default"


def test_a_checkpoint_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SHIPPED, tmp_path / "model")
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    (tmp_path / "model" / "README.md").write_text("---\nlibrary_name: timesenclip\n---\nold")
    monkeypatch.setattr("sys.argv", ["field_notes", str(tmp_path / "model")])
    assert command.main() == 0
    assert "LUCAS land cover, simulated places" in (tmp_path / "model" / "README.md").read_text()
    assert load(tmp_path / "model").config.calibration.fitted
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before


def test_what_is_no_checkpoint_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["field_notes", str(tmp_path / "none")])
    assert command.main() == 2
    assert "none" in capsys.readouterr().err
