"""Confidence intervals from a spatial block bootstrap.

Neighbouring samples are often pixels of one field and so not independent. Whole blocks of land are therefore drawn with
replacement; a bootstrap over single samples would give intervals that are too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError

__all__ = [
    "DRAWS",
    "block_draws",
    "mean_intervals",
    "percentile_interval",
]

DRAWS = 1000
"""Bootstrap draws; 25 of 1000 draws lie below the 2.5th percentile."""
_AT_ONCE = 50
"""Draws that are computed at a time, to limit memory."""

Index = NDArray[np.int64]


def block_draws(sums: NDArray[np.float64], *, draws: int = DRAWS, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """Sums over blocks of land that are drawn with replacement.

    Any metric that is a function of sums over samples (a confusion matrix, the bins of a reliability diagram) can be
    computed for each draw from these alone.

    Args:
        sums: (G, M) sums of each of G blocks.
        draws: number of draws.
        seed: seed of the draws; the same seed and number of blocks draw the same blocks.

    Yields:
        (R, M) sums of R draws at a time.

    Raises:
        InputError: fewer than one draw.
    """
    if draws < 1:
        raise InputError(f"{draws} draws of the bootstrap; expected 1 or more, such as 1000.")
    blocks = len(sums)
    rng = np.random.default_rng(seed)
    share = np.full(blocks, 1 / blocks)
    for first in range(0, draws, _AT_ONCE):
        times = rng.multinomial(blocks, share, size=min(_AT_ONCE, draws - first))  # (R, G)
        yield times @ sums


def percentile_interval(values: NDArray[np.float64], *, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the draws of one metric, NaN left out; (NaN, NaN) where all draws are NaN."""
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def mean_intervals(
    values: Mapping[str, NDArray[np.float64]], block: Index, *, draws: int = DRAWS, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % intervals of means over samples, from the block bootstrap.

    Args:
        values: (N,) values by name; NaN is left out of the mean.
        block: (N,) block of land of each sample.
        draws, seed: number of draws and seed of the bootstrap.

    Returns:
        (low, high) by name; empty with a single block.
    """
    group = np.unique(block, return_inverse=True)[1].ravel()
    if not len(group) or group.max() == 0 or not values:
        return {}
    table = np.stack(list(values.values()), axis=1)  # (N, M)
    known = np.isfinite(table)
    sums = np.zeros((int(group.max()) + 1, 2 * table.shape[1]))
    np.add.at(sums, group, np.concatenate([np.where(known, table, 0.0), known], axis=1))
    drawn = np.concatenate(list(block_draws(sums, draws=draws, seed=seed)))  # (draws, 2 M)
    total, count = np.split(drawn, 2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = total / count
    return {name: percentile_interval(means[:, i]) for i, name in enumerate(values)}
