"""Training on field notes: it learns, it repeats itself, and a run that was interrupted changes nothing."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.train.field_notes.presto_file import write_presto
from tests.unit.train.field_notes.test_real_sets import _table
from timesenclip.errors import InputError, TrainingDivergedError
from timesenclip.model.checkpoint import load
from timesenclip.train.field_notes.calibrate import measure, model_card
from timesenclip.train.field_notes.source import FieldNotesSource
from timesenclip.train.recipe import FieldNotesRecipe


def recipe_of(**changes: Any) -> FieldNotesRecipe:
    content: dict[str, Any] = {
        "recipe": "field-notes",
        "name": "t",
        "encoder": "tiny",
        "encoder_options": {"dropout": 0.1},
        "world": {"simulated": 1500, "refresh_steps": 1000},
        "optimiser": {"learning_rate": 3e-3, "weight_decay": 0.02, "warmup": 0.08},
        "steps": 60,
        "batch_size": 96,
        "ema": 0.9,
    }
    return FieldNotesRecipe.model_validate(content | changes)


def test_training_learns_and_repeats_itself(tmp_path: Path, pretrain: Any) -> None:
    done = pretrain(recipe_of(), tmp_path / "one")
    again = pretrain(recipe_of(), tmp_path / "two")
    assert done.checkpoint == tmp_path / "one" / "last"
    assert done.best is None
    weights = [(run.checkpoint / "model.safetensors").read_bytes() for run in (done, again)]
    assert weights[0] == weights[1]
    with (tmp_path / "one" / "metrics.csv").open(newline="") as log:
        rows = list(csv.DictReader(log))
    assert [int(row["step"]) for row in rows] == [10, 20, 30, 40, 50, 60]
    for row in rows:
        assert float(row["loss"]) == pytest.approx(float(row["contrast"]) + float(row["questions"]), abs=1e-4)
    model = load(done.checkpoint)
    assert model.config.calibration.fitted
    task = measure(model, seed=2)[0]
    zero_shot = task.methods["zero-shot"]
    assert zero_shot.balanced_accuracy > 0.35  # chance is 0.125
    card = model_card(model, [task])
    assert f"| zero-shot | {zero_shot.accuracy:.3f} |" in card
    assert "$" not in card
    assert "| zero-shot |" in (done.checkpoint / "README.md").read_text()


@pytest.mark.parametrize("stop_at", [5, 8])  # inside a world, and where a new one begins
def test_a_run_interrupted_at_a_step_and_resumed_ends_with_the_same_weights(
    stop_at: int, tmp_path: Path, pretrain: Any
) -> None:
    recipe = recipe_of(steps=11, batch_size=32, save_every_steps=1, world={"simulated": 200, "refresh_steps": 4})
    whole = pretrain(recipe, tmp_path / "whole")

    def interrupt(step: int, _steps: int, _figures: dict[str, float]) -> None:
        if step == stop_at:
            torch.rand(7)  # a new process would not go on with this generator either
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(recipe, tmp_path / "cut", progress=interrupt)
    assert not (tmp_path / "cut" / "last").exists()
    resumed = pretrain(recipe, tmp_path / "cut")
    assert resumed.resumed_from == stop_at
    states = [torch.load(run.folder / "state.pt", weights_only=True) for run in (whole, resumed)]
    for part in ("learner", "averaged"):
        for name, expected in states[0][part].items():
            assert torch.equal(states[1][part][name], expected), name
    weights = [(run.checkpoint / "model.safetensors").read_bytes() for run in (whole, resumed)]
    assert weights[0] == weights[1]


def test_processes_share_the_batches_of_one() -> None:
    recipe = recipe_of(batch_size=16, world={"simulated": 100, "refresh_steps": 2})
    whole = list(islice(FieldNotesSource(recipe).stream(0), 3))
    shares = [list(islice(FieldNotesSource(recipe, rank=rank, world=2).stream(0), 3)) for rank in (0, 1)]
    for number, batch in enumerate(whole):
        for name in ("x", "calendar", "valid", "views", "place"):
            found = torch.cat([getattr(share[number], name) for share in shares])
            assert torch.equal(found, getattr(batch, name)), name
        for rank in (0, 1):
            assert all(
                torch.equal(mine.vectors, theirs.vectors)
                for mine, theirs in zip(shares[rank][number].questions, batch.questions, strict=True)
            )
    with pytest.raises(InputError, match="cannot be shared by 3"):
        FieldNotesSource(recipe, world=3)


def test_a_loss_that_is_not_finite_stops_at_once(tmp_path: Path, pretrain: Any) -> None:
    recipe = recipe_of(optimiser={"learning_rate": 1e30, "clip_norm": None})
    with pytest.raises(TrainingDivergedError, match=r"The loss is nan at step 2"):
        pretrain(recipe, tmp_path / "run")


def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(tmp_path: Path, pretrain: Any) -> None:
    recipe = recipe_of(objective={"contrast_weight": 1e30})
    with pytest.raises(TrainingDivergedError, match=r"The norm of the gradient is inf at step 1 "):
        pretrain(recipe, tmp_path / "run")


def _with_teacher(folder: Path) -> dict[str, Any]:
    _table(folder / "rondonia-2018/amazonia_2018.parquet", {"label": ["Pasture", "Forest", "unknown to us"] * 4})
    six = ("B02", "B03", "B04", "B8A", "B11", "B12")
    _table(folder / "landsat/pantanal_oli_2018.parquet", {"label": ["AGRICULTURA"] * 6}, bands=six)
    world = {"simulated": 100, "refresh_steps": 2, "real": str(folder), "real_share": 0.5, "band_dropout": 0.3}
    return {
        "steps": 4,
        "batch_size": 32,
        "save_every_steps": 1,
        "encoder_options": {"band_mask": True},
        "world": world | {"teacher": str(write_presto(folder / "presto.pt"))},
        "objective": {"teacher_weight": 1.0, "feature_weight": 1.0},
    }


def test_a_teacher_is_asked_and_every_term_is_logged(tmp_path: Path, pretrain: Any) -> None:
    changes = _with_teacher(tmp_path / "sets")
    source = FieldNotesSource(recipe_of(**changes))
    batch = next(source.stream(0))
    assert batch.lessons is not None
    assert torch.allclose(batch.lessons.probabilities.sum(dim=1), torch.ones(32), atol=1e-4)
    assert batch.lessons.features.abs().sum(dim=1).min() > 0
    assert batch.bands is not None
    assert source.parts["real, Rondonia 2018"] == 12  # those without a label are taught
    run = pretrain(recipe_of(**changes), tmp_path / "run")
    with (run.folder / "metrics.csv").open(newline="") as log:
        row = list(csv.DictReader(log))[-1]
    terms = sum(float(row[name]) for name in ("contrast", "questions", "teacher", "features"))
    assert float(row["loss"]) == pytest.approx(terms, abs=1e-3)
    assert load(run.checkpoint).encoder.config.band_mask
    again = pretrain(recipe_of(**changes), tmp_path / "again")
    assert (again.checkpoint / "model.safetensors").read_bytes() == (run.checkpoint / "model.safetensors").read_bytes()


def test_without_a_teacher_only_labelled_places_are_real(tmp_path: Path) -> None:
    changes = _with_teacher(tmp_path / "sets")
    changes["world"] = changes["world"] | {"teacher": None, "leave_out": ["pantanal"]}
    source = FieldNotesSource(recipe_of(**changes))
    assert source.parts == {"simulated, held at a time": 100, "real, Rondonia 2018": 8}
    assert next(source.stream(0)).lessons is None


def test_bands_are_dropped_only_for_an_encoder_that_is_told() -> None:
    with pytest.raises(InputError, match=r"band_dropout is 0\.3.*band_mask to true"):
        FieldNotesSource(recipe_of(world={"simulated": 100, "band_dropout": 0.3}))
