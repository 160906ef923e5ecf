"""The `Source` of recipes for field notes: simulated and real places with notes, as batches for the trainer.

The draws follow one another as they did when the shipped checkpoint was trained: NumPy's generator simulates places and
draws notes and phrases, torch's draws places and augmentation, torch's global one the weights and dropout. Their states
are part of a run's state, so that a resumed run ends with the weights of one that was not interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from timesenclip.bands import BAND_NAMES
from timesenclip.errors import InputError
from timesenclip.ground.load import load_tower
from timesenclip.model.augment import Augmentation, Compose, MonthDropout, RandomTS, TSMixAug
from timesenclip.model.checkpoint import Model, save
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.model.inputs import EncoderInput
from timesenclip.train.batches import Batch, Question, draw_seed
from timesenclip.train.field_notes.calibrate import calibrate_and_measure
from timesenclip.train.field_notes.notes import FieldNotes
from timesenclip.train.field_notes.places import Places, simulate_places
from timesenclip.train.field_notes.worldcereal import read_real_points
from timesenclip.train.recipe import FieldNotesRecipe, recipe_digest
from timesenclip.train.validation import HeldOut, Validation

__all__ = ["AUGMENTATION", "FieldNotesSource"]

AUGMENTATION: Augmentation = Compose((TSMixAug(p=0.15), RandomTS(p=0.25), MonthDropout(p=0.4, most=0.5)))
"""Augmentations of every batch. Differs: weaker than the paper's, because simulated years already lack months."""

_MONTHS = 12


class FieldNotesSource:
    """Batches of augmented places with notes: simulated ones, renewed every `refresh_steps` steps, and real ones.

    Every process draws the whole batch and takes its share of it (`timesenclip.train.source.Source`).
    """

    terms: tuple[str, ...] = ("contrast", "questions")
    validation: Validation | None = None
    nearest_m: float | None = None

    def __init__(self, recipe: FieldNotesRecipe, *, rank: int = 0, world: int = 1) -> None:
        """Embed the notes and read the real places of a recipe, for one process of `world`."""
        if recipe.batch_size % world:
            raise InputError(
                f"A batch of {recipe.batch_size} cannot be shared by {world} processes evenly; change "
                "batch_size or devices."
            )
        self.recipe, self._rank, self._world = recipe, rank, world
        self._tower = load_tower(recipe.tower)
        self._notes = FieldNotes(self._tower)
        self._truth = [torch.from_numpy(listed.true) for listed in self._notes.class_lists]
        fixed = {"embed_dim": self._tower.dim, "bands": len(BAND_NAMES), "patch_size": 1}
        for name, value in fixed.items():
            if recipe.encoder_options.get(name, value) != value:
                raise InputError(
                    f"encoder_options.{name} is {recipe.encoder_options[name]}, but the places and the tower have "
                    f"{value}; leave it out."
                )
        self.architecture = PRESETS[recipe.encoder].changed(fixed | recipe.encoder_options)
        self.weights_seed, self.steps = recipe.seed, recipe.steps
        self.epoch_batches = recipe.world.refresh_steps * recipe.accumulate
        self._read_real()
        self.series_steps = _MONTHS
        self.bytes_in_memory = recipe.world.simulated * _MONTHS * (self.architecture.bands + 2) * 4
        self._rng = np.random.default_rng(recipe.seed)
        self._generator = torch.Generator().manual_seed(recipe.seed)
        self._world_drawn_from = json.dumps(self._rng.bit_generator.state)

    def _read_real(self) -> None:
        recipe = self.recipe
        self._points = read_real_points(recipe.world.real) if recipe.world.real is not None else None
        self._real: Places | None = None
        self._real_count = 0
        self.parts = {"simulated, held at a time": recipe.world.simulated}
        if self._points is None:
            return
        chosen = self._points.take(self._points.part == "train")
        self._real = Places.of(
            chosen.series,
            chosen.kind,
            [None] * len(chosen.kind),
            normalisation=recipe.normalisation,
            hemisphere_shift=recipe.hemisphere_shift,
        )
        self._real_count = round(recipe.batch_size * recipe.world.real_share) if len(self._real) else 0
        # Rare kinds are drawn more often than their share, but less often than common ones.
        self._real_weights = torch.bincount(self._real.kind)[self._real.kind].float().rsqrt()
        names, counts = np.unique(self._points.part, return_counts=True)
        self.parts |= {f"real, {name}": int(count) for name, count in zip(names, counts, strict=True)}

    def stream(self, first: int) -> Iterator[Batch]:
        """Yield this process's share of the batches from number `first` on."""
        share = self.recipe.batch_size // self._world
        rows = slice(self._rank * share, (self._rank + 1) * share)
        number = first
        if number % self.epoch_batches:
            simulated = self._simulate(_generator_at(self._world_drawn_from))
        while True:
            if number % self.epoch_batches == 0:
                self._world_drawn_from = json.dumps(self._rng.bit_generator.state)
                simulated = self._simulate(self._rng)
            places = self._places(simulated)
            views = torch.from_numpy(self._notes.views(places.kind.tolist(), places.climate, rng=self._rng))
            yield Batch(
                places.x[rows],
                places.calendar[rows],
                places.valid[rows],
                views[rows],
                torch.ones(views[rows].shape[:2], dtype=torch.bool),
                places.kind[rows],
                questions=self._questions(),
            )
            number += 1

    def _simulate(self, rng: np.random.Generator) -> Places:
        return simulate_places(
            self.recipe.world.simulated,
            self.recipe.world,
            normalisation=self.recipe.normalisation,
            hemisphere_shift=self.recipe.hemisphere_shift,
            rng=rng,
        )

    def _places(self, simulated: Places) -> Places:
        """The augmented places of a batch."""
        index = torch.randint(
            0, len(simulated), (self.recipe.batch_size - self._real_count,), generator=self._generator
        )
        places = simulated.take(index)
        if self._real is not None and self._real_count:
            index = torch.multinomial(self._real_weights, self._real_count, replacement=True, generator=self._generator)
            places = places + _perturbed(self._real.take(index), self._generator)
        given = AUGMENTATION(EncoderInput(places.x, places.calendar, places.valid), self._generator)
        return replace(places, x=given.x, calendar=given.calendar, valid=given.valid)

    def _questions(self) -> tuple[Question, ...]:
        """The class lists of a batch, with class vectors drawn for this batch.

        Half of the time the vector of a class is that of one phrase, half of the time the mean of all its phrases, so
        that both a single phrase of a user and a prompt ensemble are trained for.
        """
        return tuple(
            Question(torch.from_numpy(listed.vectors(single=bool(self._rng.random() < 0.5), rng=self._rng)), true)
            for listed, true in zip(self._notes.class_lists, self._truth, strict=True)
        )

    def sample(self, count: int) -> Batch:
        """A batch of at most `count` newly simulated places; it does not change the draws of the run."""
        small = self.recipe.model_copy(
            update={
                "world": self.recipe.world.model_copy(update={"simulated": max(64, count), "real": None}),
                "batch_size": min(count, self.recipe.batch_size),
            }
        )
        return next(FieldNotesSource(small).stream(0))

    def seed_dropout(self, number: int, rank: int) -> None:
        """Seed dropout by (seed, batch, process) if there are several; one process continues its generator."""
        if self._world > 1:
            torch.manual_seed(draw_seed(self.recipe.seed, 3, number, rank))

    def state(self) -> dict[str, Any]:
        """The states of the three generators, and the state from which the current places were simulated."""
        return {
            "world": self._world_drawn_from,
            "numpy": json.dumps(self._rng.bit_generator.state),
            "generator": self._generator.get_state(),
            "torch": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Set the generators; `stream` then simulates the same places again."""
        self._world_drawn_from = state["world"]
        self._rng = _generator_at(state["numpy"])
        self._generator.set_state(state["generator"])
        torch.set_rng_state(state["torch"])

    def about(self) -> dict[str, Any]:
        """Facts about the data for `run.json`."""
        return {"places": self.parts, "tower": self.recipe.tower}

    def write_checkpoint(
        self, encoder: SeriesEncoder, folder: Path, *, scale: float, step: int, held: HeldOut | None
    ) -> None:
        """Write the checkpoint, then calibrate and measure it, and write it again with its card."""
        recipe = self.recipe
        config = CheckpointConfig(
            name=recipe.name,
            encoder=encoder_fields(encoder.config),
            normalisation=recipe.normalisation,
            tower=TowerRef(name=recipe.tower, dim=self._tower.dim),
            hemisphere_shift=recipe.hemisphere_shift,
            weights_dtype="float16",
            training={
                "recipe": recipe.model_dump(mode="json"),
                "digest": recipe_digest(recipe),
                "step": step,
                "torch": torch.__version__,
            },
        )
        model = Model(encoder, config)
        save(model, folder)  # kept even if calibration fails
        calibrate_and_measure(model, self._points, folder, seed=recipe.seed)


def _generator_at(state: str) -> np.random.Generator:
    rng = np.random.default_rng()
    rng.bit_generator.state = json.loads(state)
    return rng


def _perturbed(places: Places, generator: torch.Generator) -> Places:
    """Vary the brightness of real places by place, band and step: they are few, and would otherwise be memorised."""
    n, t, c = places.x.shape
    noise: Tensor | int = sum(
        torch.randn(*shape, generator=generator) * spread
        for shape, spread in (((n, 1, 1), 0.03), ((n, 1, c), 0.02), ((n, t, 1), 0.02), ((n, t, c), 0.01))
    )
    return replace(places, x=(places.x * (1 + noise)).clamp(0, 1))
