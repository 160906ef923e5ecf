"""Metrics of small cases worked out by hand; `tests/parity/test_metrics.py` compares them with scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from timesenclip.evaluation.metrics import (
    BINS,
    accuracy_ranges,
    block_sums,
    compute_metrics,
    confusion_matrix,
    metrics_from_sums,
    reliability,
)

TRUTH = np.array([0, 0, 0, 1, 1, 2])
SAID = np.array([0, 0, 1, 1, -1, 0])
NAMES = ("maize", "lake", "moor", "glacier")


def test_every_metric_of_six_samples() -> None:
    found = compute_metrics(TRUTH, SAID, names=NAMES)
    rows = {row.name: (row.support, row.precision, row.recall, row.f1) for row in found.classes}
    assert rows["maize"] == pytest.approx((3, 2 / 3, 2 / 3, 2 / 3))
    assert rows["lake"] == pytest.approx((2, 1 / 2, 1 / 2, 1 / 2))
    assert rows["moor"] == pytest.approx((1, np.nan, 0, 0), nan_ok=True)  # never predicted
    assert (found.count, found.accuracy) == (6, 0.5)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert found.weighted_f1 == pytest.approx((3 * 2 / 3 + 2 * 1 / 2) / 6)
    assert found.unknown_share == pytest.approx(1 / 6)
    assert found.absent == ("glacier",)
    assert (found.top5_accuracy, found.calibration_error, found.blocks, found.intervals) == (None, None, None, {})
    assert found.to_dict()["classes"][1]["recall"] == 0.5


def test_sums_of_blocks_add_up_to_those_of_the_whole() -> None:
    confidence = np.array([0.9, 0.8, 0.5, 0.6, 0.2, 1.0])
    block = np.array([7, 7, 3, 3, 3, 9])
    sums = block_sums(TRUTH, SAID, 4, confidence=confidence, block=block)
    assert sums.shape == (3, 3 * 4 + 1 + 3 * BINS)
    assert sums[:, :4].tolist() == [[1, 2, 0, 0], [2, 0, 0, 0], [0, 0, 1, 0]]  # true classes of blocks 3, 7, 9
    assert sums[:, 4:8].tolist() == [[0, 2, 0, 0], [2, 0, 0, 0], [1, 0, 0, 0]]  # predicted; unknown is no class
    assert sums[:, 8:12].tolist() == [[0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]]  # correct
    whole = block_sums(TRUTH, SAID, 4, confidence=confidence)
    assert sums.sum(axis=0) == pytest.approx(whole[0])
    single = metrics_from_sums(sums, 4)
    assert single["accuracy"].tolist() == pytest.approx([1 / 3, 1, 0])
    assert single["recall"][1] == pytest.approx([1, np.nan, np.nan, np.nan], nan_ok=True)


def test_intervals_of_blocks_that_are_all_right_or_all_wrong() -> None:
    truth, block = np.zeros(40, int), np.repeat(np.arange(4), 10)
    said = np.where(block < 2, 0, -1)
    found = compute_metrics(truth, said, names=["maize"], block=block, draws=500)
    assert found.blocks == 4
    assert found.accuracy == 0.5
    # The right blocks of four draws are binomial (4, 1/2): 0 or 4 of them have a chance of 1/16 each.
    assert found.intervals["accuracy"] == (0.0, 1.0)
    assert found.classes[0].intervals["recall"] == found.intervals["balanced_accuracy"] == (0.0, 1.0)
    same = compute_metrics(truth, truth, names=["maize"], block=block, draws=50)
    assert same.intervals["accuracy"] == (1.0, 1.0)


def test_top_5_accuracy_is_of_the_five_highest_scores() -> None:
    scores = np.tile(np.arange(6.0), (4, 1))  # class 0 is the last of six
    found = compute_metrics(np.array([0, 1, 5, 0]), np.full(4, 5), names=list("abcdef"), scores=scores)
    assert found.top5_accuracy == 0.5
    assert found.accuracy == 0.25


def test_confusion_has_a_column_for_unknown() -> None:
    assert confusion_matrix(TRUTH, SAID, 4).tolist() == [
        [2, 1, 0, 0, 0],
        [0, 1, 0, 0, 1],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_reliability_and_calibration_error_of_two_bins() -> None:
    confidence = np.array([0.1, 0.1, 1.0, 1.0, 1.0])
    right = np.array([True, False, True, True, False])
    table = reliability(confidence, right)
    assert table.shape == (BINS, 3)
    assert table[1].tolist() == pytest.approx([2, 0.1, 0.5])  # 0.1 * 15 = 1.5
    assert table[BINS - 1].tolist() == pytest.approx([3, 1.0, 2 / 3])  # 1.0 is in the last bin
    assert table[:, 0].sum() == 5
    assert np.isnan(table[0, 1:]).all()
    found = compute_metrics(np.zeros(5, int), np.where(right, 0, -1), names=["a"], confidence=confidence)
    assert found.calibration_error == pytest.approx((2 * 0.4 + 3 * 1 / 3) / 5)


def test_an_answer_without_a_confidence_is_no_part_of_the_calibration_error() -> None:
    confidence = np.array([0.1, 0.1, 1.0, 1.0, np.nan])
    said = np.array([0, -1, 0, 0, -1])
    table = reliability(confidence, said == 0)
    assert table[:, 0].sum() == 4
    found = compute_metrics(np.zeros(5, int), said, names=["a"], confidence=confidence, block=np.arange(5))
    assert found.calibration_error == pytest.approx((2 * 0.4 + 2 * 0.0) / 4)
    assert np.isfinite(found.intervals["calibration_error"]).all()
    assert found.accuracy == 0.6  # of all samples
    none = compute_metrics(np.zeros(5, int), said, names=["a"], confidence=np.full(5, np.nan))
    assert none.calibration_error is None


def test_ranges_over_repeats() -> None:
    assert accuracy_ranges([(0.5, 0.25), (0.75, 0.125), (0.25, 0.75)]) == {
        "accuracy": 0.5,
        "balanced_accuracy": 0.375,
        "accuracy_range": (0.25, 0.75),
        "balanced_accuracy_range": (0.125, 0.75),
    }
