"""Answers in one region, by class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.unit.train.field_notes.small_world import real_set
from timesenclip.train.field_notes.forests import Learned
from timesenclip.train.field_notes.questions import ask_finer
from timesenclip.train.field_notes.region_results import TaskResult, balanced_accuracy, measure_task, wilson_interval


@pytest.mark.parametrize(("right", "count"), [(0, 10), (3, 10), (10, 10), (250, 400)])
def test_wilson_interval_is_that_of_scipy(right: int, count: int) -> None:
    expected = binomtest(right, count).proportion_ci(method="wilson")
    assert wilson_interval(right, count) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_balanced_accuracy_is_the_mean_recall() -> None:
    assert balanced_accuracy(np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 0])) == 0.375


@pytest.fixture
def result() -> TaskResult:
    real = real_set("corsica", {"maize": ("maize", 6), "wheat": ("winter wheat", 4), "trees": ("pine forest", 1)})
    asked = ask_finer(real, fewest=4)
    assert asked is not None
    scores = np.zeros((11, 2), np.float32)
    answer = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0])
    scores[np.arange(11), answer] = 0.5
    scores[0] = [0.1, 0.0]  # right, and below the threshold
    known = Learned(np.zeros(11, np.int64), ("B02", "B03"), 20, (0,), "other regions")
    return measure_task(
        real.series, asked, scores, region="corsica", title="t", task="kinds", unknown_score=0.3, elsewhere=known
    )


def test_recalls_with_and_without_unknown(result: TaskResult) -> None:
    maize, wheat = result.classes
    assert (maize.name, maize.count, maize.recall, maize.shipped) == ("maize", 6, 4 / 6, 3 / 6)
    assert (wheat.name, wheat.count, wheat.recall, wheat.shipped) == ("wheat", 4, 3 / 4, 3 / 4)
    assert maize.interval == wilson_interval(4, 6)
    assert (maize.instead, maize.instead_share) == ("wheat", 2 / 6)
    assert (result.places, result.asked, result.unknown) == (10, 2, 0.1)
    assert result.balanced == pytest.approx((4 / 6 + 3 / 4) / 2)
    assert result.shipped == pytest.approx((3 / 6 + 3 / 4) / 2)
    assert result.interval is not None
    assert result.interval[0] <= result.balanced <= result.interval[1]
    assert result.few == {"trees": 1}


def test_a_forest_has_no_recall_of_a_class_that_it_never_met(result: TaskResult) -> None:
    assert [row.elsewhere for row in result.classes] == [1.0, None]
    assert [row.same for row in result.classes] == [None, None]
    assert (result.elsewhere, result.same) == (0.5, None)
    assert result.notes == ("Forest with labels from elsewhere: 20 places, other regions; bands B02 B03.",)


def test_chance_draws_among_all_and_the_majority_has_one_class(result: TaskResult) -> None:
    assert (result.chance, result.majority) == (0.5, 0.5)
