"""Training on photographs: the encoder, the batches and the checkpoint of a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.unit.train.photo_world import DIM, recipe_of
from timesenclip.errors import InputError
from timesenclip.model.checkpoint import load
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.train.data import TrainingData, read_training_data
from timesenclip.train.photos import PhotoSource, make_architecture, make_batches
from timesenclip.train.recipe import recipe_digest
from timesenclip.train.validation import HeldOut


@pytest.fixture(scope="module")
def data(world: Path) -> TrainingData:
    return read_training_data(recipe_of(world))


def test_the_architecture_fits_the_data_and_the_recipe(world: Path, data: TrainingData) -> None:
    found = make_architecture(recipe_of(world, encoder_options={"depth": 3}), data)
    assert (found.embed_dim, found.bands, found.patch_size, found.depth) == (DIM, 10, 1, 3)
    assert found.dim == PRESETS["tiny"].dim
    files = {"series": str(world / "series.zarr"), "ground": str(world / "ground.pt")}
    few = recipe_of(world, data=files | {"bands": ["B04", "B08"]})
    assert make_architecture(few, data).bands == 2


def test_only_training_places_are_augmented(world: Path, data: TrainingData) -> None:
    recipe = recipe_of(world, augment=[{"name": "month-dropout", "p": 1.0}])
    plain = recipe_of(world, augment=[])
    dropped, whole = (next(iter(make_batches(one, data).stream(0))) for one in (recipe, plain))
    assert torch.equal(dropped.place, whole.place)
    assert dropped.valid.sum() < whole.valid.sum()
    held, same = (make_batches(one, data, held_out=True) for one in (recipe, plain))
    assert held.places is data.validation
    assert held.batch_size == min(recipe.batch_size, len(data.validation))
    first, second = (next(iter(one.stream(0))) for one in (held, same))
    assert torch.equal(first.valid, second.valid)
    assert torch.equal(first.x, second.x)


def test_processes_share_the_training_places_and_each_sees_all_held_out_ones(world: Path, data: TrainingData) -> None:
    recipe = recipe_of(world, augment=[])
    whole = next(iter(make_batches(recipe, data).stream(0)))
    parts = [next(iter(make_batches(recipe, data, rank=rank, world=2).stream(0))) for rank in (0, 1)]
    assert torch.equal(torch.cat([part.place for part in parts]), whole.place)
    held = [next(iter(make_batches(recipe, data, held_out=True, rank=rank, world=2).stream(0))) for rank in (0, 1)]
    assert torch.equal(held[0].place, held[1].place)


def test_the_seed_of_dropout_is_one_of_batch_and_process(world: Path) -> None:
    source = PhotoSource(recipe_of(world))
    drawn = {}
    for number, rank in ((0, 0), (1, 0), (0, 1), (0, 0)):
        source.seed_dropout(number, rank)
        drawn.setdefault((number, rank), []).append(torch.rand(3).tolist())
    assert drawn[0, 0][0] == drawn[0, 0][1]
    assert drawn[0, 0][0] != drawn[1, 0][0] != drawn[0, 1][0] != drawn[0, 0][0]


def test_the_run_says_what_its_data_are(world: Path, data: TrainingData) -> None:
    about = PhotoSource(recipe_of(world)).about()
    assert about["places"] == data.parts
    assert about["nearest_held_out_m"] == pytest.approx(data.nearest_m)
    assert about["tower"] == "compact"
    assert about["series"]["steps"] == 12


def test_a_checkpoint_holds_the_recipe_the_temperature_and_the_figures(world: Path, tmp_path: Path) -> None:
    recipe = recipe_of(world)
    source = PhotoSource(recipe)
    encoder = SeriesEncoder(source.architecture)
    held = HeldOut(12, {1: 0.25, 5: 0.5, 10: 0.75}, {1: 0.125, 5: 0.5, 10: 1.0})
    source.write_checkpoint(encoder, tmp_path / "best", scale=20.0, step=7, held=held)
    model = load(tmp_path / "best")
    for name, expected in encoder.state_dict().items():
        assert torch.equal(model.encoder.state_dict()[name], expected), name
    config = model.config
    assert (config.name, config.tower.name, config.tower.dim) == ("tiny", "compact", DIM)
    assert config.calibration.temperature == pytest.approx(1 / 20)
    assert not config.calibration.fitted
    assert (config.training["step"], config.training["digest"]) == (7, recipe_digest(recipe))
    assert config.training["held_out"]["satellite_to_ground"]["1"] == 0.25
    assert "| satellite to ground | 0.250 | 0.500 | 0.750 |" in (tmp_path / "best" / "README.md").read_text()
    source.write_checkpoint(encoder, tmp_path / "last", scale=20.0, step=7, held=None)
    assert "held_out" not in load(tmp_path / "last").config.training


def test_more_places_than_there_are_do_not_make_a_batch(world: Path) -> None:
    with pytest.raises(InputError, match="do not fill one batch"):
        PhotoSource(recipe_of(world, batch_size=512))
