"""What a run would do, without doing it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from timesenclip.train.data import TrainingData
from timesenclip.train.learner import Learner
from timesenclip.train.recipe import Recipe
from timesenclip.train.trainer import architecture_of, batches_of

__all__ = ["TrainPlan", "plan_training"]

_FLOAT = 4


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """Size, memory and time of a run."""

    parameters: int
    """Of the encoder and the pooling."""
    steps: int
    """Optimiser steps."""
    steps_per_epoch: int
    """Optimiser steps in an epoch."""
    parts: dict[str, int]
    """Places by part."""
    nearest_m: float
    """Smallest distance between training and held-out places, metres."""
    model_mb: float
    """Weights, gradients, AdamW's two moments, averaged weights and bank."""
    data_mb: float
    """Series and ground vectors in memory."""
    activations_mb: float
    """Estimate for one micro-batch: what a backward pass keeps."""
    samples_per_s: float
    """Forward and backward of one small batch on this machine's CPU, in 32 bits."""


def plan_training(recipe: Recipe, data: TrainingData, *, sample: int = 64) -> TrainPlan:
    """Plan a run; the rate is measured on `sample` places."""
    architecture = architecture_of(recipe, data)
    learner = Learner(architecture, recipe.objective)
    batches = batches_of(recipe, data)
    count = sum(p.numel() for p in learner.parameters())
    copies = 4 + (recipe.ema is not None)
    steps_in_data, width = int(data.store.attributes["steps"]), 2 if recipe.precision != "32-true" else _FLOAT
    tokens = steps_in_data + 1
    # Of a layer: input, q k v, attention weights, mixed values, two sums, two norms, the hidden layer twice.
    kept = 8 * architecture.dim + 2 * architecture.ffn_dim + architecture.heads * tokens
    activations = recipe.batch_size * tokens * kept * architecture.depth * width
    per_place = steps_in_data * architecture.bands * architecture.patch_size**2 * 2
    total = max(1, recipe.epochs * len(batches) // recipe.accumulate)
    return TrainPlan(
        parameters=count,
        steps=total,
        steps_per_epoch=max(1, len(batches) // recipe.accumulate),
        parts=data.parts,
        nearest_m=data.nearest_m,
        model_mb=(count * copies + recipe.objective.bank_size * data.dim) * _FLOAT / 1e6,
        data_mb=((len(data.train) + len(data.validation)) * per_place + data.train.vectors.nbytes) / 1e6,
        activations_mb=activations / 1e6,
        samples_per_s=_rate(learner, batches.get(batches.order(0)[:sample])),
    )


def _rate(learner: Learner, batch: object) -> float:
    arguments = [getattr(batch, name) for name in ("x", "calendar", "valid", "views", "has_view", "place")]
    spent = []
    for _ in range(3):
        began = time.perf_counter()
        loss, _, _ = learner(*arguments)
        loss.backward()
        spent.append(time.perf_counter() - began)
    return len(arguments[0]) / min(spent)
