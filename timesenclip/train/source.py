"""The protocol of a source of batches, which each kind of recipe implements, and `open_source`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from timesenclip.model.encoder import EncoderConfig, SeriesEncoder
from timesenclip.train.batches import Batch
from timesenclip.train.photos import PhotoSource
from timesenclip.train.recipe import PhotoRecipe, Recipe
from timesenclip.train.validation import HeldOut, Validation

__all__ = ["Source", "open_source"]


class Source(Protocol):
    """Source of the batches of one kind of recipe; the trainer uses photographs and field notes through it only."""

    architecture: EncoderConfig
    """Configuration of the encoder to train."""
    weights_seed: int
    """Seed of the initial weights."""
    steps: int
    """Optimiser steps of the whole run."""
    epoch_batches: int
    """Batches in an epoch."""
    terms: tuple[str, ...]
    """Names of the terms of the loss that are logged; empty if it has one."""
    validation: Validation | None
    """Held-out places that select checkpoints; None: the last checkpoint is used."""
    parts: dict[str, int]
    """Places by part, for the plan."""
    nearest_m: float | None
    """Smallest distance between training and held-out places in metres; None without held-out places."""
    series_steps: int
    """T, steps of a series, for the plan."""
    bytes_in_memory: int
    """Memory of the places in bytes, for the plan."""

    def stream(self, first: int) -> Iterator[Batch]:
        """This process's share of the batches from number `first` on; `first` is where `restore` left off."""
        ...

    def sample(self, count: int) -> Batch:
        """A batch of at most `count` places, to measure the speed on."""
        ...

    def seed_dropout(self, number: int, rank: int) -> None:
        """Prepare torch's generator for batch `number` in process `rank`."""
        ...

    def state(self) -> dict[str, Any]:
        """State for a later `restore`, besides the number of batches taken; saved by `torch.save`."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state; called once, after the weights were drawn and before `stream`."""
        ...

    def about(self) -> dict[str, Any]:
        """Facts about the data for `run.json`."""
        ...

    def write_checkpoint(
        self, encoder: SeriesEncoder, folder: Path, *, scale: float, step: int, held: HeldOut | None
    ) -> None:
        """Write a checkpoint with its card.

        Args:
            encoder: the trained encoder, on the CPU.
            folder: folder of the checkpoint.
            scale: learned scale, 1 / temperature.
            step: steps done.
            held: retrieval among held-out places, where this checkpoint was measured.
        """
        ...


def open_source(recipe: Recipe, *, rank: int = 0, world: int = 1) -> Source:
    """Read the training data of a recipe, for process `rank` of `world`.

    Raises:
        DataNotFoundError: a file does not exist.
        InputError: the parts of the data do not fit together.
    """
    if isinstance(recipe, PhotoRecipe):
        return PhotoSource(recipe, rank=rank, world=world)
    # Imported here, because training on photographs needs neither the simulator nor the notes.
    from timesenclip.train.field_notes.source import FieldNotesSource

    return FieldNotesSource(recipe, rank=rank, world=world)
