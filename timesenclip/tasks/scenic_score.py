"""Scores that are a weighted sum of an embedding, such as the contrast of beautiful and ugly phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.ground.tower import GroundTower

__all__ = ["BEAUTIFUL", "UGLY", "LinearScore", "contrast_vector", "prompt_contrast"]

BEAUTIFUL = ("a beautiful natural landscape", "mountains and lakes", "a wild rocky coast", "an old forest valley")
UGLY = ("an industrial area", "a motorway with traffic", "warehouses and car parks", "a landfill site")
"""Default phrases of the contrast; they are written into every result."""


@dataclass(frozen=True, slots=True)
class LinearScore:
    """A score that is a weighted sum of an embedding, so that it can be mapped for every pixel of an area."""

    name: str
    """Name of the score in results."""
    weights: NDArray[np.float32]
    """(D,) weights of the dimensions of the embedding."""
    offset: float
    """Added to the sum."""

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (N,) of embeddings (N, D)."""
        return np.asarray(embeddings @ self.weights + np.float32(self.offset), dtype=np.float32)


def prompt_contrast(
    embeddings: NDArray[np.float32],
    tower: GroundTower,
    *,
    beautiful: Sequence[str] = BEAUTIFUL,
    ugly: Sequence[str] = UGLY,
) -> NDArray[np.float32]:
    """(N,) cosine with the mean vector of the beautiful phrases less that with the ugly ones; no ratings are used."""
    vector = contrast_vector(tower, beautiful=beautiful, ugly=ugly)
    return np.asarray(embeddings @ vector, dtype=np.float32)


def contrast_vector(
    tower: GroundTower, *, beautiful: Sequence[str] = BEAUTIFUL, ugly: Sequence[str] = UGLY
) -> NDArray[np.float32]:
    """(D,) the vector whose dot product with an embedding is its `prompt_contrast`."""
    sides = [tower.encode_text(list(texts)).mean(axis=0) for texts in (beautiful, ugly)]
    unit = [side / np.linalg.norm(side) for side in sides]
    return np.asarray(unit[0] - unit[1], dtype=np.float32)
