"""Scores that are a sum over an embedding, such as the contrast of beautiful and ugly phrases."""

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
    """A score that is a sum over an embedding, so that every pixel of an area can be given it."""

    name: str
    """What it is."""
    weights: NDArray[np.float32]
    """(D,) factors of the embedding's dimensions."""
    offset: float
    """Added to the sum."""

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) -> (N,)."""
        return np.asarray(embeddings @ self.weights + np.float32(self.offset), dtype=np.float32)


def prompt_contrast(
    embeddings: NDArray[np.float32],
    tower: GroundTower,
    *,
    beautiful: Sequence[str] = BEAUTIFUL,
    ugly: Sequence[str] = UGLY,
) -> NDArray[np.float32]:
    """Mean cosine with the beautiful phrases less that with the ugly ones, (N,). No vote is used."""
    vector = contrast_vector(tower, beautiful=beautiful, ugly=ugly)
    return np.asarray(embeddings @ vector, dtype=np.float32)


def contrast_vector(
    tower: GroundTower, *, beautiful: Sequence[str] = BEAUTIFUL, ugly: Sequence[str] = UGLY
) -> NDArray[np.float32]:
    """(D,) what `prompt_contrast` multiplies embeddings with."""
    sides = [tower.encode_text(list(texts)).mean(axis=0) for texts in (beautiful, ugly)]
    lengths = [sides[i] / np.linalg.norm(sides[i]) for i in range(2)]
    return np.asarray(lengths[0] - lengths[1], dtype=np.float32)
