"""The block bootstrap against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from timesenclip.errors import InputError
from timesenclip.evaluation.bootstrap import block_draws, mean_intervals, percentile_interval


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


def test_every_draw_takes_as_many_blocks_as_there_are() -> None:
    sums = np.stack([np.ones(7), np.arange(7.0)], axis=1)
    parts = list(block_draws(sums, draws=120, seed=3))
    assert [len(part) for part in parts] == [50, 50, 20]
    drawn = np.concatenate(parts)
    assert (drawn[:, 0] == 7).all()
    assert drawn[:, 1].mean() == pytest.approx(21, abs=1.5)  # the expectation of a draw is the whole
    assert len(np.unique(drawn[:, 1])) > 10
    again = np.concatenate(list(block_draws(sums, draws=120, seed=3)))
    other = np.concatenate(list(block_draws(sums, draws=120, seed=4)))
    assert np.array_equal(again, drawn)
    assert not np.array_equal(other, drawn)
    with pytest.raises(InputError, match="0 draws of the bootstrap"):
        next(block_draws(sums, draws=0))


def test_percentiles_leave_nan_out() -> None:
    values = np.concatenate([np.arange(101.0), [np.nan] * 50])
    assert percentile_interval(values) == pytest.approx((2.5, 97.5))
    assert percentile_interval(values, level=0.5) == pytest.approx((25, 75))
    assert np.isnan(percentile_interval(np.full(3, np.nan))).all()
