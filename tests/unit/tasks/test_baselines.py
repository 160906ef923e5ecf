from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.tasks.baselines import forest_features
from timesenclip.tasks.peers import peer_features
from timesenclip.testing import random_series


def test_a_patch_has_the_features_of_its_mean() -> None:
    series = random_series(3)
    weights = np.array([[0.5, 1.5], [1.25, 0.75]], np.float32)
    patches = replace(series, reflectance=(series.reflectance[..., None, None] * weights).astype(np.float32))
    assert forest_features(patches) == pytest.approx(forest_features(series), abs=1e-6)


def test_without_weights_there_is_no_peer() -> None:
    assert peer_features(random_series(3)) == ({}, [])
