"""Baselines: chance, the majority class, and supervised models.

The supervised models (random forest, linear probe) run on the raw series and on the embeddings, and are always tested
on other blocks of land than those they were trained on (`cross_predicted`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.ndvi import ndvi
from timesenclip.series import PixelSeries
from timesenclip.tasks.fit_vectors import without_few_samples_warnings

__all__ = [
    "chance",
    "cross_predicted",
    "forest",
    "forest_features",
    "majority",
    "probe",
    "random_forest",
]

Features = NDArray[np.float32]
Learner = Callable[[Features, NDArray[np.int64]], Any]


def chance(count: int, classes: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Predictions drawn uniformly from the classes, (N,)."""
    return np.random.default_rng(seed).integers(0, classes, count)


def majority(truth: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """The most frequent class of the training labels, (N,)."""
    return np.full(count, int(np.bincount(truth).argmax()), dtype=np.int64)


def forest_features(series: PixelSeries) -> Features:
    """(N, F) features for series of any length: bands and NDVI of each calendar month, and their percentiles.

    Several steps of one month are averaged, and so are the pixels of a patch. A month in which a band was not seen gets
    the median of this band in the series, and a band that a series does not have at all is 0.
    """
    n, bands = len(series), series.reflectance
    bands = bands.mean(axis=(3, 4)) if bands.ndim == 5 else bands  # (N, T, C)
    index, known = ndvi(series)
    values = np.concatenate([bands, index[..., None]], axis=2)  # (N, T, C + 1)
    seen = np.concatenate([series.bands_seen(), known[..., None]], axis=2)
    month = series.months() % 12
    total, count = np.zeros((n, 12, values.shape[2])), np.zeros((n, 12, values.shape[2]))
    row = np.broadcast_to(np.arange(n)[:, None], month.shape)
    use = series.valid
    np.add.at(total, (row[use], month[use]), values[use])
    np.add.at(count, (row[use], month[use]), seen[use])
    monthly = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    masked = np.ma.masked_invalid(monthly)
    middle = np.ma.median(masked, axis=1).filled(0.0)  # type: ignore[no-untyped-call]  # (N, C + 1)
    filled = np.where(np.isnan(monthly), middle[:, None], monthly)
    ranges = np.percentile(filled, [10, 50, 90], axis=1).transpose(1, 0, 2).reshape(n, -1)
    return np.concatenate([filled.reshape(n, -1), ranges], axis=1).astype(np.float32)


def forest(*, seed: int = 0, trees: int = 100) -> Learner:
    """A random forest, classes weighted evenly."""
    from sklearn.ensemble import RandomForestClassifier

    def fit(features: Features, labels: NDArray[np.int64]) -> Any:
        with without_few_samples_warnings():
            model = RandomForestClassifier(trees, class_weight="balanced_subsample", random_state=seed)
            return model.fit(features, labels)

    return fit


def probe(*, strength: float = 1.0) -> Learner:
    """A linear probe: logistic regression on standardised features, without class weights.

    Args:
        strength: inverse of the L2 penalty, scikit-learn's `C`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    def fit(features: Features, labels: NDArray[np.int64]) -> Any:
        # One thread: on small problems, several threads mostly wait (measured: 90 times slower on a busy machine).
        with without_few_samples_warnings(), threadpool_limits(1):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
            return model.fit(np.asarray(features, np.float64), labels)

    return fit


def cross_predicted(
    features: Features,
    truth: NDArray[np.int64],
    fold: NDArray[np.int64],
    learner: Learner,
    *,
    classes: int,
    most: int = 20_000,
    seed: int = 0,
) -> NDArray[np.float32] | None:
    """Probabilities (N, K) for every sample from a model that was trained on the other folds.

    A class that is not in the training folds has probability 0. A model is trained on at most `most` samples, drawn
    with `seed`.

    Returns:
        None where all samples are in one fold, or the training folds have fewer than two classes.
    """
    out = np.zeros((len(truth), classes), dtype=np.float32)
    for part in np.unique(fold):
        here = fold == part
        if here.all() or len(np.unique(truth[~here])) < 2:
            return None
        others = np.random.default_rng(seed).permutation(np.flatnonzero(~here))[:most]
        model = learner(features[others], truth[others])
        out[np.ix_(here, model.classes_)] = model.predict_proba(features[here])
    return out


def random_forest(
    train: PixelSeries, labels: NDArray[np.integer], test: PixelSeries, *, seed: int = 0, trees: int = 300
) -> NDArray[np.int64]:
    """Predictions (N,) for `test` by a forest that learned from the labels of `train`, classes weighted evenly."""
    model = forest(seed=seed, trees=trees)(forest_features(train), np.asarray(labels, np.int64))
    return np.asarray(model.predict(forest_features(test)), dtype=np.int64)
