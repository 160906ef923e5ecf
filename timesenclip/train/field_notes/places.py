"""Places to train on: pixel years, simulated or real, with what is known about each place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timesenclip.errors import InputError
from timesenclip.model.inputs import EncoderInput, encoder_input
from timesenclip.series import PixelSeries
from timesenclip.simulate.covers import cover_names, cover_weights
from timesenclip.simulate.series import SimulatedSeries, simulate_series
from timesenclip.train.field_notes.notes import everyday_group, kinds_of_place
from timesenclip.train.field_notes.teacher import CLASSES, Lessons
from timesenclip.train.learner import FEATURES
from timesenclip.train.recipe import WorldConfig

__all__ = ["GROUP_SHARES", "Places", "cover_shares", "exact_mixture", "group_weights", "simulated_places"]

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


_FEW = 200


@dataclass(frozen=True, slots=True)
class Places:
    """N places to draw batches from."""

    x: Tensor
    """(N, T, C) float32, normalised."""
    calendar: Tensor
    """(N, T, 2) float32, as `PixelSeries.calendar`, half a year later in the south with `hemisphere_shift`."""
    valid: Tensor
    """(N, T) bool."""
    bands: Tensor
    """(N, T, C) bool, which bands were seen; False at steps that are not valid."""
    mixture: Tensor
    """(N, kinds) float32, how likely each of `kinds_of_place()` is; rows sum to one. Notes are drawn by it."""
    likely: Tensor
    """(N, 9) float32, Dynamic World classes as the teacher sees them; rows of zeros where it was not asked."""
    features: Tensor
    """(N, F) float32, the teacher's features; rows of zeros where it was not asked."""
    climate: tuple[str | None, ...]
    """(N,) climate of each place where it is known, for the notes."""

    def __len__(self) -> int:
        """Number of places."""
        return len(self.x)

    @classmethod
    def of(
        cls,
        series: PixelSeries,
        mixture: NDArray[np.float32],
        climates: Sequence[str | None],
        *,
        normalisation: str,
        hemisphere_shift: bool,
        lessons: Lessons | None = None,
    ) -> Places:
        """Make encoder input of series (single pixels, all bands).

        Args:
            series: N series.
            mixture: (N, kinds) as the field.
            climates: (N,) as the field.
            normalisation, hemisphere_shift: as in the recipe.
            lessons: what the teacher says, where a label is known restricted to it; None: it was not asked.
        """
        seen = series.bands_seen()
        given = encoder_input(
            series.reflectance,
            valid=series.valid,
            calendar=series.calendar(),
            lat_deg=series.lat_deg,
            normalisation=normalisation,
            band_names=None,
            patch_size=1,
            hemisphere_shift=hemisphere_shift,
            band_mask=True,
            band_valid=seen,
        )
        n = len(series)
        if lessons is None:
            lessons = Lessons(*(np.zeros((n, width), dtype=np.float32) for width in (len(CLASSES), FEATURES)))
        return cls(
            x=given.x,
            calendar=given.calendar,
            valid=given.valid,
            bands=torch.from_numpy(seen),
            mixture=torch.from_numpy(mixture),
            likely=torch.from_numpy(lessons.probabilities),
            features=torch.from_numpy(lessons.features),
            climate=tuple(climates),
        )

    def __add__(self, other: Places) -> Places:
        """Join two sets of places; the shorter series are padded with missing steps."""
        steps = max(self.x.shape[1], other.x.shape[1])
        first, second = self._padded(steps), other._padded(steps)
        joined = {
            field.name: torch.cat([getattr(first, field.name), getattr(second, field.name)])
            for field in fields(self)
            if field.name != "climate"
        }
        return Places(**joined, climate=self.climate + other.climate)

    def take(self, index: Tensor) -> Places:
        """The places at `index` (M,) int64, in which a place may occur several times."""
        taken = {field.name: getattr(self, field.name)[index] for field in fields(self) if field.name != "climate"}
        return Places(**taken, climate=tuple(self.climate[i] for i in index.tolist()))

    def encoder_input(self, *, band_mask: bool) -> EncoderInput:
        """What an encoder reads of the places; one without `band_mask` reads steps that have all bands."""
        if band_mask:
            return EncoderInput(self.x, self.calendar, self.valid, self.bands)
        return EncoderInput(self.x, self.calendar, self.valid & self.bands.all(dim=2))

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
            bands=pad(self.bands, (0, 0, 0, more)),
            mixture=self.mixture,
            likely=self.likely,
            features=self.features,
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


def group_weights(mixture: Tensor, weights: Tensor) -> Tensor:
    """Weights (N,) by which places are drawn, so that everyday groups are drawn by their `GROUP_SHARES`.

    A group of few places is drawn less: its share is multiplied by n / (n + 200) for n places.

    Args:
        mixture: (N, kinds) of the places.
        weights: (N,) weights within groups.
    """
    kinds = kinds_of_place()
    of_kind = torch.zeros(len(kinds), len(GROUP_SHARES))
    for row, kind in enumerate(kinds):
        of_kind[row, list(GROUP_SHARES).index(everyday_group(kind))] = 1.0
    groups = mixture @ of_kind  # (N, groups)
    count = groups.sum(dim=0)
    share = torch.tensor(list(GROUP_SHARES.values())) * count / (count + _FEW)
    mass = (groups * weights[:, None]).sum(dim=0).clamp(min=1e-9)
    return weights * (groups @ (share / mass))


def exact_mixture(kinds: Sequence[str]) -> NDArray[np.float32]:
    """(N, kinds) mixtures of places whose kind is known exactly."""
    index = {kind: i for i, kind in enumerate(kinds_of_place())}
    out = np.zeros((len(kinds), len(index)), dtype=np.float32)
    out[np.arange(len(kinds)), [index[kind] for kind in kinds]] = 1.0
    return out


def simulated_places(count: int, config: WorldConfig, *, rng: np.random.Generator) -> SimulatedSeries:
    """Simulate `count` places; groups are drawn with the shares of `GROUP_SHARES`."""
    return simulate_series(count, rng=rng, shares=cover_shares(), l1c=config.l1c, without_b8a=config.without_b8a)
