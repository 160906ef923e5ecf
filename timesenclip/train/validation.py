"""Validation without labels: retrieval of the photographs of held-out places among those of other places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from timesenclip.evaluation.retrieval import rank_after_ties
from timesenclip.train.batches import Batches
from timesenclip.train.learner import Learner
from timesenclip.train.recipe import SelectionConfig

__all__ = ["HeldOut", "Validation", "instance_recall", "retrieval"]

_CUTS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Validation:
    """The held-out places and settings that select checkpoints."""

    batches: Batches
    """Held-out places, not augmented."""
    selection: SelectionConfig
    """Settings of the selection."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Results of retrieval among held-out places."""

    places: int
    """Places compared."""
    satellite_to_ground: dict[int, float]
    """Recall@K: share of places whose own photographs are among the K nearest."""
    ground_to_satellite: dict[int, float]
    """Recall@K from photographs to places."""

    def mean(self, k: int) -> float:
        """Mean of both directions."""
        return (self.satellite_to_ground[k] + self.ground_to_satellite[k]) / 2


def instance_recall(
    queries: Tensor, targets: Tensor, cuts: Sequence[int] = _CUTS, *, block: int = 1024
) -> dict[int, float]:
    """Share of the queries (M, D) whose own target (same row) is among the K most similar of all (M, D).

    A target as similar as the own one ranks before it, so equal vectors are no success.
    """
    rank = []
    for first in range(0, len(queries), block):
        part = queries[first : first + block]
        scores = part @ targets.T  # (b, M)
        own = scores.gather(1, torch.arange(first, first + len(part), device=scores.device)[:, None])
        rank.append(rank_after_ties(scores, own, own))
    ranks = torch.cat(rank)
    return {k: float((ranks <= k).float().mean()) for k in cuts}


@torch.no_grad()
def retrieval(learner: Learner, batches: Batches, *, most: int, device: torch.device, batch_size: int = 512) -> HeldOut:
    """Measure retrieval on at most `most` places, the same ones in every call."""
    training = learner.training
    learner.eval()
    chosen = np.random.default_rng(0).permutation(len(batches.places))[:most]
    parts = np.array_split(chosen, -(-len(chosen) // batch_size))
    pairs = [learner.sides(batches.get(part).to(device)) for part in parts]
    learner.train(training)
    satellite, ground = (torch.cat(side) for side in zip(*pairs, strict=True))
    return HeldOut(len(chosen), instance_recall(satellite, ground), instance_recall(ground, satellite))
