"""The block bootstrap against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from timesenclip.evaluation.bootstrap import mean_intervals


def test_intervals_of_means_draw_blocks_and_skip_what_does_not_count() -> None:
    rng = np.random.default_rng(1)
    block = np.repeat(np.arange(20), 30)
    shared = np.repeat(rng.random(20), 30)  # all samples of a block say the same
    values = {"shared": shared, "own": rng.random(600), "some": np.where(np.arange(600) % 2, 1.0, np.nan)}
    found = mean_intervals(values, block, draws=400)
    assert found["some"] == (1.0, 1.0)
    for name in ("shared", "own"):
        low, high = found[name]
        assert low < values[name].mean() < high
    assert np.ptp(found["shared"]) == pytest.approx(2 * 1.96 * shared.std() / np.sqrt(20), rel=0.2)
    assert np.ptp(found["own"]) < np.ptp(found["shared"]) / 3
    assert mean_intervals(values, block * 0) == {}
