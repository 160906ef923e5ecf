"""Blocks of land: which samples are neighbours, which part or fold they belong to, and how far apart places are.

Neighbouring samples are often pixels of one field. Whatever must be independent (bootstrap draws, folds of
cross-validation, training and test places) is therefore decided for whole blocks of a grid in degrees, never for single
samples. Coordinates are EPSG:4326 and keyword-only everywhere, because (latitude, longitude) and (longitude, latitude)
are both common and cannot be told apart by their values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError

__all__ = [
    "BLOCK_DEG",
    "EARTH_RADIUS_M",
    "nearest_m",
    "spatial_blocks",
    "spatial_choice",
    "spatial_folds",
    "spatial_parts",
    "unit_vectors",
]

BLOCK_DEG = 0.25
"""Side of a block in degrees: about 28 km from north to south."""
EARTH_RADIUS_M = 6_371_008.8
"""Mean radius. Source: IUGG."""

Degrees = NDArray[np.float64]
Index = NDArray[np.int64]


def spatial_blocks(*, lat_deg: Degrees, lon_deg: Degrees, block_deg: float = BLOCK_DEG) -> Index:
    """Number of the block that each sample lies in, (N,), from 0 on without gaps.

    A sample whose place is unknown is a block of its own.

    Args:
        lat_deg, lon_deg: (N,) degrees, NaN where unknown.
        block_deg: side of a block in degrees.

    Raises:
        InputError: `block_deg` is not positive.
    """
    cell = _cells(lat_deg, lon_deg, block_deg)  # (N, 2)
    unknown = np.flatnonzero(~np.isfinite(cell).all(axis=1))
    cell[unknown, 0], cell[unknown, 1] = np.inf, unknown
    return np.asarray(np.unique(cell, axis=0, return_inverse=True)[1].ravel(), dtype=np.int64)


def spatial_folds(block: Index, *, folds: int) -> Index:
    """Fold of each sample, (N,) in 0..folds - 1; samples of one block share a fold."""
    return np.asarray(block % folds, dtype=np.int64)


def spatial_parts(
    *,
    lat_deg: Degrees,
    lon_deg: Degrees,
    block_deg: float = 0.5,
    shares: Mapping[str, float] | None = None,
    seed: int = 0,
    gap_m: float = 0.0,
) -> NDArray[np.str_]:
    """Give whole blocks to one part each, in the shares that are asked for.

    The part of a block is a hash of its position and the seed: a place falls into the same part whatever else is in the
    table.

    Args:
        lat_deg, lon_deg: (N,) degrees.
        block_deg: side of a block in degrees.
        shares: share of the blocks by part; default: 90 % train, 5 % validation, 5 % test.
        seed: which block falls where.
        gap_m: training places nearer than this to a held-out one, in metres, become "unused".

    Returns:
        (N,) names of parts.

    Raises:
        InputError: a place has no coordinates, shares do not sum to 1, or `block_deg` is not positive.
    """
    wanted = {"train": 0.9, "validation": 0.05, "test": 0.05} if shares is None else dict(shares)
    if abs(sum(wanted.values()) - 1) > 1e-6 or min(wanted.values()) < 0:
        raise InputError(f"Shares {wanted} sum to {sum(wanted.values()):g}; expected shares of 0..1 that sum to 1.")
    digests, inverse = _block_digests(lat_deg, lon_deg, block_deg, prefix=f"{seed}:{block_deg:g}:")
    edges = np.cumsum(list(wanted.values()))
    draw = [int.from_bytes(digest[:8], "big") / 2**64 for digest in digests]  # uniform in [0, 1)
    names = np.array(list(wanted), dtype="U10")
    part = names[np.minimum(np.searchsorted(edges, draw, side="right"), len(names) - 1)][inverse]
    held = part != "train"
    if gap_m > 0 and held.any() and (~held).any():
        distance, _ = nearest_m(
            lat_deg=lat_deg[~held], lon_deg=lon_deg[~held], to_lat_deg=lat_deg[held], to_lon_deg=lon_deg[held]
        )
        part[np.flatnonzero(~held)[distance < gap_m]] = "unused"
    return part


def spatial_choice(
    parts: Sequence[str], *, lat_deg: Degrees, lon_deg: Degrees, block_deg: float = BLOCK_DEG
) -> NDArray[np.str_]:
    """Give whole blocks to one of several equally likely parts each, by a hash of the block's position.

    A name that stands twice in `parts` is twice as likely. Without a seed: the parts of `spatial_parts` are another
    choice, and the shipped checkpoint was trained with these.

    Args:
        parts: at most 256 names.
        lat_deg, lon_deg: (N,) degrees.
        block_deg: side of a block in degrees.

    Returns:
        (N,) names of parts.

    Raises:
        InputError: a place has no coordinates, or `block_deg` is not positive.
    """
    digests, inverse = _block_digests(lat_deg, lon_deg, block_deg, prefix="")
    chosen = np.array([digest[0] % len(parts) for digest in digests], dtype=np.int64)
    return np.array(parts)[chosen][inverse]


def unit_vectors(*, lat_deg: Degrees, lon_deg: Degrees) -> NDArray[np.float64]:
    """(N, 3) points on the unit sphere: distances there grow with distances on Earth, across every meridian."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def nearest_m(
    *, lat_deg: Degrees, lon_deg: Degrees, to_lat_deg: Degrees, to_lon_deg: Degrees
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Great-circle distance in metres from each of N points to the nearest of M others, and which one that is.

    Args:
        lat_deg, lon_deg: (N,) degrees.
        to_lat_deg, to_lon_deg: (M,) degrees, at least one.

    Returns:
        (N,) metres and (N,) indices into the M points.
    """
    from scipy.spatial import cKDTree  # slow to import, and blocks alone do not need it

    others = cKDTree(unit_vectors(lat_deg=to_lat_deg, lon_deg=to_lon_deg))
    chord, index = others.query(unit_vectors(lat_deg=lat_deg, lon_deg=lon_deg))
    return 2 * EARTH_RADIUS_M * np.arcsin(np.clip(chord / 2, 0, 1)), index


def _cells(lat_deg: Degrees, lon_deg: Degrees, block_deg: float) -> NDArray[np.float64]:
    """(N, 2) row and column of each sample's block, not finite where the place is unknown."""
    if not block_deg > 0:
        raise InputError(f"Blocks of {block_deg:g} degrees; expected a number above 0.")
    return np.stack([np.floor(lat_deg / block_deg), np.floor(lon_deg / block_deg)], axis=1)


def _block_digests(lat_deg: Degrees, lon_deg: Degrees, block_deg: float, *, prefix: str) -> tuple[list[bytes], Index]:
    """SHA-256 of "<prefix><row>:<column>" for each of G blocks, and the block of each sample, (N,) in 0..G - 1."""
    cell = _cells(lat_deg, lon_deg, block_deg)
    known = np.isfinite(cell).all(axis=1)
    if not known.all():
        raise InputError(
            f"{int((~known).sum())} places have no coordinates (the first is number {int((~known).argmax()) + 1}); "
            "spatial blocks need them. Split by lists of ids instead."
        )
    unique, inverse = np.unique(cell.astype(np.int64), axis=0, return_inverse=True)
    digests = [hashlib.sha256(f"{prefix}{row}:{column}".encode()).digest() for row, column in unique]
    return digests, inverse.reshape(-1)
