"""AdamW, its learning-rate schedule, and the moving average of the weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from timesenclip.train.recipe import OptimiserConfig

__all__ = ["average_weights", "learning_rate_factor", "make_optimiser", "make_schedule"]


def make_optimiser(chosen: OptimiserConfig, learner: nn.Module) -> torch.optim.AdamW:
    """AdamW over all trained parameters; biases, norms and tokens decay only with `decay_all`."""
    parameters = [p for p in learner.parameters() if p.requires_grad]
    decay = parameters if chosen.decay_all else [p for p in parameters if p.ndim >= 2]
    plain = [] if chosen.decay_all else [p for p in parameters if p.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": decay, "weight_decay": chosen.weight_decay}]
    if plain:
        groups.append({"params": plain, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=chosen.learning_rate)


def make_schedule(
    optimiser: torch.optim.Optimizer, chosen: OptimiserConfig, *, step: int, steps: int, per_epoch: int
) -> LambdaLR:
    """The schedule of the learning rate, to be stepped after every optimiser step.

    Args:
        optimiser: its state must be that of `step`.
        chosen: optimiser settings of the recipe.
        step: steps done before.
        steps: steps of the whole run.
        per_epoch: steps in an epoch.
    """

    def factor(number: int) -> float:
        return learning_rate_factor(
            number,
            steps=steps,
            per_epoch=per_epoch,
            schedule=chosen.schedule,
            period=chosen.period_epochs,
            warmup=chosen.warmup,
        )

    for group in optimiser.param_groups:
        group["initial_lr"] = chosen.learning_rate
    return LambdaLR(optimiser, factor, last_epoch=step - 1)  # LambdaLR makes one step when it is created


def learning_rate_factor(step: int, *, steps: int, per_epoch: int, schedule: str, period: int, warmup: float) -> float:
    """Factor of the peak learning rate at an optimiser step.

    Source: `cosine-cycle` is the authors' CosineAnnealingLR(T_max=10) stepped by epoch, which rises again after ten.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine-cycle":
        return 0.5 * (1 + math.cos(math.pi * (step // per_epoch) / period))
    warm = max(1, round(steps * warmup))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))


def average_weights(learner: nn.Module, decay: float, *, step: int) -> AveragedModel:
    """A copy of the learner whose weights are a moving average over the steps.

    At the beginning the decay is lower, n / (n + 9) after n weights, so that the random initial weights soon lose
    influence.

    Args:
        learner: the learner whose weights are averaged.
        decay: decay of the average, 0..1.
        step: steps done before.
    """

    def average(averages: tuple[Tensor, ...] | list[Tensor], weights: Any, count: Tensor | int) -> None:
        n = int(count)
        for mine, theirs in zip(averages, weights, strict=True):
            mine.lerp_(theirs, 1 - min(decay, n / (n + 9)))

    averaged = AveragedModel(learner, multi_avg_fn=average)
    averaged.n_averaged.fill_(step + 1)  # the initial weights count; at 0 they would be replaced, not averaged
    return averaged
