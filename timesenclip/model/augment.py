"""Random augmentations of pixel series for training, drawn for each sample on its own.

Each takes and returns `(x, calendar, valid)`: x (B, T, C[, p, p]) normalised, calendar (B, T, 2), valid (B, T). Steps
are dropped by marking them missing, so that every step keeps its own dates (in an older version of the authors' encoder
the steps that stay get the positions January to n), and no sample loses its last valid step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from timesenclip.errors import InputError

__all__ = ["AUGMENTATIONS", "Augmentation", "Compose", "MonthDropout", "RandomTS", "SpectralDropout", "TSMixAug"]

Batch: TypeAlias = tuple[Tensor, Tensor, Tensor]


class Augmentation(Protocol):
    """A random change of a batch, drawn for each sample on its own."""

    def __call__(self, x: Tensor, calendar: Tensor, valid: Tensor, generator: torch.Generator) -> Batch:
        """Augment; the inputs are left as they are."""


@dataclass(frozen=True)
class TSMixAug:
    """With probability `p`: the median of the year as one step, or, equally often, three consecutive months dropped.

    Source: the authors' TSMixAug. Differs: one draw a sample instead of a batch, and the median is that of the
    reflectances, as in their evaluation, instead of the embedded tokens.
    """

    p: float = 0.5
    """Probability that a sample is changed at all."""
    span: int = 3
    """Consecutive months dropped."""

    def __call__(self, x: Tensor, calendar: Tensor, valid: Tensor, generator: torch.Generator) -> Batch:
        """Augment."""
        b, t = valid.shape
        active = _chance(b, self.p, generator)
        annual = active & _chance(b, 0.5, generator)
        first = (torch.rand(b, 1, generator=generator) * max(t - self.span + 1, 1)).long()
        month = torch.arange(t)
        inside = (month >= first) & (month < first + self.span)
        valid = _drop(valid, inside & (active & ~annual)[:, None])
        return _annual(x, calendar, valid, annual)


@dataclass(frozen=True)
class RandomTS:
    """With probability `p`: keep k random valid steps, k uniform in 1..T - 1. Source: the authors' RandomTS."""

    p: float = 0.5
    """Probability that a sample is changed at all."""

    def __call__(self, x: Tensor, calendar: Tensor, valid: Tensor, generator: torch.Generator) -> Batch:
        """Augment."""
        b, t = valid.shape
        keep = 1 + (torch.rand(b, 1, generator=generator) * max(t - 1, 1)).long()
        order = torch.rand(b, t, generator=generator).masked_fill(~valid, 2.0)
        rank = order.argsort(dim=1).argsort(dim=1)
        return x, calendar, _drop(valid, (rank >= keep) & _chance(b, self.p, generator)[:, None])


@dataclass(frozen=True)
class MonthDropout:
    """Drop each step on its own, at a rate drawn for each sample from 0..`most`."""

    p: float = 0.5
    """Probability that a sample is changed at all."""
    most: float = 0.7
    """Highest rate, 0..1."""

    def __call__(self, x: Tensor, calendar: Tensor, valid: Tensor, generator: torch.Generator) -> Batch:
        """Augment."""
        b, t = valid.shape
        rate = torch.rand(b, 1, generator=generator) * self.most * _chance(b, self.p, generator)[:, None]
        return x, calendar, _drop(valid, torch.rand(b, t, generator=generator) < rate)


@dataclass(frozen=True)
class SpectralDropout:
    """With probability `p`: keep n random bands, n uniform in `least`..C - 1, and set the others to 0 in every step.

    Source: the band part of the authors' TSMS, which cannot run: it removes bands before a linear layer of fixed width.
    Differs: bands are zeroed after normalisation, so that the layout stays as it is; any bands may stay, not always the
    first three.
    """

    p: float = 0.3
    """Probability that a sample is changed at all."""
    least: int = 3
    """Fewest bands kept."""

    def __call__(self, x: Tensor, calendar: Tensor, valid: Tensor, generator: torch.Generator) -> Batch:
        """Augment."""
        b, c = x.shape[0], x.shape[2]
        if not 1 <= self.least <= c:
            raise InputError(f"SpectralDropout keeps at least {self.least} bands, but the series have {c}.")
        keep = self.least + (torch.rand(b, 1, generator=generator) * max(c - self.least, 1)).long()
        rank = torch.rand(b, c, generator=generator).argsort(dim=1)
        gone = (rank >= keep) & _chance(b, self.p, generator)[:, None]  # (B, C)
        return x.masked_fill(gone.view(b, 1, c, *(1,) * (x.ndim - 3)), 0.0), calendar, valid


@dataclass(frozen=True)
class Compose:
    """Several augmentations, one after the other."""

    parts: Sequence[Augmentation]
    """In order."""

    def __call__(self, x: Tensor, calendar: Tensor, valid: Tensor, generator: torch.Generator) -> Batch:
        """Augment."""
        for part in self.parts:
            x, calendar, valid = part(x, calendar, valid, generator)
        return x, calendar, valid


AUGMENTATIONS: dict[str, Augmentation] = {
    "ts-mix-aug": TSMixAug(),
    "random-ts": RandomTS(),
    "month-dropout": MonthDropout(),
    "spectral-dropout": SpectralDropout(),
}
"""Augmentations by the names that recipes use."""


def _chance(count: int, p: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) < p


def _drop(valid: Tensor, gone: Tensor) -> Tensor:
    """(B, T) valid steps without those of `gone`; samples that would lose all of them keep all."""
    left = valid & ~gone
    return torch.where(left.any(dim=1, keepdim=True), left, valid)


def _annual(x: Tensor, calendar: Tensor, valid: Tensor, which: Tensor) -> Batch:
    """Replace the series of `which` by one step: the median of their valid steps, dated from first to last."""
    which = which & valid.any(dim=1)
    if not bool(which.any()):
        return x, calendar, valid
    x, calendar, valid = x.clone(), calendar.clone(), valid.clone()
    mask = valid[which]
    values = x[which].masked_fill(~mask.view(*mask.shape, *(1,) * (x.ndim - 2)), torch.nan)
    dates = calendar[which]
    # `start` wraps at New Year; a step that begins earlier in the year than the one before it is a year on.
    wraps = (dates[:, :, 0].diff(dim=1) < -1e-6).cumsum(dim=1).to(dates.dtype)
    start = dates[:, :, 0] + torch.cat([torch.zeros(len(dates), 1), wraps], dim=1)  # (B, T)
    end = start + (dates[..., 1] - dates[..., 0])
    x[which, 0] = values.nanmedian(dim=1).values
    first = start.masked_fill(~mask, torch.inf).amin(dim=1)
    calendar[which, 0, 0] = first
    calendar[which, 0, 1] = end.masked_fill(~mask, -torch.inf).amax(dim=1)
    valid[which] = torch.arange(valid.shape[1]) == 0
    return x, calendar, valid
