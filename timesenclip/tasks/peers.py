"""Features of other people's encoders, for a linear probe beside the checkpoint's own.

Frozen image-text models are asked of pictures instead (`tasks.rgb`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.series import PixelSeries

__all__ = ["PRESTO", "peer_features"]

PRESTO = "Presto probe (with labels)"
"""Name of its row in every table."""


def peer_features(
    series: PixelSeries, *, presto: str | Path | None = None
) -> tuple[dict[str, NDArray[np.float32]], list[str]]:
    """Features (N, F) by the name of their row, for `compare_methods`, and what a report should say of them.

    Args:
        series: N series with at least one clear step each.
        presto: Presto's weights; None: without it.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: the weights are no Presto.
        TimeError: a series spans more months than Presto reads.
    """
    if presto is None:
        return {}, []
    from timesenclip.model.presto import load_presto, presto_features

    model = load_presto(presto)
    left = ", ".join(f"{part} ({count} tensors)" for part, count in model.ignored.items()) or "nothing"
    note = (
        f"Presto's weights were read from {model.source}, {left} left out. It sees ten bands, NDVI, months and place; "
        "Sentinel-1, weather, terrain and land cover are masked. It was trained on top-of-atmosphere reflectance."
    )
    return {PRESTO: presto_features(series, model)}, [note]
