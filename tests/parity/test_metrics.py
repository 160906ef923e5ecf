"""Figures of merit against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from timesenclip.errors import InputError
from timesenclip.evaluation.metrics import compute_metrics, confusion_matrix, reliability, top_k_hits


def _calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error, bin by bin. Source: Guo et al. 2017, arXiv:1706.04599."""
    slot = np.minimum((confidence * bins).astype(int), bins - 1)
    inside = [slot == b for b in range(bins) if (slot == b).any()]
    return sum(float(here.mean() * abs(right[here].mean() - confidence[here].mean())) for here in inside)


def _measured(confidence: np.ndarray, right: np.ndarray) -> float | None:
    answers = np.where(right, 0, -1)
    return compute_metrics(np.zeros(len(right), int), answers, names=["a"], confidence=confidence).calibration_error


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"class {k}" for k in range(6)]
    truth = rng.choice([0, 1, 2, 4], 200)  # 3 and 5 do not occur
    predicted = np.where(rng.random(200) < 0.5, truth, rng.integers(0, 6, 200))
    found = compute_metrics(truth, predicted, names=names)
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
    found = compute_metrics(np.array([0, 1]), np.array([0, -1]), names=["a", "b"])
    assert (found.accuracy, found.unknown_share) == (0.5, 0.5)


def test_calibration_error_of_known_cases() -> None:
    right = np.array([True, False] * 50)
    assert _measured(np.full(100, 0.5), right) == pytest.approx(0.0)
    assert _measured(np.full(100, 0.9), right) == pytest.approx(0.4)
    assert _measured(np.full(100, 1.0), np.ones(100, dtype=bool)) == pytest.approx(0.0)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(InputError):
        compute_metrics(np.array([], dtype=int), np.array([], dtype=int), names=["a"])
    with pytest.raises(InputError, match=r"0\.\.0"):
        compute_metrics(np.array([1]), np.array([0]), names=["a"])


@pytest.mark.parametrize("classes", [1, 3, 6, 12])
def test_weighted_f1_and_top_5_equal_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    scores = rng.normal(size=(300, classes)).astype(np.float32)
    truth = rng.integers(0, classes, 300)
    found = compute_metrics(truth, scores.argmax(axis=1), names=[str(k) for k in range(classes)], scores=scores)
    assert found.weighted_f1 == pytest.approx(sk.f1_score(truth, scores.argmax(axis=1), average="weighted"))
    if classes <= 5:
        assert found.top5_accuracy is None
    else:
        assert found.top5_accuracy == pytest.approx(
            sk.top_k_accuracy_score(truth, scores, k=5, labels=np.arange(classes))
        )


def test_top_k_of_ties_and_gaps() -> None:
    scores = np.array([[1, 1, 1], [np.nan] * 3, [0, 1, 2]], np.float32)
    assert top_k_hits(scores, np.array([1, 0, 0]), 1).tolist() == [False, False, False]
    assert top_k_hits(scores, np.array([0, 0, 2]), 1).tolist() == [True, False, True]
    assert top_k_hits(scores, np.array([2, 0, 0]), 7).tolist() == [True, False, True]


def test_confusion_and_reliability_equal_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    truth, predicted = rng.integers(0, 4, 500), rng.integers(-1, 4, 500)
    counts = confusion_matrix(truth, predicted, 4)
    assert np.array_equal(counts[:, :4], sk.confusion_matrix(truth, predicted, labels=range(4)))
    assert counts[:, 4].sum() == (predicted < 0).sum()
    confidence = rng.random(500)
    right = rng.random(500) < confidence
    count, mean, share = reliability(confidence, right).T
    assert count.sum() == 500
    assert (count / 500 * np.abs(share - mean)).sum() == pytest.approx(_calibration_error(confidence, right))
    found = compute_metrics(np.zeros(500, int), np.where(right, 0, -1), names=["a"], confidence=confidence)
    assert found.calibration_error == pytest.approx(_calibration_error(confidence, right))


def test_block_bootstrap_equals_drawing_the_samples_of_whole_blocks() -> None:
    rng = np.random.default_rng(8)
    block = np.repeat(np.arange(12), rng.integers(1, 30, 12))
    truth = rng.integers(0, 3, len(block))
    predicted = np.where(rng.random(len(block)) < 0.3 + 0.5 * (block % 2), truth, rng.integers(-1, 3, len(block)))
    found = compute_metrics(truth, predicted, names="abc", block=block, draws=400, seed=4)
    drawn, rng = [], np.random.default_rng(4)
    for size in [50] * 8:
        for times in rng.multinomial(12, np.full(12, 1 / 12), size=size):
            rows = np.concatenate([np.repeat(np.flatnonzero(block == b), times[b]) for b in range(12)])
            present = sorted(set(truth[rows]))
            drawn.append(
                (
                    sk.accuracy_score(truth[rows], predicted[rows]),
                    sk.f1_score(truth[rows], predicted[rows], labels=present, average="macro", zero_division=0),
                )
            )
    expected = np.percentile(drawn, [2.5, 97.5], axis=0)
    assert found.intervals["accuracy"] == pytest.approx(tuple(expected[:, 0]))
    assert found.intervals["macro_f1"] == pytest.approx(tuple(expected[:, 1]))
    assert found.blocks == 12
    assert compute_metrics(truth, predicted, names="abc", block=block * 0).intervals == {}
    alone = compute_metrics(truth, predicted, names="abc", block=np.arange(len(block)), seed=4)
    width = [np.diff(run.intervals["accuracy"])[0] for run in (found, alone)]
    assert width[0] > 1.5 * width[1]  # neighbours agree, so single samples promise too much
