"""What the trainer asks of a kind of recipe: its batches, its draws, and what becomes of the trained encoder."""

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
    """Where batches come from. The trainer knows nothing else of photographs or field notes."""

    architecture: EncoderConfig
    """Of the encoder to train."""
    weights_seed: int
    """What the initial weights are drawn from."""
    steps: int
    """Optimiser steps of the whole run."""
    epoch_batches: int
    """Batches in an epoch."""
    terms: tuple[str, ...]
    """Names of the loss's terms, where it has several; they are logged."""
    validation: Validation | None
    """Held-out places that select checkpoints; None: the last checkpoint is the one to use."""
    parts: dict[str, int]
    """Places by part, for the plan."""
    nearest_m: float | None
    """Smallest distance between training and held-out places, metres; None where nothing is held out."""
    series_steps: int
    """T, steps of a series, for the plan."""
    bytes_in_memory: int
    """What the places take, for the plan."""

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
        """What a later `restore` needs beside the number of batches taken, for `torch.save`."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; called once, after the weights were drawn and before `stream`."""
        ...

    def about(self) -> dict[str, Any]:
        """What `run.json` says of the data."""
        ...

    def write_checkpoint(
        self, encoder: SeriesEncoder, folder: Path, *, scale: float, step: int, held: HeldOut | None
    ) -> None:
        """Write a checkpoint with its card.

        Args:
            encoder: on the CPU.
            folder: the checkpoint's.
            scale: learned scale, 1 / temperature.
            step: steps done.
            held: retrieval among held-out places, where this checkpoint was measured.
        """
        ...


def open_source(recipe: Recipe, *, rank: int = 0, world: int = 1) -> Source:
    """Read what a recipe trains on, for process `rank` of `world`.

    Raises:
        DataNotFoundError: something is not there.
        InputError: the parts do not fit together; the message says which and why.
    """
    if isinstance(recipe, PhotoRecipe):
        return PhotoSource(recipe, rank=rank, world=world)
    # Imported here: who trains on photographs needs neither the simulator nor the notes.
    from timesenclip.train.field_notes.source import FieldNotesSource

    return FieldNotesSource(recipe, rank=rank, world=world)
