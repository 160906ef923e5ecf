"""Which steps spoke: how much each step of a series adds to the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries

__all__ = ["step_contribution"]


def step_contribution(
    series: PixelSeries, weights: NDArray[np.float32], *, model: Model, label_index: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """What the answer loses when a step is taken away.

    For each step the series is embedded again without it. The contribution is the fall of the margin: the score of
    the series' class, less the mean score of the other classes.

    Args:
        series: N series of T steps; costs T + 1 forward passes.
        weights: (K, D) class vectors.
        model: the model.
        label_index: (N,) class to explain; default: the best one.

    Returns:
        (N, T): above 0 = the step speaks for the class, below 0 = against it; NaN where the step is missing, or is the
        only one.
    """
    whole = embed(series, model=model, missing="nan") @ weights.T  # (N, K)
    chosen = np.nan_to_num(whole, nan=-2.0).argmax(axis=1) if label_index is None else np.maximum(label_index, 0)
    full = _margin(whole, chosen)
    out = np.full(series.valid.shape, np.nan, dtype=np.float32)
    for step in range(series.steps):
        valid = series.valid.copy()
        valid[:, step] = False
        asked = np.flatnonzero(series.valid[:, step] & valid.any(axis=1))
        if asked.size:
            less = embed(replace(series, valid=valid).take(asked), model=model) @ weights.T
            out[asked, step] = full[asked] - _margin(less, chosen[asked])
    return out


def _margin(scores: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    own = scores[np.arange(len(scores)), chosen]
    others = (scores.sum(axis=1) - own) / max(scores.shape[1] - 1, 1)
    return np.asarray(own - (others if scores.shape[1] > 1 else 0.0), dtype=np.float32)
