"""The contribution of each step of a series to its label, by leaving it out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.outliers import series_without_outliers
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed, readable_steps
from timesenclip.model.substitute import with_near_infrared
from timesenclip.series import PixelSeries

__all__ = ["step_contribution"]


def step_contribution(
    series: PixelSeries, weights: NDArray[np.float32], *, model: Model, label_index: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """The decrease of the margin when a step is left out.

    For each step the series is embedded again without it. The margin is the score of the class of the series less the
    mean score of the other classes.

    Args:
        series: N series of T steps; costs T + 1 forward passes.
        weights: (K, D) class vectors.
        model: the model that made the class vectors.
        label_index: (N,) class to explain, -1 counts as 0; default: the class with the highest score.

    Returns:
        (N, T): above 0 the step supports the class, below 0 it opposes it; NaN where the step is missing, is the only
        valid one, or lacks bands that the encoder needs.
    """
    series = with_near_infrared(series, model)
    series = series_without_outliers(series)  # once: a series without one of its steps is not judged again
    whole = embed(series, model=model, missing="nan") @ weights.T  # (N, K)
    chosen = np.nan_to_num(whole, nan=-2.0).argmax(axis=1) if label_index is None else np.maximum(label_index, 0)
    full = _margin(whole, chosen)
    out = np.full(series.valid.shape, np.nan, dtype=np.float32)
    readable = readable_steps(series.valid, series.band_valid, model, band_axis=2)  # (N, T)
    for step in range(series.steps):
        valid = readable.copy()
        valid[:, step] = False
        row = np.flatnonzero(readable[:, step] & valid.any(axis=1))
        if row.size:
            without = embed(replace(series, valid=valid).take(row), model=model) @ weights.T
            out[row, step] = full[row] - _margin(without, chosen[row])
    return out


def _margin(scores: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N,) score of the chosen class less the mean of the others; the score itself where there is one class."""
    own = scores[np.arange(len(scores)), chosen]
    others = (scores.sum(axis=1) - own) / max(scores.shape[1] - 1, 1)
    return np.asarray(own - (others if scores.shape[1] > 1 else 0.0), dtype=np.float32)
