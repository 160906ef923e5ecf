"""What a sweep is made of: its checkpoints, and one cell for each question that is put to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["RETRIEVAL", "Entry", "SweepCell"]

RETRIEVAL = tuple(f"{way} R@{k}" for way in ("S2G", "G2S") for k in (1, 5, 10))
"""Columns of held-out retrieval: satellite to ground, and back."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A checkpoint of a sweep, and how it differs from the others."""

    name: str
    """Unique in the sweep: `base`, `bands=rgb`, or the checkpoint as the file names it."""
    checkpoint: str | None
    """As `load` takes it; None: its training diverged, and it has no figures."""
    settings: Mapping[str, str | int] = field(default_factory=dict)
    """What it was trained with, by axis, and its `seed`; empty for a checkpoint that was given."""
    changed: tuple[str, ...] = ()
    """Axes that differ from the recipe."""
    retrieval: Mapping[str, float] = field(default_factory=dict)
    """Recall among held-out places, by the names of `RETRIEVAL`."""


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One combination and what came of it."""

    checkpoint: str
    """Name of its entry."""
    digest: str
    """Of its weights."""
    templates: str
    """Template set."""
    composite: str
    """Length of a step."""
    months_kept: int
    """Steps kept of each series."""
    seed: int
    """Of their choice."""
    count: int
    """Samples."""
    steps: float
    """Steps that were really left, mean."""
    accuracy: float
    """Zero-shot, never unknown."""
    balanced_accuracy: float
    """Mean recall of the classes that are present."""
    macro_f1: float
    """Mean F1 of the classes that are present."""
