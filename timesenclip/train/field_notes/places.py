"""Places to train on: pixel years, simulated or real, with the kind of each place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timesenclip.errors import InputError
from timesenclip.model.inputs import encoder_input
from timesenclip.series import PixelSeries
from timesenclip.simulate.covers import cover_names, cover_weights
from timesenclip.simulate.series import simulate_series
from timesenclip.train.field_notes.notes import everyday_group, kinds_of_place
from timesenclip.train.recipe import WorldConfig

__all__ = ["GROUP_SHARES", "Places", "cover_shares", "simulate_places"]

GROUP_SHARES: dict[str, float] = {
    "crops": 0.17,
    "permanent crops": 0.06,
    "woodland": 0.17,
    "shrubland": 0.14,
    "grassland": 0.15,
    "bare land": 0.12,
    "built-up": 0.12,
    "water": 0.09,
    "wetland": 0.08,
    "snow and ice": 0.02,
}
"""How often each everyday group is drawn, relative to the others, so that a group with many covers is not
drawn more often."""


@dataclass(frozen=True, slots=True)
class Places:
    """N places to draw batches from."""

    x: Tensor
    """(N, T, C) float32, normalised."""
    calendar: Tensor
    """(N, T, 2) float32, as `PixelSeries.calendar`, half a year later in the south with `hemisphere_shift`."""
    valid: Tensor
    """(N, T) bool."""
    kind: Tensor
    """(N,) int64, index into `kinds_of_place()`."""
    climate: tuple[str | None, ...]
    """(N,) climate of each place where it is known, for the notes."""

    def __len__(self) -> int:
        """Number of places."""
        return len(self.x)

    @classmethod
    def of(
        cls,
        series: PixelSeries,
        kinds: Sequence[str],
        climates: Sequence[str | None],
        *,
        normalisation: str,
        hemisphere_shift: bool,
    ) -> Places:
        """Make encoder input of series (single pixels, all bands) and look up the kinds."""
        given = encoder_input(
            series.reflectance,
            valid=series.valid,
            calendar=series.calendar(),
            lat_deg=series.lat_deg,
            normalisation=normalisation,
            band_names=None,
            patch_size=1,
            hemisphere_shift=hemisphere_shift,
            band_mask=False,
            band_valid=None,
        )
        index = {kind: i for i, kind in enumerate(kinds_of_place())}
        return cls(
            x=given.x,
            calendar=given.calendar,
            valid=given.valid,
            kind=torch.tensor([index[kind] for kind in kinds]),
            climate=tuple(climates),
        )

    def __add__(self, other: Places) -> Places:
        """Join two sets of places; the shorter series are padded with missing steps."""
        steps = max(self.x.shape[1], other.x.shape[1])
        first, second = self._padded(steps), other._padded(steps)
        return Places(
            x=torch.cat([first.x, second.x]),
            calendar=torch.cat([first.calendar, second.calendar]),
            valid=torch.cat([first.valid, second.valid]),
            kind=torch.cat([self.kind, other.kind]),
            climate=self.climate + other.climate,
        )

    def take(self, index: Tensor) -> Places:
        """The places at `index` (M,) int64, in which a place may occur several times."""
        return Places(
            x=self.x[index],
            calendar=self.calendar[index],
            valid=self.valid[index],
            kind=self.kind[index],
            climate=tuple(self.climate[i] for i in index.tolist()),
        )

    def _padded(self, steps: int) -> Places:
        more = steps - self.x.shape[1]
        if more == 0:
            return self
        if more < 0:
            raise InputError(f"Cannot pad {self.x.shape[1]} steps to {steps}.")
        pad = torch.nn.functional.pad
        return Places(
            x=pad(self.x, (0, 0, 0, more)),
            calendar=pad(self.calendar, (0, 0, 0, more)),
            valid=pad(self.valid, (0, more)),
            kind=self.kind,
            climate=self.climate,
        )


def cover_shares() -> NDArray[np.float64]:
    """Probability of each simulated cover: the share of its group, divided by the weights of the covers."""
    names, weights = cover_names(), cover_weights()
    groups = np.array([everyday_group(name) for name in names])
    shares = np.zeros(len(names))
    for group, share in GROUP_SHARES.items():
        members = groups == group
        shares[members] = share * weights[members] / weights[members].sum()
    return np.asarray(shares / shares.sum())


def simulate_places(
    count: int, config: WorldConfig, *, normalisation: str, hemisphere_shift: bool, rng: np.random.Generator
) -> Places:
    """Simulate `count` places; groups are drawn with the shares of `GROUP_SHARES`."""
    made = simulate_series(count, rng=rng, shares=cover_shares(), l1c=config.l1c, without_b8a=config.without_b8a)
    return Places.of(
        made.series, made.cover, made.climate, normalisation=normalisation, hemisphere_shift=hemisphere_shift
    )
