"""Example pixels for the page of a map: time series, and the contribution of each month to the class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import band_index
from timesenclip.mapping.output.class_map import TypicalPixel
from timesenclip.mapping.output.result import Example
from timesenclip.mapping.query import Query
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries
from timesenclip.tasks.explain import step_contribution

__all__ = ["Examples"]


class Examples:
    """Keeps a typical pixel of each class: that of the block that has most of it."""

    def __init__(self) -> None:
        """Begin without pixels."""
        self._best: dict[int, TypicalPixel] = {}

    def add(self, typical: Mapping[int, TypicalPixel]) -> None:
        """Keep those of a block that are better than the ones so far."""
        for k, pixel in typical.items():
            if k not in self._best or pixel.count > self._best[k].count:
                self._best[k] = pixel

    def explained(self, pixels: NDArray[np.int64], query: Query, model: Model, most: int = 6) -> tuple[Example, ...]:
        """Explain a pixel of each of the most frequent classes.

        Args:
            pixels: (K + 1,) number of pixels by class.
            query: the K classes.
            model: what embeds the pixels again.
            most: number of examples.
        """
        order = sorted(self._best, key=lambda k: (-pixels[k], k))[:most]
        return tuple(_example(k, self._best[k], query, model) for k in order)


def _example(k: int, pixel: TypicalPixel, query: Query, model: Model) -> Example:
    series = pixel.series
    predictions = query.classify(query.scores(embed(series, model=model, missing="nan")))
    parts = step_contribution(series, query.vectors, model=model, label_index=np.array([k]))[0]
    return Example(
        name=query.taxonomy.names[k],
        colour=query.taxonomy.colours[k],
        confidence=float(predictions.probabilities[0, k]),
        lon_deg=float(series.lon_deg[0]),
        lat_deg=float(series.lat_deg[0]),
        dates=tuple(map(str, series.start[0])),
        ndvi=_ndvi(series),
        contribution=tuple(float(v) if np.isfinite(v) else None for v in parts),
    )


def _ndvi(series: PixelSeries) -> tuple[float | None, ...]:
    """NDVI of each step of the first series; None where a band is missing. B8A stands in for a B08 that is not there,
    as in Landsat's NDVI: the difference is small, and nothing but the page's chart shows it.
    """
    bands = series.bands_seen()[0]  # (T, C)
    narrow, wide = band_index("B8A"), band_index("B08")
    red, nir = band_index("B04"), wide if bands[:, wide].any() else narrow
    low, high = series.reflectance[0, :, red], series.reflectance[0, :, nir]
    ndvi = (high - low) / np.maximum(high + low, 1e-6)
    seen = bands[:, red] & bands[:, nir]
    return tuple(float(v) if ok else None for v, ok in zip(ndvi, seen, strict=True))
