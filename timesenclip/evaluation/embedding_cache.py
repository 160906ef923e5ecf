"""Embeddings of one model, kept while an evaluation runs: several of its parts ask for the same series.

Only whole sets are kept, not single series: the last bits of a vector depend on the size of the batch that it was
computed in, and figures must not depend on what was evaluated before.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.outliers import is_judged
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries

__all__ = ["EmbeddingCache"]


class EmbeddingCache:
    """Embeds sets of series with one model, and each set once."""

    def __init__(self, model: Model, *, most_mb: float = 512) -> None:
        """An empty cache.

        Args:
            model: the model.
            most_mb: memory for vectors in MB; beyond it, the set that was not asked for the longest is dropped.
        """
        self.model = model
        self._most_bytes = most_mb * 1e6
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def embed(self, series: PixelSeries) -> NDArray[np.float32]:
        """(N, D) unit rows, NaN for a series without a valid step; the array is shared, so it cannot be written to."""
        key = _digest(series)
        if key not in self._kept:
            vectors = embed(series, model=self.model, missing="nan")
            vectors.flags.writeable = False
            self._kept[key] = vectors
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > self._most_bytes:
            self._kept.popitem(last=False)
        return self._kept[key]


def _digest(series: PixelSeries) -> str:
    """Of everything that the encoder reads of a set of series."""
    digest = hashlib.sha256(repr((series.reflectance.shape, is_judged(series.provenance))).encode())
    for array in (series.reflectance, series.valid, series.start, series.end, series.lat_deg, series.lon_deg):
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    if series.band_valid is not None:
        digest.update(np.packbits(series.bands_seen()).data)
    return digest.hexdigest()
