"""External models as baselines: Presto, and frozen image-text models on true-colour patches.

Presto's features get a linear probe. An image-text model is evaluated zero-shot with the same prompts, and its vectors
get a linear probe too.
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
from timesenclip.ground.prompts import DEFAULT, class_vectors
from timesenclip.ground.tower import GroundTower
from timesenclip.series import Cube, PixelSeries
from timesenclip.tasks.classify import prior_corrected

__all__ = [
    "PRESTO",
    "TRUE_COLOUR",
    "TRUE_COLOUR_CORRECTED",
    "TRUE_COLOUR_PROBE",
    "ExternalModels",
    "ExternalPredictions",
    "predict_external",
]

PRESTO = "Presto probe (with labels)"
TRUE_COLOUR = "true-colour patches, words"
TRUE_COLOUR_CORRECTED = "true-colour patches, words, prior-corrected"
TRUE_COLOUR_PROBE = "true-colour patches, probe (with labels)"
"""Names of the methods in every table."""

_BATCH = 256
"""Patches cut at a time: a year of 32 x 32 pixels is half a megabyte."""


@dataclass(frozen=True, slots=True)
class ExternalModels:
    """External models to compare with."""

    presto: str | Path | None = None
    """File with Presto's weights (`default_model.pt`)."""
    tower: GroundTower | None = None
    """An image-text model (`load_tower`), which reads true-colour patches."""
    cube: Cube | None = None
    """The cube that the samples are pixels of, to cut patches from; None: the samples are patches themselves."""
    size_px: int = 32
    """Side of the patches that are cut from the cube, in pixels."""


@dataclass(frozen=True, slots=True)
class ExternalPredictions:
    """Features and scores of external models for N samples."""

    features: dict[str, NDArray[np.float32]]
    """(N, F) by name of the method, for a linear probe."""
    scores: dict[str, NDArray[np.float32]]
    """(N, K) cosines with the class vectors, raw or prior-corrected, by name of the method."""
    notes: tuple[str, ...]
    """How the features and scores were made, in sentences for the report."""


def predict_external(
    data: LabelledSet, external: ExternalModels, *, templates: str | Sequence[str] = DEFAULT
) -> ExternalPredictions:
    """Compute features and scores of the external models.

    Args:
        data: N labelled samples with at least one clear step each.
        external: the models.
        templates: prompt templates, see `prompts_for`.

    Raises:
        DataNotFoundError: the file with the weights does not exist.
        CheckpointError: the weights are not those of a Presto model.
        TimeError: a series spans more months than Presto reads.
        InputError: the samples are single pixels and no cube was given, or the cube is smaller than a patch.
        TowerError: the tower reads text only.
    """
    features: dict[str, NDArray[np.float32]] = {}
    scores: dict[str, NDArray[np.float32]] = {}
    notes: list[str] = []
    if external.tower is not None:
        vectors, note = _true_colour_vectors(data, external, external.tower)
        features[TRUE_COLOUR_PROBE] = vectors
        cosines = vectors @ class_vectors(data.taxonomy, external.tower, templates).T  # (N, K)
        scores |= {TRUE_COLOUR: cosines, TRUE_COLOUR_CORRECTED: prior_corrected(cosines)}
        notes.append(note)
    if external.presto is not None:
        model = load_presto(external.presto)
        features[PRESTO] = presto_features(data.series, model)
        left = ", ".join(f"{part} ({count} tensors)" for part, count in model.ignored.items()) or "nothing"
        notes.append(
            f"Presto's weights were read from {model.source}, {left} left out. It sees ten bands, NDVI, months and "
            "place; Sentinel-1, weather, terrain and land cover are masked. It was trained on top-of-atmosphere "
            "reflectance."
        )
    return ExternalPredictions(features, scores, tuple(notes))


def _true_colour_vectors(
    data: LabelledSet, external: ExternalModels, tower: GroundTower
) -> tuple[NDArray[np.float32], str]:
    """Vectors (N, D) of the patches around the samples, and how they were made."""
    cube, series = external.cube, data.series
    if cube is None and (series.reflectance.ndim != 5 or series.reflectance.shape[-1] == 1):
        raise InputError(
            f"'{data.title}' holds single pixels, and an image-text model needs patches; give a cube, or a training "
            "store with patches (`data sen4map --patch 9`)."
        )
    size_px, cloudy, parts = series.reflectance.shape[-1], 0, []
    for first in range(0, len(series), _BATCH):
        part = series.take(slice(first, first + _BATCH))
        if cube is not None:
            size_px = external.size_px
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
    """Patches around pixels of a cube, and how many of them have no step that is clear in every pixel."""
    number = np.array([int(name) for name in pixels.sample_id])  # `Cube.pixel_series` counts pixels row by row
    found = patches(cube, number // cube.shape[1], number % cube.shape[1], size_px=size_px)
    never = np.asarray(~found.valid.any(axis=1))  # (N,)
    bands = None
    if found.band_valid is not None:
        bands = np.where(never[:, None, None], pixels.bands_seen(), found.band_valid)
    valid = np.where(never[:, None], pixels.valid, found.valid)
    return replace(found, valid=valid, band_valid=bands), int(never.sum())
