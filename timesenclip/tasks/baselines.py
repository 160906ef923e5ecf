"""What an answer must be compared with: chance, the majority class, and a random forest with labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import band_index
from timesenclip.series import PixelSeries

__all__ = ["chance", "forest_features", "majority", "random_forest"]


def chance(count: int, classes: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Predictions drawn evenly from the classes, (N,)."""
    return np.random.default_rng(seed).integers(0, classes, count)


def majority(truth: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """The most frequent class of the training labels, (N,)."""
    return np.full(count, int(np.bincount(truth).argmax()), dtype=np.int64)


def forest_features(series: PixelSeries) -> NDArray[np.float32]:
    """(N, F) features that any number of steps gives: each month's bands and NDVI, gaps filled by the series' median,
    and percentiles.

    Months are calendar months; several steps of one month are averaged.
    """
    n = len(series)
    red, nir = series.reflectance[:, :, band_index("red")], series.reflectance[:, :, band_index("nir")]
    ndvi = (nir - red) / np.maximum(nir + red, 1e-6)
    values = np.concatenate([series.reflectance, ndvi[..., None]], axis=2)  # (N, T, C + 1)
    month = ((series.start + (series.end - series.start) // 2).astype("datetime64[M]").astype(int)) % 12
    total = np.zeros((n, 12, values.shape[2]))
    count = np.zeros((n, 12, 1))
    row = np.broadcast_to(np.arange(n)[:, None], month.shape)
    use = series.valid
    np.add.at(total, (row[use], month[use]), values[use])
    np.add.at(count, (row[use], month[use]), 1.0)
    monthly = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    masked = np.ma.masked_invalid(monthly)
    middle = np.ma.median(masked, axis=1).filled(0.0)  # type: ignore[no-untyped-call]  # (N, C + 1)
    filled = np.where(np.isnan(monthly), middle[:, None], monthly)
    ranges = np.percentile(filled, [10, 50, 90], axis=1).transpose(1, 0, 2).reshape(n, -1)
    return np.concatenate([filled.reshape(n, -1), ranges], axis=1).astype(np.float32)


def random_forest(
    train: PixelSeries, labels: NDArray[np.integer], test: PixelSeries, *, seed: int = 0, trees: int = 300
) -> NDArray[np.int64]:
    """Predictions (N,) of a forest trained with labels, classes weighted evenly.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier
    except ImportError as error:
        from timesenclip.errors import MissingExtraError

        raise MissingExtraError("The random forest needs scikit-learn: pip install 'timesenclip[eval]'.") from error
    forest = RandomForestClassifier(trees, class_weight="balanced_subsample", random_state=seed, n_jobs=2)
    forest.fit(forest_features(train), labels)
    return np.asarray(forest.predict(forest_features(test)), dtype=np.int64)
