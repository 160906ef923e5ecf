from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.evaluation.baselines.simple import cross_predicted, forest, forest_features, probe
from timesenclip.tasks.fit_vectors import fit_vectors
from timesenclip.testing import random_series


def test_a_patch_has_the_features_of_its_mean() -> None:
    series = random_series(3)
    weights = np.array([[0.5, 1.5], [1.25, 0.75]], np.float32)
    patches = replace(series, reflectance=(series.reflectance[..., None, None] * weights).astype(np.float32))
    assert forest_features(patches) == pytest.approx(forest_features(series), abs=1e-6)


def test_features_of_a_band_are_those_of_the_steps_that_have_it() -> None:
    whole = random_series(4, missing=0)
    bands = np.ones(whole.reflectance.shape, dtype=np.bool_)
    bands[0, 3, 8] = bands[1, :, 5] = False
    reflectance = np.where(bands, whole.reflectance, 0).astype(np.float32)
    found = forest_features(replace(whole, band_valid=bands, reflectance=reflectance))
    expected = forest_features(whole)
    monthly, was = found[:, :132].reshape(4, 12, 11), expected[:, :132].reshape(4, 12, 11)
    assert monthly[0, 3, 8] == pytest.approx(np.median(np.delete(was[0, :, 8], 3)))
    assert (monthly[1, :, 5] == 0).all()
    monthly[0, 3, 8], monthly[1, :, 5] = was[0, 3, 8], was[1, :, 5]
    assert np.array_equal(monthly, was)


def test_few_samples_of_many_classes_are_learned_from_without_a_word() -> None:
    # Warnings are errors here; scikit-learn would take one sample of each class for a regression.
    rng = np.random.default_rng(0)
    x, truth = rng.normal(size=(60, 64)).astype(np.float32), np.arange(60) % 30
    for learner in (probe(), forest(trees=3)):
        found = cross_predicted(x, truth, np.arange(60) // 30, learner, classes=30)
        assert found is not None
        assert found.sum(axis=1) == pytest.approx(1)
    vectors, _ = fit_vectors(x[:30], truth[:30], 30, method="probe")
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_models_with_labels_never_see_the_fold_they_answer() -> None:
    rng = np.random.default_rng(0)
    fold = np.arange(80) % 4
    truth = rng.integers(0, 3, 80)
    features = np.eye(80, dtype=np.float32)  # a sample tells nothing of another: only a leak could answer
    shares = cross_predicted(features, truth, fold, forest(trees=20), classes=4)
    assert shares is not None
    assert (shares.argmax(axis=1) == truth).mean() < 0.6
    assert (shares[:, 3] == 0).all()  # a class without a sample is never an answer
    assert shares.sum(axis=1) == pytest.approx(np.ones(80), abs=1e-5)
    assert cross_predicted(features, truth, fold * 0, forest(), classes=3) is None
    few = cross_predicted(features, truth, fold, probe(), classes=3, most=10)
    assert few is not None
