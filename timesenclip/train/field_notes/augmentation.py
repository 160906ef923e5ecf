"""What happens to real series and seldom to simulated ones: clouds that slipped through, other steps, fewer bands."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from timesenclip.bands import NORMALISATIONS
from timesenclip.model.augment import Augmentation, BandDropout, Compose, MonthDropout, RandomTS, TSMixAug
from timesenclip.model.inputs import EncoderInput
from timesenclip.simulate.sensor import CLOUD, HAZE

__all__ = ["CloudySteps", "LongerSteps", "ShorterSteps", "places_augmentation"]

_SHADE = (0.75, 0.8, 0.9, 0.9, 0.95, 0.95, 0.95, 0.95, 1.0, 1.0)  # shadows keep the blue light of the sky


@dataclass(frozen=True)
class CloudySteps:
    """With probability `p`: clouds, haze or shadow in each step, at a rate drawn for each sample from 0..`most`."""

    normalisation: str
    """Name of the normalisation of x, which is undone and done again."""
    p: float = 0.5
    """Probability that a sample is changed at all."""
    most: float = 0.3
    """Highest share of steps."""

    def __call__(self, batch: EncoderInput, generator: torch.Generator) -> EncoderInput:
        """Augment."""

        def draw(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator)

        x = batch.x
        b, t = x.shape[:2]
        scale = NORMALISATIONS[self.normalisation]
        low, width = torch.tensor(scale.low_dn) * 1e-4, torch.tensor(scale.scale_dn) * 1e-4
        hit = draw(b, t) < draw(b, 1) * self.most * (draw(b, 1) < self.p)
        kind = draw(b, t, 1)  # below 0.55 cloud, below 0.8 haze, else shadow
        reflectance = x ** (1 / scale.power) * width + low
        share = draw(b, t, 1).sqrt()  # more often thick than thin
        cloud = (
            torch.from_numpy(CLOUD).float() * (0.6 + 0.8 * draw(b, t, 1)) * (1 + 0.1 * (draw(b, t, x.shape[2]) - 0.5))
        )
        clouded = (1 - share) * reflectance + share * cloud
        hazy = reflectance + 0.12 * share * torch.from_numpy(HAZE).float()
        dark = reflectance * (1 - 0.75 * share * torch.tensor(_SHADE))
        changed = torch.where(kind < 0.55, clouded, torch.where(kind < 0.8, hazy, dark))
        again = ((changed - low) / width).clamp(0, 1) ** scale.power
        return batch._replace(x=torch.where(hit[..., None] & batch.bands_seen(), again, x))


@dataclass(frozen=True)
class LongerSteps:
    """With probability `p`: the medians of two or three (a quarter) steps that follow one another, as one step."""

    p: float = 0.1
    """Probability that a sample is changed at all."""

    def __call__(self, batch: EncoderInput, generator: torch.Generator) -> EncoderInput:
        """Augment."""
        b = len(batch.x)
        chosen = torch.rand(b, generator=generator) < self.p
        three = torch.rand(b, generator=generator) < 0.6
        for count, rows in ((2, chosen & ~three), (3, chosen & three)):
            if bool(rows.any()):
                batch = _merge(batch, rows, count)
        return batch


def _merge(batch: EncoderInput, rows: Tensor, count: int) -> EncoderInput:
    """Replace the series of `rows` (B,) by medians of `count` steps; the steps that are left over become missing."""
    x, calendar, valid = (part[rows] for part in batch[:3])
    n, t, c = x.shape
    bands = batch.bands_seen()[rows]
    groups = t // count
    used = groups * count
    whole = x[:, :used].masked_fill(~bands[:, :used], torch.nan).view(n, groups, count, c)
    new_x, new_valid, new_bands = torch.zeros_like(x), torch.zeros_like(valid), torch.zeros(n, t, c, dtype=torch.bool)
    new_x[:, :groups] = whole.nanmedian(dim=2).values.nan_to_num()
    new_valid[:, :groups] = valid[:, :used].view(n, groups, count).any(dim=2)
    new_bands[:, :groups] = bands[:, :used].view(n, groups, count, c).any(dim=2)
    dates = calendar[:, :used].view(n, groups, count, 2)
    new_calendar = calendar.clone()
    new_calendar[:, :groups, 0] = dates[:, :, 0, 0]
    new_calendar[:, :groups, 1] = dates[:, :, 0, 0] + (dates[..., 1] - dates[..., 0]).sum(dim=2)
    out = [part.clone() for part in batch[:3]]
    for part, new in zip(out, (new_x, new_calendar, new_valid), strict=True):
        part[rows] = new
    kept = None if batch.bands is None else batch.bands.clone()
    if kept is not None:
        kept[rows] = new_bands
    return EncoderInput(out[0], out[1], out[2], kept)


@dataclass(frozen=True)
class ShorterSteps:
    """With probability `p`: each step is a dekad or a single day within its interval, as in series of acquisitions."""

    p: float = 0.1
    """Probability that a sample is changed at all."""

    def __call__(self, batch: EncoderInput, generator: torch.Generator) -> EncoderInput:
        """Augment."""
        b, t = batch.valid.shape
        chosen = torch.rand(b, 1, generator=generator) < self.p
        days = torch.where(torch.rand(b, 1, generator=generator) < 0.5, 10.0, 1.0)
        start, end = batch.calendar.unbind(dim=-1)
        width = torch.minimum(days / 365.25, end - start)
        first = start + torch.rand(b, t, generator=generator) * (end - start - width)
        shorter = torch.stack([first, first + width], dim=-1)
        return batch._replace(calendar=torch.where(chosen[..., None], shorter, batch.calendar))


def places_augmentation(normalisation: str, *, band_dropout: float) -> Augmentation:
    """The augmentation of every batch.

    Differs: steps are dropped less often than in the paper, because simulated years already lack months.

    Args:
        normalisation: name of the normalisation of x.
        band_dropout: probability that a place loses bands; 0 for an encoder that needs them all.
    """
    bands = (BandDropout(p=band_dropout),) if band_dropout else ()
    return Compose(
        (
            CloudySteps(normalisation),
            LongerSteps(p=0.12),
            TSMixAug(p=0.12),
            RandomTS(p=0.25),
            MonthDropout(p=0.4, most=0.5),
            ShorterSteps(p=0.1),
            *bands,
        )
    )
