"""Figures of merit against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from timesenclip.errors import InputError
from timesenclip.tasks.metrics import calibration_error, figures


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"class {k}" for k in range(6)]
    truth = rng.choice([0, 1, 2, 4], 200)  # 3 and 5 do not occur
    predicted = np.where(rng.random(200) < 0.5, truth, rng.integers(0, 6, 200))
    found = figures(truth, predicted, names=names)
    assert found.accuracy == pytest.approx(sk.accuracy_score(truth, predicted))
    present = sorted(set(truth))
    recall = sk.recall_score(truth, predicted, labels=present, average=None)
    assert found.balanced_accuracy == pytest.approx(recall.mean())
    assert found.macro_f1 == pytest.approx(sk.f1_score(truth, predicted, labels=present, average="macro"))
    assert [row.recall for row in found.classes] == pytest.approx(recall.tolist())
    precision = sk.precision_score(truth, predicted, labels=present, average=None)
    assert [row.precision for row in found.classes] == pytest.approx(precision.tolist())
    assert found.absent == ("class 3", "class 5")


def test_unknown_is_wrong_and_counted() -> None:
    found = figures(np.array([0, 1]), np.array([0, -1]), names=["a", "b"])
    assert (found.accuracy, found.unknown_share) == (0.5, 0.5)


def test_calibration_error_of_known_cases() -> None:
    right = np.array([True, False] * 50)
    assert calibration_error(np.full(100, 0.5), right) == pytest.approx(0.0)
    assert calibration_error(np.full(100, 0.9), right) == pytest.approx(0.4)
    assert calibration_error(np.full(100, 1.0), np.ones(100, dtype=bool)) == pytest.approx(0.0)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(InputError):
        figures(np.array([], dtype=int), np.array([], dtype=int), names=["a"])
    with pytest.raises(InputError, match=r"0\.\.0"):
        figures(np.array([1]), np.array([0]), names=["a"])
