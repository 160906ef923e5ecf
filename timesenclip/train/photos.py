"""The `Source` of recipes for photographs: pixel years paired with photographs, as batches for the trainer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from timesenclip.bands import BAND_NAMES
from timesenclip.errors import InputError
from timesenclip.model.augment import AUGMENTATIONS, Compose
from timesenclip.model.checkpoint import Model, save
from timesenclip.model.checkpoint_config import Calibration, CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import PRESETS, EncoderConfig, SeriesEncoder
from timesenclip.train.batches import Batch, Batches, draw_seed
from timesenclip.train.data import TrainingData, read_training_data
from timesenclip.train.model_card import photo_card
from timesenclip.train.recipe import PhotoRecipe, recipe_digest
from timesenclip.train.validation import HeldOut, Validation

__all__ = ["PhotoSource", "make_architecture", "make_batches"]


class PhotoSource:
    """Pixel years paired with photographs (`timesenclip.train.source.Source`). Every draw is seeded by (seed, step)."""

    terms: tuple[str, ...] = ()

    def __init__(self, recipe: PhotoRecipe, *, rank: int = 0, world: int = 1) -> None:
        """Read the data of a recipe, for one process of `world`."""
        self.recipe = recipe
        self.data = read_training_data(recipe)
        self.architecture = make_architecture(recipe, self.data)
        self._batches = make_batches(recipe, self.data, rank=rank, world=world)
        self.validation: Validation | None = Validation(
            make_batches(recipe, self.data, held_out=True), recipe.selection
        )
        self.weights_seed = draw_seed(recipe.seed, 0)
        self.epoch_batches = len(self._batches)
        self.steps = max(1, recipe.epochs * self.epoch_batches // recipe.accumulate)
        self.parts = self.data.parts
        self.nearest_m: float | None = self.data.nearest_m
        self.series_steps = int(self.data.store.attributes["steps"])
        per_place = self.series_steps * self.architecture.bands * self.architecture.patch_size**2 * 2
        places = len(self.data.train) + len(self.data.validation)
        self.bytes_in_memory = places * per_place + self.data.train.vectors.nbytes

    def stream(self, first: int) -> Iterator[Batch]:
        """Batches from number `first` on."""
        return self._batches.stream(first)

    def sample(self, count: int) -> Batch:
        """A batch of at most `count` places, not augmented."""
        return self._batches.get(self._batches.order(0)[:count])

    def seed_dropout(self, number: int, rank: int) -> None:
        """Seed dropout by (seed, batch, process)."""
        torch.manual_seed(draw_seed(self.recipe.seed, 3, number, rank))

    def state(self) -> dict[str, Any]:
        """An empty state, since no draw depends on an earlier one."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Do nothing, since every draw is seeded by (seed, step)."""

    def about(self) -> dict[str, Any]:
        """Facts about the data for `run.json`."""
        nearest = self.data.nearest_m
        return {
            "places": self.data.parts,
            "nearest_held_out_m": nearest if nearest < float("inf") else None,
            "tower": self.data.tower,
            "series": dict(self.data.store.attributes),
        }

    def write_checkpoint(
        self, encoder: SeriesEncoder, folder: Path, *, scale: float, step: int, held: HeldOut | None
    ) -> None:
        """Write a checkpoint and its card."""
        recipe, data = self.recipe, self.data
        config = CheckpointConfig(
            name=recipe.name,
            encoder=encoder_fields(encoder.config),
            normalisation=recipe.normalisation,
            band_names=recipe.data.bands,
            tower=TowerRef(name=data.tower, dim=data.dim, revision=data.revision),
            hemisphere_shift=recipe.hemisphere_shift,
            # Without labels nothing can be calibrated: the learned temperature is used, and marked as not fitted.
            calibration=Calibration(temperature=1 / max(scale, 1e-6)),
            training={
                "recipe": recipe.model_dump(mode="json"),
                "digest": recipe_digest(recipe),
                "step": step,
                "torch": torch.__version__,
                "data": data.parts,
            }
            | ({} if held is None else {"held_out": asdict(held)}),
        )
        model = Model(encoder, config)
        save(model, folder, card=photo_card(model, recipe, data, held, step=step))


def make_architecture(recipe: PhotoRecipe, data: TrainingData) -> EncoderConfig:
    """Configuration of the encoder that a recipe trains on these data."""
    options: dict[str, Any] = {
        "embed_dim": data.dim,
        "bands": len(recipe.data.bands or BAND_NAMES),
        "patch_size": recipe.data.patch_size or data.store.patch_size,
    }
    fixed = next((key for key in options if recipe.encoder_options.get(key, options[key]) != options[key]), None)
    if fixed is not None:
        raise InputError(
            f"encoder_options.{fixed} is {recipe.encoder_options[fixed]}, but the data have {options[fixed]}; leave it "
            "out."
        )
    return PRESETS[recipe.encoder].changed(options | recipe.encoder_options)


def make_batches(
    recipe: PhotoRecipe, data: TrainingData, *, held_out: bool = False, rank: int = 0, world: int = 1
) -> Batches:
    """Batches of the training or of the validation places; only the former are augmented."""
    places = data.validation if held_out else data.train
    augmentation = Compose([replace(AUGMENTATIONS[part.name], p=part.p) for part in recipe.augment])  # type: ignore[type-var]
    return Batches(
        data.store,
        places,
        batch_size=min(recipe.batch_size, len(places)) if held_out else recipe.batch_size,
        normalisation=recipe.normalisation,
        seed=recipe.seed,
        augmentation=augmentation if recipe.augment and not held_out else None,
        hemisphere_shift=recipe.hemisphere_shift,
        unit_views=recipe.data.unit_views,
        bands=recipe.data.bands,
        patch_size=recipe.data.patch_size,
        band_mask=bool(recipe.encoder_options.get("band_mask", False)),
        rank=0 if held_out else rank,
        world=1 if held_out else world,
    )
