"""The predictions of one block of an area: made from scores, kept in a file, and given to the rasters of a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.outliers import series_without_outliers
from timesenclip.files import atomic_file
from timesenclip.mapping.observations import clear_count, true_colour
from timesenclip.mapping.output.layers import CLASS_NODATA, MAP_LAYERS, SCORE_NODATA
from timesenclip.mapping.query import Query
from timesenclip.series import Cube, PixelSeries, concatenate
from timesenclip.tasks.classify import Predictions

__all__ = ["ClassBlock", "TypicalPixel"]

_SERIES_ARRAYS = ("reflectance", "valid", "start", "end", "lon_deg", "lat_deg")


@dataclass(frozen=True, slots=True)
class TypicalPixel:
    """A typical pixel of one class within a block."""

    count: int
    """Pixels of the class in the block."""
    series: PixelSeries
    """One of them."""


@dataclass(frozen=True, slots=True)
class ClassBlock:
    """The predictions of one block."""

    classes: NDArray[np.uint8]
    """(Y, X) 0 unknown, 1..K, 255 not seen."""
    confidence: NDArray[np.uint8]
    """(Y, X) percent, 255 not seen or unknown."""
    clear: NDArray[np.uint16]
    """(Y, X) clear observations."""
    colour: NDArray[np.uint8]
    """(Y, X, 3) sqrt(reflectance) x 255; 0 not seen."""
    certainty: NDArray[np.float64]
    """(K + 1,) sums of the confidences 0..1 by class, "unknown" last, which has none."""
    masked: int
    """Pixels that were seen, but not often enough."""
    scores: NDArray[np.float32] | None
    """(K, Y, X) cosine similarities, -9999 not seen; None where they are not written."""
    typical: Mapping[int, TypicalPixel] = field(default_factory=dict)
    """Class index -> a typical pixel; empty where the series are not at hand."""

    @classmethod
    def from_scores(
        cls,
        scores: NDArray[np.float32],
        query: Query,
        *,
        clear: NDArray[np.uint16],
        colour: NDArray[np.uint8],
        masked: int = 0,
        keep_scores: bool = True,
        cube: Cube | None = None,
    ) -> ClassBlock:
        """Classify the pixels of a block by their scores.

        Args:
            scores: (Y * X, K) cosines as `Query.scores` gives them, row by row; NaN where a pixel was not seen, or not
                often enough.
            query: the K classes and their calibration.
            clear: (Y, X) clear observations.
            colour: (Y, X, 3) true colour, as in the store.
            masked: number of pixels that were not seen often enough.
            keep_scores: whether the scores will be written.
            cube: the composites, of which a typical pixel of each class is kept.
        """
        shape = (clear.shape[0], clear.shape[1])
        with np.errstate(invalid="ignore"):
            predictions = query.classify(scores)
        seen, sure, count = predictions.seen, predictions.confidence, predictions.scores.shape[1]
        label = predictions.label_index[seen] % (count + 1)  # -1, unknown, comes last
        filled = np.where(seen[:, None], predictions.scores, SCORE_NODATA).astype(np.float32) if keep_scores else None
        return cls(
            classes=np.where(seen, predictions.label_index + 1, CLASS_NODATA).astype(np.uint8).reshape(shape),
            confidence=np.where(np.isfinite(sure), np.round(np.nan_to_num(sure) * 100), CLASS_NODATA)
            .astype(np.uint8)
            .reshape(shape),
            clear=clear,
            colour=colour,
            certainty=np.bincount(label, np.nan_to_num(sure[seen]), count + 1).astype(np.float64),
            masked=masked,
            scores=None if filled is None else np.ascontiguousarray(filled.T).reshape(-1, *shape),  # (K, Y, X)
            typical={} if cube is None else _typical_pixels(predictions, cube),
        )

    @classmethod
    def from_vectors(
        cls, vectors: NDArray[np.float32], query: Query, cube: Cube, *, min_clear: int, keep_scores: bool
    ) -> ClassBlock:
        """Classify the pixels of a block by their embeddings.

        Args:
            vectors: (Y * X, D) embeddings, row by row; NaN where a pixel was not seen.
            query: the K classes and their calibration.
            cube: the composites that were embedded.
            min_clear: pixels with fewer clear observations get no class.
            keep_scores: whether the scores will be written.
        """
        clear = clear_count(cube)
        rare = (clear > 0) & (clear < min_clear)
        scores = query.scores(vectors)  # (Y * X, K)
        scores[rare.ravel()] = np.nan
        return cls.from_scores(
            scores,
            query,
            clear=clear,
            colour=true_colour(cube),
            masked=int(rare.sum()),
            keep_scores=keep_scores,
            cube=cube,
        )

    @property
    def seen(self) -> int:
        """Number of pixels that have a class or are unknown."""
        return int((self.classes != CLASS_NODATA).sum())

    def rasters(self) -> dict[str, NDArray[Any]]:
        """(C, Y, X) of every raster of the map, by the names of `map_layers`."""
        found: dict[str, NDArray[Any] | None] = {name: getattr(self, name) for name in MAP_LAYERS}
        return {
            name: values if values.ndim == 3 else values[None] for name, values in found.items() if values is not None
        }

    def save(self, path: Path) -> None:
        """Write the block to an `.npz` file, which appears under its name complete.

        Raises:
            OSError: it could not be written.
        """
        names = ("classes", "confidence", "clear", "colour", "certainty", "masked", "scores")
        arrays = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        arrays |= {
            "typical_class": np.array(list(self.typical), dtype=np.int64),
            "typical_count": np.array([pixel.count for pixel in self.typical.values()], dtype=np.int64),
        }
        pixels = concatenate([pixel.series for pixel in self.typical.values()]) if self.typical else None
        for name in _SERIES_ARRAYS:
            arrays[f"typical_{name}"] = np.zeros(0) if pixels is None else getattr(pixels, name)
        arrays["typical_bands"] = np.zeros((0, 0, 0), dtype=np.bool_) if pixels is None else pixels.bands_seen()
        # Shared: a worker of a cluster that was given up may still be writing the same block.
        with atomic_file(path, shared=True) as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> ClassBlock:
        """Read what `save` wrote.

        Raises:
            OSError: the file cannot be read.
        """
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = dict(file)
        classes, counts = arrays.pop("typical_class"), arrays.pop("typical_count")
        series = {name: arrays.pop(f"typical_{name}") for name in _SERIES_ARRAYS}
        bands = arrays.pop("typical_bands", None)  # blocks of earlier versions have all bands
        typical = {}
        if len(classes):
            if bands is not None and not np.array_equal(bands.any(axis=2), bands.all(axis=2)):
                series["band_valid"] = bands
            pixels = PixelSeries(sample_id=tuple(map(str, range(len(classes)))), **series)
            pixels = series_without_outliers(pixels, "keep")  # the block was judged when it was read
            rows = enumerate(zip(classes, counts, strict=True))
            typical = {int(k): TypicalPixel(int(n), pixels.take(np.array([i]))) for i, (k, n) in rows}
        return cls(**{"scores": None, **arrays, "masked": int(arrays["masked"])}, typical=typical)


def _typical_pixels(predictions: Predictions, cube: Cube) -> dict[int, TypicalPixel]:
    out = {}
    for k in np.unique(predictions.label_index[predictions.seen & (predictions.label_index >= 0)]):
        mine = np.flatnonzero(predictions.seen & (predictions.label_index == k))
        # A typical pixel explains more than the surest one: take the confidence nearest to the upper quartile.
        target = np.quantile(predictions.confidence[mine], 0.75)
        pick = mine[np.abs(predictions.confidence[mine] - target).argmin()]
        out[int(k)] = TypicalPixel(len(mine), cube.pixel_series(np.array([pick])))
    return out
