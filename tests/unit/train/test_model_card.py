"""The card of a checkpoint trained on photographs: its figures are those of the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.train.photo_world import DIM, recipe_of
from timesenclip.model.checkpoint import Model
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import SeriesEncoder
from timesenclip.train.data import TrainingData, read_training_data
from timesenclip.train.model_card import photo_card
from timesenclip.train.photos import make_architecture
from timesenclip.train.validation import HeldOut

HELD = HeldOut(4, {1: 0.25, 10: 0.75}, {1: 0.125, 10: 1.0})


@pytest.fixture(scope="module")
def data(world: Path) -> TrainingData:
    return read_training_data(recipe_of(world))


def card(world: Path, data: TrainingData, held: HeldOut | None = HELD, **changes: Any) -> str:
    recipe = recipe_of(world, **changes)
    encoder = SeriesEncoder(make_architecture(recipe, data))
    config = CheckpointConfig(
        name=recipe.name,
        encoder=encoder_fields(encoder.config),
        normalisation=recipe.normalisation,
        tower=TowerRef(name=data.tower, dim=DIM),
    )
    return photo_card(Model(encoder, config), recipe, data, held, step=1234)


def test_the_figures_are_those_of_the_held_out_places(world: Path, data: TrainingData) -> None:
    text = card(world, data)
    assert "Instance retrieval among 4 held-out places" in text
    assert "| | Recall@1 | Recall@10 |\n|---|---|---|\n" in text
    assert "| satellite to ground | 0.250 | 0.750 |" in text
    assert "| ground to satellite | 0.125 | 1.000 |" in text
    assert "| chance | 0.250 | 1.000 |" in text  # 1 of 4, and never above 1


def test_without_held_out_figures_none_are_claimed(world: Path, data: TrainingData) -> None:
    text = card(world, data, None)
    assert "Recall@" not in text
    assert "Weights of the last step" in text


def test_the_data_and_the_run_are_described(world: Path, data: TrainingData) -> None:
    text = card(world, data)
    assert text.startswith("---\nlibrary_name: timesenclip\n")
    assert "trained for 1,234 steps" in text
    for name, number in data.parts.items():
        assert (f"| {name} | {number:,} |" in text) == (number > 0)
    assert f"The nearest held-out place is {data.nearest_m:,.0f} m from a training place." in text
    unknown = card(world, replace(data, nearest_m=float("inf")))
    assert "The nearest held-out place is unknown from" in unknown


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ({"bank_size": 32, "in_batch": True, "symmetric": True}, "a bank of 32 keys and the rest of the batch, both"),
        ({"bank_size": 32, "in_batch": False}, "InfoNCE against a bank of 32 keys, satellite to ground;"),
        ({"bank_size": 0, "in_batch": True}, "InfoNCE against the rest of the batch, satellite to ground;"),
    ],
)
def test_the_negatives_and_directions_are_those_of_the_recipe(
    objective: dict[str, Any], said: str, world: Path, data: TrainingData
) -> None:
    assert said in card(world, data, objective=objective)


def test_the_augmentation_is_named(world: Path, data: TrainingData) -> None:
    assert "augmentation month-dropout;" in card(world, data)
    assert "augmentation none;" in card(world, data, augment=[])
