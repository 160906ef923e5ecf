from __future__ import annotations

import numpy as np
import pytest

from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.mapping.change_statistics import DistanceHistogram, Transition, TransitionCounts


def test_quantiles_and_threshold_are_those_of_the_distances() -> None:
    rng = np.random.default_rng(0)
    distance = np.abs(rng.normal(0.2, 0.02, 20_000)).astype(np.float32)
    histogram = DistanceHistogram()
    for part in np.array_split(distance, 7):
        histogram.add(part)
    assert histogram.total == 20_000
    for share in (0.1, 0.5, 0.9):
        assert histogram.quantile(share) == pytest.approx(np.quantile(distance, share), abs=1e-3)
    median = np.median(distance)
    robust = 1.4826 * np.median(np.abs(distance - median))
    assert histogram.outlier_threshold() == pytest.approx(median + 3 * robust, abs=2e-3)


def test_equal_distances_have_a_threshold_above_them() -> None:
    histogram = DistanceHistogram()
    histogram.add(np.zeros(100, dtype=np.float32))
    assert 0 < histogram.outlier_threshold() < 0.01
    wide = DistanceHistogram()
    wide.add(np.linspace(0, 2, 1000, dtype=np.float32))
    assert wide.outlier_threshold() == 2.0


def test_transitions_are_counted_the_most_frequent_first() -> None:
    taxonomy = taxonomy_from_phrases(["maize", "water"])
    counts = TransitionCounts()
    counts.add(np.array([1, 1, 0, 2], dtype=np.uint8), np.array([2, 2, 1, 2], dtype=np.uint8))
    counts.add(np.array([1, 2], dtype=np.uint8), np.array([2, 0], dtype=np.uint8))
    assert counts.transitions(taxonomy, 10.0) == (
        Transition("maize", "water", 3, 0.03),
        Transition("unknown", "maize", 1, 0.01),
        Transition("water", "unknown", 1, 0.01),
    )
    assert TransitionCounts().transitions(taxonomy, 10.0) == ()
