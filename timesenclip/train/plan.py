"""The plan of a training run: size, memory and time, without training."""

from __future__ import annotations

import time
from dataclasses import dataclass

from timesenclip.train.batches import Batch
from timesenclip.train.learner import Learner
from timesenclip.train.recipe import Recipe
from timesenclip.train.source import open_source

__all__ = ["TrainPlan", "plan_training"]

_FLOAT = 4


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """Size, memory and time of a run."""

    parameters: int
    """Parameters of the encoder and of the pooling."""
    steps: int
    """Optimiser steps."""
    steps_per_epoch: int
    """Optimiser steps in an epoch."""
    parts: dict[str, int]
    """Places by part."""
    nearest_m: float | None
    """Smallest distance between training and held-out places in metres; None without held-out places."""
    model_mb: float
    """Weights, gradients, AdamW's two moments, averaged weights and bank."""
    data_mb: float
    """Series and ground vectors in memory."""
    activations_mb: float
    """Estimate for one micro-batch: what a backward pass keeps."""
    samples_per_s: float
    """Forward and backward of one small batch on this machine's CPU, in 32 bits."""


def plan_training(recipe: Recipe, *, sample: int = 64) -> TrainPlan:
    """Plan a run; the rate is measured on `sample` places.

    Raises:
        DataNotFoundError: a file does not exist.
        InputError: the data do not fit.
    """
    source = open_source(recipe)
    architecture = source.architecture
    learner = Learner(architecture, recipe.objective)
    count = sum(p.numel() for p in learner.parameters())
    copies = 4 + (recipe.ema is not None)
    width = 2 if recipe.precision != "32-true" else _FLOAT
    tokens = source.series_steps + 1
    # Of a layer: input, q k v, attention weights, mixed values, two sums, two norms, the hidden layer twice.
    kept = 8 * architecture.dim + 2 * architecture.ffn_dim + architecture.heads * tokens
    activations = recipe.batch_size * tokens * kept * architecture.depth * width
    return TrainPlan(
        parameters=count,
        steps=source.steps,
        steps_per_epoch=max(1, source.epoch_batches // recipe.accumulate),
        parts=source.parts,
        nearest_m=source.nearest_m,
        model_mb=(count * copies + recipe.objective.bank_size * architecture.embed_dim) * _FLOAT / 1e6,
        data_mb=source.bytes_in_memory / 1e6,
        activations_mb=activations / 1e6,
        samples_per_s=_rate(learner, source.sample(sample)),
    )


def _rate(learner: Learner, batch: Batch) -> float:
    spent = []
    for _ in range(3):
        began = time.perf_counter()
        loss, *_ = learner(*batch.inputs())
        loss.backward()
        spent.append(time.perf_counter() - began)
    return len(batch.x) / min(spent)
