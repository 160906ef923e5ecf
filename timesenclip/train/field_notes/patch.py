"""The patch of Flanders in 2018: parcels of maize and of grassland, asked with the phrases of the README."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from timesenclip.eo.cube.open import read_cube
from timesenclip.errors import DataNotFoundError
from timesenclip.evaluation.evaluate import FOREST, ZERO_SHOT, compare_methods
from timesenclip.evaluation.labels.labelled import labelled_cube, read_labels
from timesenclip.evaluation.metrics import Metrics, compute_metrics
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.model.checkpoint import Model
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.model.embed import embed

__all__ = ["PATCH_FOLDER", "PATCH_REGION", "PHRASES", "PatchResult", "measure_patch"]

PATCH_FOLDER, PATCH_REGION = "s2-flanders-2018", "flanders"
"""Name of its folder, and the region that must be left out."""
PHRASES: tuple[str, ...] = ("maize", "grassland", "forest", "houses and roads")
"""What is asked; the parcels are of the first two."""
_LABELS = {"1200": "maize", "9120": "grassland"}


@dataclass(frozen=True, slots=True)
class PatchResult:
    """Answers for the pixels of the parcels."""

    answered: Metrics
    """Every pixel answered."""
    shipped: Metrics
    """With `unknown`."""
    forest: Metrics | None
    """A random forest that learned from the other strips of the patch."""
    notes: tuple[str, ...]
    """How the forest was made."""


def measure_patch(model: Model, folder: str | Path, calibration: Calibration, *, seed: int) -> PatchResult:
    """Map the patch and compare it with its parcels.

    Args:
        model: a checkpoint that has not seen Flanders.
        folder: the patch and its labels, `OUTPUT_*.nc`.
        calibration: temperature and threshold of `unknown`.
        seed: of the forest and of the bootstrap.

    Raises:
        DataNotFoundError: there are no labels in the folder.
        InputError: as `read_cube` and `labelled_cube`.
    """
    labels = sorted(Path(folder).glob("OUTPUT_*.nc"))
    if not labels:
        raise DataNotFoundError(f"No labels in '{folder}'; expected a file OUTPUT_*.nc.")
    data = labelled_cube(
        read_cube(folder, period=2018),
        read_labels(f"{labels[0]}:CT"),
        taxonomy=taxonomy_from_phrases(PHRASES),
        mapping=_LABELS,
        title="Flanders 2018",
    )
    found = compare_methods(
        data,
        embed(data.series, model=model),
        class_vectors(data.taxonomy, model.tower),
        temperature=calibration.temperature,
        unknown_score=calibration.unknown_score,
        seed=seed,
    )
    answer = np.asarray(found.raw.scores.argmax(axis=1), dtype=np.int64)
    answered = compute_metrics(data.truth, answer, names=data.taxonomy.names, block=data.block, seed=seed)
    return PatchResult(answered, found.methods[ZERO_SHOT], found.methods.get(FOREST), found.notes)
