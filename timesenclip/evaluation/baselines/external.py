"""Other people's models beside the checkpoint, on the same samples and in the same table.

Presto's features get a linear probe. A frozen image-text model is asked of true-colour patches with the same words, and
its vectors get a probe too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError
from timesenclip.evaluation.baselines.presto import load_presto, presto_features
from timesenclip.evaluation.baselines.rgb_clip import patches, true_colour
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.ground.prompts import DEFAULT, class_weights
from timesenclip.ground.tower import GroundTower
from timesenclip.series import Cube, PixelSeries

__all__ = ["PRESTO", "TRUE_COLOUR", "TRUE_COLOUR_PROBE", "PeerAnswers", "Peers", "peer_answers"]

PRESTO = "Presto probe (with labels)"
TRUE_COLOUR = "true-colour patches, words"
TRUE_COLOUR_PROBE = "true-colour patches, probe (with labels)"
"""Names of their rows in every table."""

_BATCH = 256
"""Patches cut at a time: a year of 32 x 32 pixels is half a megabyte."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Which models to compare with."""

    presto: str | Path | None = None
    """Presto's weights (`default_model.pt`)."""
    tower: GroundTower | None = None
    """An image-text model (`load_tower`), asked of true-colour patches."""
    cube: Cube | None = None
    """The area that the samples are pixels of, to cut patches from; None: the samples are patches themselves."""
    size_px: int = 32
    """Side of the patches that are cut."""


@dataclass(frozen=True, slots=True)
class PeerAnswers:
    """What they make of N samples."""

    features: dict[str, NDArray[np.float32]]
    """(N, F) by the name of the row, for a linear probe."""
    scores: dict[str, NDArray[np.float32]]
    """(N, K) cosines with the classes, by the name of the row."""
    notes: tuple[str, ...]
    """What a report should say of them."""


def peer_answers(data: LabelledSet, peers: Peers, *, templates: str | Sequence[str] = DEFAULT) -> PeerAnswers:
    """Let the models answer, in the order of their rows.

    Args:
        data: N labelled samples with at least one clear step each.
        peers: the models.
        templates: how the classes are put into words.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: the weights are no Presto.
        TimeError: a series spans more months than Presto reads.
        InputError: the samples are single pixels and no cube was given, or the cube is smaller than a patch.
        TowerError: the tower reads text only.
    """
    features: dict[str, NDArray[np.float32]] = {}
    scores: dict[str, NDArray[np.float32]] = {}
    notes: list[str] = []
    if peers.tower is not None:
        vectors, note = _true_colour_vectors(data, peers, peers.tower)
        features[TRUE_COLOUR_PROBE] = vectors
        scores[TRUE_COLOUR] = vectors @ class_weights(data.taxonomy, peers.tower, templates).T
        notes.append(note)
    if peers.presto is not None:
        model = load_presto(peers.presto)
        features[PRESTO] = presto_features(data.series, model)
        left = ", ".join(f"{part} ({count} tensors)" for part, count in model.ignored.items()) or "nothing"
        notes.append(
            f"Presto's weights were read from {model.source}, {left} left out. It sees ten bands, NDVI, months and "
            "place; Sentinel-1, weather, terrain and land cover are masked. It was trained on top-of-atmosphere "
            "reflectance."
        )
    return PeerAnswers(features, scores, tuple(notes))


def _true_colour_vectors(data: LabelledSet, peers: Peers, tower: GroundTower) -> tuple[NDArray[np.float32], str]:
    """Vectors (N, D) of the patches around the samples, and how they were made."""
    cube, series = peers.cube, data.series
    if cube is None and (series.reflectance.ndim != 5 or series.reflectance.shape[-1] == 1):
        raise InputError(
            f"'{data.title}' holds single pixels, and an image-text model needs patches; give a cube, or a training "
            "store with patches (`data sen4map --patch 9`)."
        )
    size_px, cloudy, parts = series.reflectance.shape[-1], 0, []
    for first in range(0, len(series), _BATCH):
        part = series.take(slice(first, first + _BATCH))
        if cube is not None:
            size_px = peers.size_px
            part, clouded = _around(cube, part, size_px)
            cloudy += clouded
        parts.append(tower.encode_images(true_colour(part)))
    note = (
        f"True-colour patches: {size_px} x {size_px} pixels, median of the clear steps, reflectance 0 to 0.3, through "
        f"{tower.name}; frozen."
    )
    if cloudy:
        note += f" {cloudy} of {len(series)} were never clear as a whole: of these the steps count whose middle was."
    return np.concatenate(parts), note


def _around(cube: Cube, pixels: PixelSeries, size_px: int) -> tuple[PixelSeries, int]:
    """Patches around pixels of a cube, and how many were never clear as a whole."""
    number = np.array([int(name) for name in pixels.sample_id])  # `Cube.pixel_series` counts pixels row by row
    found = patches(cube, number // cube.shape[1], number % cube.shape[1], size_px=size_px)
    never = np.asarray(~found.valid.any(axis=1))  # (N,)
    return replace(found, valid=np.where(never[:, None], pixels.valid, found.valid)), int(never.sum())
