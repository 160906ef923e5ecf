"""Random augmentations of pixel series for training, drawn for each sample on its own.

Each takes and returns an `EncoderInput`: x (B, T, C[, p, p]) normalised, calendar (B, T, 2), valid (B, T), and bands
(B, T, C) where bands may be missing. Steps are dropped by marking them missing, so that every step keeps its own dates
(in an older version of the authors' encoder the steps that stay get the positions January to n), and no sample loses
its last valid step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from timesenclip.bands import BAND_NAMES, SENSORS
from timesenclip.errors import InputError
from timesenclip.model.inputs import EncoderInput

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "BandDropout",
    "Compose",
    "MonthDropout",
    "RandomTS",
    "SpectralDropout",
    "TSMixAug",
]


class Augmentation(Protocol):
    """A random change of a batch, drawn for each sample on its own."""

    def __call__(self, batch: EncoderInput, generator: torch.Generator) -> EncoderInput:
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

    def __call__(self, batch: EncoderInput, generator: torch.Generator) -> EncoderInput:
        """Augment."""
        b, t = batch.valid.shape
        active = _chance(b, self.p, generator)
        annual = active & _chance(b, 0.5, generator)
        first = (torch.rand(b, 1, generator=generator) * max(t - self.span + 1, 1)).long()
        month = torch.arange(t)
        inside = (month >= first) & (month < first + self.span)
        valid = _drop(batch.valid, inside & (active & ~annual)[:, None])
        return _annual(batch._replace(valid=valid), annual)


@dataclass(frozen=True)
class RandomTS:
    """With probability `p`: keep k random valid steps, k uniform in 1..T - 1. Source: the authors' RandomTS."""

    p: float = 0.5
    """Probability that a sample is changed at all."""

    def __call__(self, batch: EncoderInput, generator: torch.Generator) -> EncoderInput:
        """Augment."""
        valid = batch.valid
        b, t = valid.shape
        keep = 1 + (torch.rand(b, 1, generator=generator) * max(t - 1, 1)).long()
        order = torch.rand(b, t, generator=generator).masked_fill(~valid, 2.0)
        rank = order.argsort(dim=1).argsort(dim=1)
        return batch._replace(valid=_drop(valid, (rank >= keep) & _chance(b, self.p, generator)[:, None]))


@dataclass(frozen=True)
class MonthDropout:
    """Drop each step on its own, at a rate drawn for each sample from 0..`most`."""

    p: float = 0.5
    """Probability that a sample is changed at all."""
    most: float = 0.7
    """Highest rate, 0..1."""

    def __call__(self, batch: EncoderInput, generator: torch.Generator) -> EncoderInput:
        """Augment."""
        b, t = batch.valid.shape
        rate = torch.rand(b, 1, generator=generator) * self.most * _chance(b, self.p, generator)[:, None]
        return batch._replace(valid=_drop(batch.valid, torch.rand(b, t, generator=generator) < rate))


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

    def __call__(self, batch: EncoderInput, generator: torch.Generator) -> EncoderInput:
        """Augment."""
        x = batch.x
        b, c = x.shape[0], x.shape[2]
        if not 1 <= self.least <= c:
            raise InputError(f"SpectralDropout keeps at least {self.least} bands, but the series have {c}.")
        keep = self.least + (torch.rand(b, 1, generator=generator) * max(c - self.least, 1)).long()
        rank = torch.rand(b, c, generator=generator).argsort(dim=1)
        gone = (rank >= keep) & _chance(b, self.p, generator)[:, None]  # (B, C)
        return batch._replace(x=x.masked_fill(gone.view(b, 1, c, *(1,) * (x.ndim - 3)), 0.0))


@dataclass(frozen=True)
class BandDropout:
    """With probability `p`: mark bands as missing at all steps, for encoders with `band_mask`.

    Half of the time a sample keeps the bands of a sensor (`timesenclip.bands.SENSORS`), drawn evenly; else it keeps n
    random bands, n uniform in `least`..C - 1. A band that was missing before stays missing, and a sample that would
    lose its last band of a step keeps its bands.
    """

    p: float = 0.3
    """Probability that a sample is changed at all."""
    least: int = 3
    """Fewest bands kept where they are drawn one by one."""

    def __call__(self, batch: EncoderInput, generator: torch.Generator) -> EncoderInput:
        """Augment."""
        x = batch.x
        b, t, c = x.shape[:3]
        if c != len(BAND_NAMES):
            raise InputError(f"BandDropout knows the sensors of {len(BAND_NAMES)} bands, but the series have {c}.")
        sensors = torch.tensor([[name in kept for name in BAND_NAMES] for kept in SENSORS.values()])  # (S, C)
        of_sensor = sensors[torch.randint(len(sensors), (b,), generator=generator)]  # (B, C)
        keep = self.least + (torch.rand(b, 1, generator=generator) * max(c - self.least, 1)).long()
        drawn = torch.rand(b, c, generator=generator).argsort(dim=1) < keep
        kept = torch.where(_chance(b, 0.5, generator)[:, None], of_sensor, drawn)
        kept = kept | ~_chance(b, self.p, generator)[:, None]
        before = batch.bands_seen()
        after = before & kept[:, None]  # (B, T, C)
        loses = (before.any(dim=2) & ~after.any(dim=2)).any(dim=1)  # (B,)
        after = torch.where(loses[:, None, None], before, after)
        gone = (~after).view(b, t, c, *(1,) * (x.ndim - 3))
        return batch._replace(x=x.masked_fill(gone, 0.0), bands=after)


@dataclass(frozen=True)
class Compose:
    """Several augmentations, one after the other."""

    parts: Sequence[Augmentation]
    """In order."""

    def __call__(self, batch: EncoderInput, generator: torch.Generator) -> EncoderInput:
        """Augment."""
        for part in self.parts:
            batch = part(batch, generator)
        return batch


AUGMENTATIONS: dict[str, Augmentation] = {
    "ts-mix-aug": TSMixAug(),
    "random-ts": RandomTS(),
    "month-dropout": MonthDropout(),
    "spectral-dropout": SpectralDropout(),
    "band-dropout": BandDropout(),
}
"""Augmentations by the names that recipes use."""


def _chance(count: int, p: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) < p


def _drop(valid: Tensor, gone: Tensor) -> Tensor:
    """(B, T) valid steps without those of `gone`; samples that would lose all of them keep all."""
    left = valid & ~gone
    return torch.where(left.any(dim=1, keepdim=True), left, valid)


def _annual(batch: EncoderInput, which: Tensor) -> EncoderInput:
    """Replace the series of `which` by one step: by band the median of their valid steps, dated from first to last."""
    which = which & batch.valid.any(dim=1)
    if not bool(which.any()):
        return batch
    x, calendar, valid = batch.x.clone(), batch.calendar.clone(), batch.valid.clone()
    mask = valid[which]
    seen = batch.bands_seen()[which]  # (B', T, C)
    values = x[which].masked_fill(~seen.view(*seen.shape, *(1,) * (x.ndim - 3)), torch.nan)
    dates = calendar[which]
    # `start` wraps at New Year; a step that begins earlier in the year than the one before it is a year on.
    wraps = (dates[:, :, 0].diff(dim=1) < -1e-6).cumsum(dim=1).to(dates.dtype)
    start = dates[:, :, 0] + torch.cat([torch.zeros(len(dates), 1), wraps], dim=1)  # (B, T)
    end = start + (dates[..., 1] - dates[..., 0])
    x[which, 0] = values.nanmedian(dim=1).values.nan_to_num()
    first = start.masked_fill(~mask, torch.inf).amin(dim=1)
    calendar[which, 0, 0] = first
    calendar[which, 0, 1] = end.masked_fill(~mask, -torch.inf).amax(dim=1)
    valid[which] = torch.arange(valid.shape[1]) == 0
    if batch.bands is None:
        return EncoderInput(x, calendar, valid)
    bands = batch.bands.clone()
    bands[which, 0] = seen.any(dim=1)
    return EncoderInput(x, calendar, valid, bands)
