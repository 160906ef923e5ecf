"""`python -m timesenclip.train.field_notes how-good`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.train.field_notes.small_world import random_model, write_fold, write_real_sets
from timesenclip.model.checkpoint import load, save
from timesenclip.train.field_notes import __main__ as command
from timesenclip.train.field_notes import forests, phrase_places


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(forests, "_TREES", 5)
    monkeypatch.setattr(phrase_places, "_PLACES", 200)
    write_real_sets(tmp_path / "real")
    write_fold(tmp_path / "a", "rondonia", seed=1)
    write_fold(tmp_path / "b", "roraima", seed=2)
    save(random_model(seed=3), tmp_path / "final", card="old")
    return tmp_path


def test_folds_are_measured_and_the_final_checkpoint_is_calibrated(world: Path) -> None:
    before = (world / "final" / "model.safetensors").read_bytes()
    given = ["how-good", world / "a", world / "b", "--final", world / "final"]
    assert command.main([*map(str, given), "--real", str(world / "real"), "--doc", str(world / "how-good.md")]) == 0
    page = (world / "how-good.md").read_text()
    assert "| rondonia | 28 | 2 of 8 |" in page
    assert "| roraima | 28 | 2 of 8 |" in page
    assert "has not seen roraima" in page
    calibration = load(world / "final").config.calibration
    assert calibration.fitted
    assert calibration.phrase_margin is not None
    assert f"temperature of {calibration.temperature:.3f}" in page
    card = (world / "final" / "README.md").read_text()
    assert "| rondonia | 28 | 2 of 8 |" in card
    assert f"temperature {calibration.temperature:.3f}" in card
    assert (world / "final" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["how-good", "a", "--real", "real"], "Nothing would be written"),
        (["how-good", "none", "--real", "real", "--doc", "p.md"], "No checkpoint 'none'"),
        (["how-good", "final", "--real", "real", "--doc", "p.md"], "names no region"),
        (["how-good", "a", "--real", "empty", "--doc", "p.md"], "No set of real series"),
        (["how-good", "a", "--final", "plain", "--real", "real"], "not trained on field notes"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(
    world: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = random_model()
    model.config = model.config.model_copy(update={"training": {}})
    save(model, world / "plain")
    (world / "empty").mkdir()
    monkeypatch.chdir(world)
    assert command.main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert said in lines[-1]
    assert lines[-1].startswith("error: ")
    assert not (world / "p.md").exists()
