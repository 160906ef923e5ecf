from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from timesenclip.errors import DataNotFoundError, InputError, TrainingDivergedError
from timesenclip.ground.load import load_tower
from timesenclip.train import loop
from timesenclip.train.card import calibrate, measure, model_card
from timesenclip.train.config import LossConfig, TrainConfig, WorldConfig, read_config
from timesenclip.train.notes import Notebook, kinds_of_place
from timesenclip.train.places import cover_shares

CONFIGS = Path(__file__).parents[3] / "configs"


def test_the_recipe_of_the_shipped_checkpoint_can_be_read() -> None:
    assert read_config(CONFIGS / "default.yaml").name == "timesenclip-default"


def test_bad_recipes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("name: x\nlearning_rat: 3\n")
    with pytest.raises(InputError, match="learning_rat"):
        read_config(file)
    with pytest.raises(DataNotFoundError, match="No training recipe"):
        read_config(tmp_path / "none.yaml")


def test_every_kind_of_place_has_notes_and_every_class_named_exists() -> None:
    notebook = Notebook(load_tower("compact"))
    kinds = list(range(len(kinds_of_place())))
    views = notebook.views(kinds, ["arid"] * len(kinds), rng=np.random.default_rng(0))
    assert views.shape == (len(kinds), 4, 256)
    assert np.allclose(np.linalg.norm(views, axis=2), 1, atol=1e-4)
    everyday, covers = notebook.questions[:2]
    assert (everyday.true.sum(axis=1) == 1).all()
    assert covers.true.sum() == covers.true.shape[1]
    for question in notebook.questions:
        for single in (False, True):
            weights = question.weights(single=single, rng=np.random.default_rng(0))
            assert np.allclose(np.linalg.norm(weights, axis=1), 1, atol=1e-4)


def test_shares_favour_no_group_for_its_number_of_covers() -> None:
    assert cover_shares().sum() == pytest.approx(1.0)


def _config(**changes: object) -> TrainConfig:
    world = WorldConfig(simulated=1500, refresh_steps=1000)
    fields = {"name": "t", "encoder": "tiny", "steps": 60, "batch_size": 96, "learning_rate": 3e-3, "ema": 0.9}
    return TrainConfig(**(fields | {"world": world} | changes))  # type: ignore[arg-type]


def test_training_learns_and_repeats_itself() -> None:
    figures: list[dict[str, float]] = []
    model = loop.fit(_config(), progress=lambda _step, _steps, found: figures.append(found))
    again = loop.fit(_config())
    for mine, theirs in zip(model.encoder.parameters(), again.encoder.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    model = calibrate(model, None, seed=1)
    assert model.config.calibration.fitted
    task = measure(model, None, seed=2)[0]
    zero_shot = task.methods["zero-shot"]
    assert zero_shot.balanced_accuracy > 0.35  # chance is 0.125
    card = model_card(model, [task], recipe=Path("configs/default.yaml"))
    assert f"| zero-shot | {zero_shot.accuracy:.3f} |" in card
    assert "$" not in card


def test_a_loss_that_is_not_finite_stops_at_once() -> None:
    with pytest.raises(TrainingDivergedError, match="at step"):
        loop.fit(_config(learning_rate=1e30, loss=LossConfig(contrast_weight=1e30)))
