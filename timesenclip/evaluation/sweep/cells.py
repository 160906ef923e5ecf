"""Parts of a sweep: its checkpoints, and one cell for each combination of checkpoint and evaluation settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["RETRIEVAL", "SweepCell", "SweepCheckpoint"]

RETRIEVAL = tuple(f"{way} R@{k}" for way in ("S2G", "G2S") for k in (1, 5, 10))
"""Columns of held-out retrieval: satellite to ground (S2G), and back (G2S)."""


@dataclass(frozen=True, slots=True)
class SweepCheckpoint:
    """A checkpoint of a sweep, and how it differs from the others."""

    name: str
    """Unique in the sweep: `base`, `bands=rgb`, or the checkpoint as the file names it."""
    checkpoint: str | None
    """Name or folder for `load`; None: its training diverged, and it has no results."""
    settings: Mapping[str, str | int] = field(default_factory=dict)
    """What it was trained with, by axis, and its `seed`; empty for a checkpoint that was given."""
    changed: tuple[str, ...] = ()
    """Axes that differ from the recipe."""
    retrieval: Mapping[str, float] = field(default_factory=dict)
    """Recall among held-out places, by the names of `RETRIEVAL`."""


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One combination and its metrics."""

    checkpoint: str
    """Name of the entry."""
    digest: str
    """Digest of the weights."""
    templates: str
    """Template set."""
    composite: str
    """Length of a step."""
    months_kept: int
    """Steps kept of each series."""
    seed: int
    """Seed of the choice of steps."""
    count: int
    """Number of samples."""
    steps: float
    """Valid steps that were left, mean over the series."""
    accuracy: float
    """Zero-shot accuracy; `unknown` is never predicted."""
    balanced_accuracy: float
    """Mean recall of the classes that are present."""
    macro_f1: float
    """Mean F1 of the classes that are present."""
