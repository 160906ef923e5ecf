"""What learns from photographs: encoder, pooling, temperature and bank, and their loss on one device or many.

Every process computes the loss of the whole batch: embeddings are gathered with their gradients, so the negatives and
the bank are the same everywhere, and the gradient is that of one process with all of the batch.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timesenclip.model.contrastive import Temperature, info_nce
from timesenclip.model.encoder import EncoderConfig, SeriesEncoder
from timesenclip.model.memory_bank import MemoryBank
from timesenclip.model.pooling import AttentionPooling
from timesenclip.train.batches import Batch
from timesenclip.train.recipe import ObjectiveConfig

__all__ = ["Learner", "gather", "learning_rate_factor"]


class Learner(nn.Module):
    """Embeds both sides of a batch and compares them."""

    def __init__(self, architecture: EncoderConfig, objective: ObjectiveConfig) -> None:
        """Build with random weights."""
        super().__init__()
        self.objective = objective
        self.encoder = SeriesEncoder(architecture)
        self.pooling = AttentionPooling(architecture.embed_dim, objective.pooling)
        self.temperature = Temperature(objective.temperature)
        self.temperature.requires_grad_(objective.learn_temperature)
        self.bank = MemoryBank(architecture.embed_dim, objective.bank_size)

    def forward(
        self, x: Tensor, calendar: Tensor, valid: Tensor, views: Tensor, has_view: Tensor, place: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Loss of the whole batch, and what the bank should learn from it: keys (B, D) and places (B,).

        Args are this process's share, as in `Batch`.

        Where the bank is the only source of negatives and still empty, the first batch has nothing to be compared with:
        its loss is zero and it only fills the bank. Differs: the authors start from random vectors (defect 18).
        """
        satellite = gather(F.normalize(self.encoder(x, calendar, valid).float(), dim=-1))  # (B, D)
        ground = gather(F.normalize(self.pooling(views, has_view).float(), dim=-1))  # (B, D)
        place = gather(place)
        same = self.objective.ignore_same_place
        with torch.autocast(satellite.device.type, enabled=False):  # with a scale of 100 half precision is too coarse
            loss = info_nce(
                satellite,
                ground,
                scale=self.temperature(),
                bank_keys=self.bank.keys.clone(),
                in_batch=self.objective.in_batch,
                symmetric=self.objective.symmetric,
                place=place if same else None,
                bank_place=self.bank.place if same else None,
            )
        return loss, ground.detach(), place

    def sides(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Unit vectors (B, D) of the satellite and of the ground side."""
        satellite = F.normalize(self.encoder(batch.x, batch.calendar, batch.valid).float(), dim=-1)
        return satellite, F.normalize(self.pooling(batch.views, batch.has_view).float(), dim=-1)


def gather(tensor: Tensor) -> Tensor:
    """Rows of all processes, in rank order; the tensor itself where there is one process.

    The gradient of a row is the sum over the processes, each of which computes the same loss; averaging over processes,
    as DDP does, then gives the gradient of that loss once.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return tensor
    if torch.distributed.get_world_size() == 1:
        return tensor
    if not tensor.requires_grad:
        return _all_rows(tensor)
    return _Gather.apply(tensor)  # type: ignore[no-any-return,no-untyped-call]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        context.rows = len(tensor)
        return _all_rows(tensor)

    @staticmethod
    def backward(context: Any, *gradient: Tensor) -> Tensor:
        total = gradient[0].contiguous().clone()
        torch.distributed.all_reduce(total)
        first = torch.distributed.get_rank() * context.rows
        return total[first : first + context.rows]


def _all_rows(tensor: Tensor) -> Tensor:
    parts = [torch.empty_like(tensor) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


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
