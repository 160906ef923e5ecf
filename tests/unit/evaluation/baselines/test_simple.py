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
