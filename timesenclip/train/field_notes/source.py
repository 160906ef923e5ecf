"""The `Source` of recipes for field notes: simulated and real places with notes, as batches for the trainer.

NumPy's generator simulates places and draws notes and phrases, torch's draws places and augmentation, torch's global
one the weights and dropout. Their states are part of a run's state, so that a resumed run ends with the weights of one
that was not interrupted.
"""

from __future__ import annotations

import functools
import json
import operator
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
from timesenclip.model.checkpoint import Model, save
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import PRESETS, EncoderConfig, SeriesEncoder
from timesenclip.train.batches import Batch, Lessons, Question, draw_seed
from timesenclip.train.field_notes.augmentation import places_augmentation
from timesenclip.train.field_notes.calibrate import calibrate_and_measure
from timesenclip.train.field_notes.lessons import (
    GROUP_OF_CLASS,
    kinds_of_classes,
    restricted,
    teach_real,
    teach_simulated,
    with_votes,
)
from timesenclip.train.field_notes.notes import FieldNotes, alike_kinds
from timesenclip.train.field_notes.places import Places, exact_mixture, group_weights, simulated_places
from timesenclip.train.field_notes.real_sets import RealSet, read_real_sets
from timesenclip.train.field_notes.teacher import Lessons as TeacherLessons
from timesenclip.train.field_notes.teacher import load_teacher
from timesenclip.train.recipe import FieldNotesRecipe, recipe_digest
from timesenclip.train.validation import HeldOut, Validation

__all__ = ["FieldNotesSource"]

_MONTHS = 12


class FieldNotesSource:
    """Batches of augmented places with notes: simulated ones, renewed every `refresh_steps` steps, and real ones.

    Every process draws the whole batch and takes its share of it (`timesenclip.train.source.Source`).
    """

    terms: tuple[str, ...] = ("contrast", "questions")
    validation: Validation | None = None
    nearest_m: float | None = None

    def __init__(self, recipe: FieldNotesRecipe, *, rank: int = 0, world: int = 1) -> None:
        """Embed the notes, read the real places of a recipe and ask the teacher, for one process of `world`."""
        if recipe.batch_size % world:
            raise InputError(
                f"A batch of {recipe.batch_size} cannot be shared by {world} processes evenly; change "
                "batch_size or devices."
            )
        self.recipe, self._rank, self._world = recipe, rank, world
        self._tower = load_tower(recipe.tower)
        self._notes = FieldNotes(self._tower)
        names = [listed.name for listed in self._notes.class_lists]
        self._dynamic_world_at = names.index("dynamic-world")
        self._dynamic_world = self._notes.class_lists[self._dynamic_world_at]
        self._truth = [torch.from_numpy(listed.true) for listed in self._notes.class_lists]
        everyday = self._notes.everyday_groups
        self._everyday_rows = torch.tensor([everyday.index(group) for group in GROUP_OF_CLASS])
        self._alike = torch.from_numpy(alike_kinds())
        self.architecture = _architecture(recipe, self._tower.dim)
        self._augmentation = places_augmentation(recipe.normalisation, band_dropout=recipe.world.band_dropout)
        self.weights_seed, self.steps = recipe.seed, recipe.steps
        self.epoch_batches = recipe.world.refresh_steps * recipe.accumulate
        self._teacher = load_teacher(recipe.world.teacher) if recipe.world.teacher is not None else None
        if self._teacher is not None:
            self.terms = (*self.terms, "teacher", *(("features",) if recipe.objective.feature_weight else ()))
        self._read_real()
        self.series_steps = _MONTHS
        self.bytes_in_memory = recipe.world.simulated * (_MONTHS * (5 * self.architecture.bands + 2) + 256) * 4
        self._rng = np.random.default_rng(recipe.seed)
        self._generator = torch.Generator().manual_seed(recipe.seed)
        self._world_drawn_from = json.dumps(self._rng.bit_generator.state)

    def _read_real(self) -> None:
        world = self.recipe.world
        self.parts = {"simulated, held at a time": world.simulated}
        self._real: Places | None = None
        self._real_count = 0
        if world.real is None:
            return
        sets = read_real_sets(world.real, leave_out=world.leave_out)
        if self._teacher is None:
            sets = [real.labelled() for real in sets]
        sets = [real for real in sets if len(real)]
        self.parts |= {f"real, {real.title}": len(real) for real in sets}
        if not sets:
            return
        self._real, self._real_weights = self._real_places(sets)
        self._real_count = round(self.recipe.batch_size * world.real_share)

    def _real_places(self, sets: list[RealSet]) -> tuple[Places, Tensor]:
        """The real places, and the weight by which each is drawn.

        Rare kinds of a set are drawn more often than their share; half of the places are drawn by groups.
        """
        taught: list[TeacherLessons] | list[None] = [None] * len(sets)
        if self._teacher is not None:
            taught = teach_real(self._teacher, sets, balance=self.recipe.world.teacher_balance)
        places, weights = [], []
        for real, told in zip(sets, taught, strict=True):
            mixture = real.mixture
            if told is not None:
                likely = restricted(with_votes(told.probabilities, real.votes), mixture, self._dynamic_world)
                told = replace(told, probabilities=likely)
                unlabelled = mixture.sum(axis=1, keepdims=True) == 0
                mixture = np.where(unlabelled, likely @ kinds_of_classes(), mixture)
            made = Places.of(
                real.series,
                np.asarray(mixture, dtype=np.float32),
                [None] * len(real),
                normalisation=self.recipe.normalisation,
                hemisphere_shift=self.recipe.hemisphere_shift,
                lessons=told,
            )
            places.append(made)
            first = made.mixture.argmax(dim=1)
            weights.append(torch.bincount(first)[first].float().rsqrt())
        joined = functools.reduce(operator.add, places)
        within = torch.cat(weights)
        even = group_weights(joined.mixture, within)
        return joined, even / even.sum() + within / within.sum()

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
            yield self._batch(self._places(simulated), rows)
            number += 1

    def _batch(self, places: Places, rows: slice) -> Batch:
        """The places at `rows`, augmented, with a kind drawn for each by its mixture, and notes of that kind."""
        given = self._augmentation(places.encoder_input(band_mask=self.architecture.band_mask), self._generator)
        kind = torch.multinomial(places.mixture, 1, generator=self._generator)[:, 0]
        views = torch.from_numpy(self._notes.views(kind.tolist(), places.climate, rng=self._rng))
        questions = self._questions()
        return Batch(
            given.x[rows],
            given.calendar[rows],
            given.valid[rows],
            views[rows],
            torch.ones(views[rows].shape[:2], dtype=torch.bool),
            kind[rows],
            questions=questions,
            bands=None if given.bands is None else given.bands[rows],
            lessons=self._lessons(places, rows, questions),
            alike=self._alike,
        )

    def _lessons(self, places: Places, rows: slice, questions: tuple[Question, ...]) -> Lessons | None:
        """What the teacher says; half of the time its classes have the vectors that were drawn for the class list of
        their name, half of the time those of plain words.
        """
        if self._teacher is None:
            return None
        if self._rng.random() < 0.5:
            vectors = questions[self._dynamic_world_at].vectors
        else:
            vectors = questions[0].vectors[self._everyday_rows]
        return Lessons(vectors, places.likely[rows], places.features[rows])

    def _simulate(self, rng: np.random.Generator) -> Places:
        """New places. Their kinds are known, so the teacher adds features only."""
        world = self.recipe.world
        made = simulated_places(world.simulated, world, rng=rng)
        mixture = exact_mixture(made.cover)
        lessons = None
        if self._teacher is not None and world.teach_simulated:
            lessons = teach_simulated(self._teacher, made.series, rng=rng)
            likely = restricted(lessons.probabilities, mixture, self._dynamic_world)
            lessons = replace(lessons, probabilities=likely)
        return Places.of(
            made.series,
            mixture,
            made.climate,
            normalisation=self.recipe.normalisation,
            hemisphere_shift=self.recipe.hemisphere_shift,
            lessons=lessons,
        )

    def _places(self, simulated: Places) -> Places:
        """The places of a batch."""
        index = torch.randint(
            0, len(simulated), (self.recipe.batch_size - self._real_count,), generator=self._generator
        )
        places = simulated.take(index)
        if self._real is not None and self._real_count:
            index = torch.multinomial(self._real_weights, self._real_count, replacement=True, generator=self._generator)
            places = places + _perturbed(self._real.take(index), self._generator)
        return places

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
                "world": self.recipe.world.model_copy(
                    update={"simulated": max(64, count), "real": None, "teacher": None}
                ),
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
        calibrate_and_measure(model, folder, seed=recipe.seed)


def _architecture(recipe: FieldNotesRecipe, dim: int) -> EncoderConfig:
    """Configuration of the encoder that a recipe trains.

    Raises:
        InputError: the recipe fixes what the places and the tower decide.
    """
    fixed = {"embed_dim": dim, "bands": len(BAND_NAMES), "patch_size": 1}
    for name, value in fixed.items():
        if recipe.encoder_options.get(name, value) != value:
            raise InputError(
                f"encoder_options.{name} is {recipe.encoder_options[name]}, but the places and the tower have "
                f"{value}; leave it out."
            )
    architecture = PRESETS[recipe.encoder].changed(fixed | recipe.encoder_options)
    if recipe.world.band_dropout and not architecture.band_mask:
        raise InputError(
            f"world.band_dropout is {recipe.world.band_dropout}, but the encoder is not told which bands are there; "
            "set encoder_options.band_mask to true, or band_dropout to 0."
        )
    return architecture


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
