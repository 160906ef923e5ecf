"""Batches of pixel years and ground views, in an order that depends on (seed, epoch) only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timesenclip.bands import BAND_NAMES, band_index
from timesenclip.data.pairs import PairedPlaces
from timesenclip.data.store import SeriesStore, seen_bands, stored_reflectance
from timesenclip.errors import InputError
from timesenclip.messages import show_value
from timesenclip.model.augment import Augmentation
from timesenclip.model.inputs import cut, encoder_input
from timesenclip.series import calendar_intervals

__all__ = ["Batch", "Batches", "Lessons", "Question", "draw_seed"]


class Question(NamedTuple):
    """K classes, with the ones that are true of each kind of place: the targets of `question_loss`."""

    vectors: Tensor
    """(K, D) float32 unit vectors of the classes."""
    true: Tensor
    """(kinds, K) bool: which classes are true of each kind of place (`Batch.place`); a kind without one does not
    take part."""


class Lessons(NamedTuple):
    """What a teacher says about B places."""

    vectors: Tensor
    """(K, D) float32 unit vectors of the teacher's classes."""
    probabilities: Tensor
    """(B, K) float32 probability of each class; a row of zeros where the teacher was not asked."""
    features: Tensor
    """(B, F) float32 features; a row of zeros where the teacher was not asked."""


@dataclass(slots=True)
class Batch:
    """B places with P ground views."""

    x: Tensor
    """(B, T, C[, Y, X]) float32, normalised."""
    calendar: Tensor
    """(B, T, 2) start and end of each month in years, half a year later in the south with `hemisphere_shift`."""
    valid: Tensor
    """(B, T) bool."""
    views: Tensor
    """(B, P, D) float32 ground vectors."""
    has_view: Tensor
    """(B, P) bool."""
    place: Tensor
    """(B,) int64, position of the place in the store; with field notes, the kind of place that they describe. Ground
    vectors of the same number can be left out of the negatives."""
    questions: tuple[Question, ...] = ()
    """Class lists for `question_loss`; empty with photographs."""
    bands: Tensor | None = None
    """(B, T, C) bool, which bands were seen, for encoders with `band_mask`; None: all of them at every valid step."""
    lessons: Lessons | None = None
    """What a teacher says about the places; None without one."""
    alike: Tensor | None = None
    """(kinds, kinds) bool, kinds of place whose notes may be true of one another; None: each of itself only."""

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return Batch(
            x=moved(self.x),
            calendar=moved(self.calendar),
            valid=moved(self.valid),
            views=moved(self.views),
            has_view=moved(self.has_view),
            place=moved(self.place),
            questions=tuple(Question(moved(asked.vectors), moved(asked.true)) for asked in self.questions),
            bands=None if self.bands is None else moved(self.bands),
            lessons=None if self.lessons is None else Lessons(*(moved(part) for part in self.lessons)),
            alike=None if self.alike is None else moved(self.alike),
        )

    def inputs(self) -> tuple[Any, ...]:
        """The fields in the order of the arguments of `Learner.forward`."""
        satellite = (self.x, self.calendar, self.valid)
        ground = (self.views, self.has_view, self.place, self.questions)
        return (*satellite, *ground, self.bands, self.lessons, self.alike)


class Batches:
    """The series and ground views of some places in memory (240 bytes a pixel year), and batches of them.

    Args:
        store: pixel years.
        places: the places to draw from, with their views.
        batch_size: places in a batch, over all ranks.
        normalisation: name of the normalisation.
        seed: seed of the order and of the augmentation.
        augmentation: applied to every batch, or None.
        hemisphere_shift: as in the recipe.
        unit_views: scale views to unit length.
        bands: names of the bands to give; default: all.
        patch_size: side in pixels of the central part of the patches to give; default: the whole patch.
        band_mask: whether the encoder is told which bands are there.
        rank, world: number of this process and number of processes; each gets an equal share of a batch.

    Raises:
        InputError: fewer places than a batch, a batch that ranks cannot share evenly, or patches that are too small.
    """

    def __init__(
        self,
        store: SeriesStore,
        places: PairedPlaces,
        *,
        batch_size: int,
        normalisation: str,
        seed: int,
        augmentation: Augmentation | None = None,
        hemisphere_shift: bool = False,
        unit_views: bool = True,
        bands: tuple[str, ...] | None = None,
        patch_size: int | None = None,
        band_mask: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(places) < batch_size:
            raise InputError(
                f"{len(places):,} training places do not fill one batch of {batch_size}; set batch_size to at most "
                f"{len(places)}."
            )
        if batch_size % world:
            raise InputError(
                f"A batch of {batch_size} cannot be shared by {world} processes evenly; change batch_size or devices."
            )
        self.places, self.batch_size, self.seed = places, batch_size, seed
        self._rank, self._world, self._augmentation = rank, world, augmentation
        self._normalisation, self._bands, self._hemisphere_shift = normalisation, bands, hemisphere_shift
        self._patch_size, self._band_mask = patch_size or store.patch_size, band_mask
        dn, observations = store.arrays(places.rows)
        # Patches are cut here to save memory only: the encoder input takes the middle of a larger patch as well.
        self._dn, self._valid = np.ascontiguousarray(cut(dn, patch_size=self._patch_size)), observations > 0
        self._band_bits = store.band_bits(places.rows)  # (N, T)
        self._require_readable(store)
        self._lat_deg = store.index["lat"].to_numpy(dtype=np.float64)[places.rows]
        self._calendar, self._calendar_of = _calendars(store, places.rows, dn.shape[1])
        self._unit = unit_views

    def __len__(self) -> int:
        """Number of batches in an epoch; places that do not fill a last batch are left out of this epoch."""
        return len(self.places) // self.batch_size

    def order(self, epoch: int) -> NDArray[np.int64]:
        """(N,) indices of the places in the order of an epoch."""
        return np.random.default_rng([self.seed, 1, epoch]).permutation(len(self.places))

    def get(self, index: NDArray[np.integer], *, generator: torch.Generator | None = None) -> Batch:
        """The places at `index`, augmented if a generator is given."""
        seen = self._valid[index]
        band_valid = None if self._band_bits is None else seen_bands(self._band_bits[index])  # (B, T, C)
        given = encoder_input(
            stored_reflectance(self._dn[index], seen),
            valid=seen,
            calendar=self._calendar[self._calendar_of[index]],
            lat_deg=self._lat_deg[index],
            normalisation=self._normalisation,
            band_names=self._bands,
            patch_size=self._patch_size,
            hemisphere_shift=self._hemisphere_shift,
            band_mask=self._band_mask,
            band_valid=band_valid,
        )
        if self._augmentation is not None and generator is not None:
            given = self._augmentation(given, generator)
        rows = self.places.views[index]
        views = torch.from_numpy(self.places.vectors[np.maximum(rows, 0)]).to(torch.float32)  # (B, P, D)
        if self._unit:
            views = torch.nn.functional.normalize(views, dim=-1)
        has_view = torch.from_numpy(rows >= 0)
        place = torch.from_numpy(self.places.rows[index])
        return Batch(given.x, given.calendar, given.valid, views, has_view, place, bands=given.bands)

    def _require_readable(self, store: SeriesStore) -> None:
        """Refuse places of which the encoder cannot read a single step.

        Raises:
            InputError: there are some.
        """
        if self._band_bits is None:
            return
        needed = np.uint16(sum(1 << band_index(name) for name in self._bands or BAND_NAMES))
        here = self._band_bits & needed
        readable = (here > 0) if self._band_mask else (here == needed)
        gone = np.flatnonzero(self._valid.any(axis=1) & ~(readable & self._valid).any(axis=1))
        if gone.size:
            name = store.index["sample_id"].iloc[int(self.places.rows[gone[0]])]
            hint = "choose other bands" if self._band_mask else "set encoder_options: {band_mask: true}"
            raise InputError(
                f"{gone.size:,} of {len(self.places):,} places, such as {show_value(name)}, have no month with "
                f"{'any' if self._band_mask else 'all'} of the bands that the encoder reads; {hint}, or leave them out."
            )

    def stream(self, first: int) -> Iterator[Batch]:
        """Yield batches without end from number `first` on (this rank's share); a thread prepares the next one."""

        def make(number: int, order: NDArray[np.int64]) -> Batch:
            start = number % len(self) * self.batch_size + self._rank * share
            generator = torch.Generator().manual_seed(draw_seed(self.seed, 2, number, self._rank))
            return self.get(order[start : start + share], generator=generator)

        share = self.batch_size // self._world
        number, epoch = first, first // len(self)
        order = self.order(epoch)
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(make, number, order)
            while True:
                batch = coming.result()
                number += 1
                if number // len(self) != epoch:
                    epoch, order = number // len(self), self.order(number // len(self))
                coming = pool.submit(make, number, order)
                yield batch


def draw_seed(*parts: int) -> int:
    """A 63-bit seed from numbers such as (seed, kind of draw, step, rank), so that a resumed run draws the same."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _calendars(store: SeriesStore, rows: NDArray[np.int64], steps: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """The distinct calendars (U, T, 2), and the index of the calendar of each place."""
    first, index = np.unique(store.first_month()[rows], return_inverse=True)  # (U,), (N,)
    edges = (first[:, None] + np.arange(steps + 1)).astype("datetime64[D]")  # (U, T + 1)
    return calendar_intervals(edges[:, :-1], edges[:, 1:]), index.reshape(-1)
