"""Embeddings in fewer dimensions, and in eight bits a dimension with one scale a pixel.

A score is the cosine w . v. With an orthonormal basis B (D, d) of the space in which the embeddings of an area lie,
v is nearly B B' v, so the score is nearly (B' w) . (B' v): words are projected as pixels are, and scores keep their
scale, so that the checkpoint's temperature and threshold stay right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from timesenclip.errors import InputError

__all__ = ["Projection", "dequantise", "fit_projection", "quantise", "score_rows"]

_LEVELS = 127
_ROWS = 4096
"""Rows turned to float32 at a time: with 256 dimensions 4 MB, which stays in the cache."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Projection from D dimensions to d."""

    basis: NDArray[np.float32]
    """(D, d), orthonormal columns."""
    kept: float
    """Share of the sample's squared length that lies in the subspace, 0..1."""

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) -> (N, d)."""
        # By torch, whose number of threads can be set: NumPy's product has other last bits with other threads.
        product = torch.from_numpy(np.ascontiguousarray(vectors)) @ torch.from_numpy(self.basis)
        return np.asarray(product.numpy(), dtype=np.float32)


def fit_projection(sample: NDArray[np.float32], dims: int, *, seed: int = 0) -> Projection:
    """Find the d directions in which a sample of embeddings has most of its length, rotated to similar shares.

    Principal directions differ in size by orders of magnitude, and with one scale a pixel rounding of the large ones
    would hide the small ones. A random rotation within the subspace costs nothing and spreads the length evenly.

    Args:
        sample: (N, D) unit rows; NaN rows are left out.
        dims: d.
        seed: of the rotation.

    Raises:
        InputError: d is not 1..D, or the sample has no row.
    """
    full = sample.shape[1]
    if not 1 <= dims <= full:
        raise InputError(f"{dims} dimensions were asked for; the embeddings have {full}: give 1..{full}.")
    rows = torch.from_numpy(sample[np.isfinite(sample).all(axis=1)].astype(np.float64))
    if len(rows) == 0:
        raise InputError("No pixel of the sample has an observation, so no projection can be fitted; keep all dims.")
    lengths, directions = torch.linalg.eigh(rows.T @ rows)  # ascending
    chosen = directions.flip(1)[:, :dims]  # (D, d)
    # An eigenvector may come with either sign; take the one whose largest entry is positive.
    chosen = chosen * chosen.gather(0, chosen.abs().argmax(dim=0, keepdim=True)).sign()
    kept = round(float(lengths.flip(0)[:dims].sum() / lengths.sum()), 9)
    turn, triangle = torch.linalg.qr(torch.from_numpy(np.random.default_rng(seed).standard_normal((dims, dims))))
    basis = chosen @ (turn * triangle.diagonal().sign())
    return Projection(np.ascontiguousarray(basis.numpy(), dtype=np.float32), kept)


def quantise(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round rows to eight bits.

    Args:
        vectors: (N, d); NaN rows are "not seen".

    Returns:
        (N, d) int8 and (N,) float32, the scale by which a row is multiplied to get it back; 0 = not seen. The error of
        a value is at most half the scale.
    """
    seen = np.isfinite(vectors).all(axis=1)
    scale = np.where(seen, np.abs(vectors).max(axis=1, initial=0.0) / _LEVELS, 0.0).astype(np.float32)
    seen &= scale > 0
    safe = np.where(seen, scale, np.float32(1))[:, None]
    rounded = np.rint(np.where(seen[:, None], vectors, np.float32(0)) / safe)
    return np.clip(rounded, -_LEVELS, _LEVELS).astype(np.int8), np.where(seen, scale, np.float32(0))


def dequantise(values: NDArray[np.int8], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values (..., d) and scale (...) as float32 vectors (..., d); NaN where not seen."""
    return np.where(scale[..., None] > 0, values * scale[..., None], np.float32(np.nan)).astype(np.float32)


def score_rows(
    values: NDArray[np.int8], scale: NDArray[np.float32], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Scores of N pixels against K classes.

    Args:
        values: (N, d) int8.
        scale: (N,) 0 = not seen.
        vectors: (K, d) float32, projected as the pixels were.

    Returns:
        (N, K) float32 cosines, NaN where not seen.
    """
    if values.shape[1] != vectors.shape[1]:
        raise InputError(
            f"Pixels have {values.shape[1]} dimensions, class vectors {vectors.shape[1]}; project both in the same way."
        )
    out = np.empty((len(values), len(vectors)), dtype=np.float32)
    rows = np.empty((min(_ROWS, len(values)), values.shape[1]), dtype=np.float32)
    columns = np.ascontiguousarray(vectors.T)  # (d, K)
    for first in range(0, len(values), _ROWS):
        part = values[first : first + _ROWS]
        rows[: len(part)] = part
        np.matmul(rows[: len(part)], columns, out=out[first : first + len(part)])
    out *= np.where(scale > 0, scale, np.float32(np.nan))[:, None]
    return out
