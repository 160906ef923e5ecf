"""Random forests to compare with: one that had labels from elsewhere, one that had labels of the same region.

A forest reads the bands that all of its places have. Where some places have no B08, as those of Landsat, B8A stands for
it. Series south of the equator are moved by half a year, so that the
forest knows the season as the encoder does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, band_index
from timesenclip.evaluation.baselines.simple import cross_predicted, forest, forest_features
from timesenclip.series import PixelSeries
from timesenclip.spatial import BLOCK_DEG, spatial_blocks, spatial_folds

__all__ = ["FOLDS", "Learned", "common_bands", "elsewhere", "same_region", "with_bands"]

FOLDS = 5
"""Folds of the forest that has labels of the same region."""
_MOST = 200
"""Most places of one class and region that a forest learns from: the rest adds time, not accuracy."""
_TREES = 100
_NIR = ("B08", "B8A")


@dataclass(frozen=True, slots=True)
class Learned:
    """What a forest answers."""

    predicted: NDArray[np.int64]
    """(N,) class, -1 for places that were not asked."""
    bands: tuple[str, ...]
    """Bands that it read."""
    places: int
    """Places that it learned from, at most."""
    known: tuple[int, ...]
    """Classes that it has met."""
    how: str
    """How places to learn from and places to test on were kept apart."""


def common_bands(parts: list[PixelSeries]) -> tuple[str, ...]:
    """Bands that each of several sets of series has; B08 is among them where each has B08 or B8A."""
    seen = np.stack([part.bands_seen().any(axis=(0, 1)) for part in parts])  # (parts, C)
    wide, narrow = (band_index(name) for name in _NIR)
    found = np.array(np.all(seen, axis=0))  # (C,)
    found[narrow] = found[narrow] & found[wide]
    found[wide] = (seen[:, wide] | seen[:, narrow]).all()
    return tuple(name for name, there in zip(BAND_NAMES, found, strict=True) if there)


def with_bands(series: PixelSeries, bands: tuple[str, ...]) -> PixelSeries:
    """The series with no other reflectance than that of `bands`; B8A is B08 where there is no B08."""
    values, seen = series.reflectance.copy(), series.bands_seen()
    wide, narrow = (band_index(name) for name in _NIR)
    lacking = seen[..., narrow] & ~seen[..., wide]
    values[..., wide] = np.where(lacking, values[..., narrow], values[..., wide])
    values[..., [c for c, name in enumerate(BAND_NAMES) if name not in bands]] = 0.0
    return replace(series, reflectance=values)


def same_region(series: PixelSeries, truth: NDArray[np.int64], *, classes: int, seed: int) -> Learned | None:
    """A forest that had labels of other places of the region.

    Args:
        series: N series.
        truth: (N,) class, -1 for those that are not asked.
        classes: K.
        seed: of the forest, and of the folds where there are no coordinates.

    Returns:
        None where the region cannot be split so that two classes are left to learn.
    """
    used = np.flatnonzero(truth >= 0)
    here = series.take(used)
    fold, how = _folds(here, seed=seed)
    bands = common_bands([here])
    shares = cross_predicted(
        _features(here, bands),
        truth[used],
        fold,
        forest(seed=seed, trees=_TREES),
        classes=classes,
        most=_MOST * classes,
        seed=seed,
    )
    if shares is None:
        return None
    out = np.full(len(series), -1, dtype=np.int64)
    out[used] = shares.argmax(axis=1)
    return Learned(out, bands, min(len(used), _MOST * classes), tuple(map(int, np.unique(truth[used]))), how)


def elsewhere(
    series: PixelSeries,
    truth: NDArray[np.int64],
    others: list[tuple[PixelSeries, NDArray[np.int64]]],
    *,
    seed: int,
) -> Learned | None:
    """A forest that had labels of other regions only.

    Args:
        series: N series.
        truth: (N,) class, -1 for those that are not asked.
        others: series and classes, -1 for none, of each of the other regions.
        seed: of the forest and of the places that it learns from.

    Returns:
        None where the other regions have fewer than two classes.
    """
    chosen = []
    for number, (theirs, labels) in enumerate(others):
        index = _some(labels, seed=seed + number)
        if len(index):
            chosen.append((theirs.take(index), labels[index]))
    if not chosen or len(np.unique(np.concatenate([labels for _, labels in chosen]))) < 2:
        return None
    used = np.flatnonzero(truth >= 0)
    bands = common_bands([series, *(theirs for theirs, _ in chosen)])
    features = np.concatenate([_features(theirs, bands) for theirs, _ in chosen])
    labels = np.concatenate([labels for _, labels in chosen])
    model = forest(seed=seed, trees=_TREES)(features, labels)
    out = np.full(len(series), -1, dtype=np.int64)
    out[used] = model.predict(_features(series.take(used), bands))
    return Learned(out, bands, len(labels), tuple(map(int, np.unique(labels))), "other regions")


def _folds(series: PixelSeries, *, seed: int) -> tuple[NDArray[np.int64], str]:
    """Fold of each place, and what the folds are."""
    if np.isfinite(series.lat_deg).all() and np.isfinite(series.lon_deg).all():
        block = spatial_blocks(lat_deg=series.lat_deg, lon_deg=series.lon_deg)
        return spatial_folds(block, folds=FOLDS), f"{FOLDS} folds of blocks of {BLOCK_DEG:g} degrees"
    drawn = np.random.default_rng(seed).permutation(len(series)) % FOLDS
    return drawn.astype(np.int64), f"{FOLDS} random folds, as there are no coordinates"


def _features(series: PixelSeries, bands: tuple[str, ...]) -> NDArray[np.float32]:
    """Features of a forest; half a year is added in the south."""
    south = np.where(series.lat_deg < 0, np.timedelta64(183, "D"), np.timedelta64(0, "D"))[:, None]
    moved = replace(series, start=series.start + south, end=series.end + south)
    return forest_features(with_bands(moved, bands))


def _some(labels: NDArray[np.int64], *, seed: int) -> NDArray[np.intp]:
    """At most `_MOST` places of each class."""
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(np.flatnonzero(labels == k))[:_MOST] for k in np.unique(labels[labels >= 0])]
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.intp)
