"""Confidence and `unknown`, fitted on some regions and measured on another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.evaluation.metrics import compute_metrics
from timesenclip.train.field_notes.region_calibration import (
    LOST_AT_MOST,
    Scored,
    calibration_error,
    fit,
    keeping_right_answers,
    left_one_out,
    pooled_errors,
)


def scored(region: str, *, seed: int, count: int = 4000, temperature: float = 0.05, shift: float = 0.2) -> Scored:
    """Places whose true class is drawn with the probabilities of a softmax at a temperature."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 0.1, (count, 4)) + shift
    odds = np.exp(scores / temperature)
    odds /= odds.sum(axis=1, keepdims=True)
    truth = (rng.random((count, 1)) > odds.cumsum(axis=1)).sum(axis=1).clip(0, 3)
    return Scored(region, "words", scores, truth)


def test_the_temperature_that_made_the_labels_is_found() -> None:
    assert fit([scored("a", seed=1), scored("b", seed=2)]).temperature == pytest.approx(0.05, rel=0.1)


def test_a_large_region_counts_no_more_than_a_small_one() -> None:
    small = scored("b", seed=2, count=300, temperature=0.2)
    large = scored("a", seed=1, count=6000)
    cut = replace(large, scores=large.scores[:3000], truth=large.truth[:3000])
    assert fit([large, small]).temperature == pytest.approx(fit([cut, small]).temperature, rel=0.05)
    assert large.weight.sum() == pytest.approx(small.weight.sum())
    counts = np.bincount(small.truth, weights=small.weight)
    assert counts == pytest.approx(np.full(4, 0.25))


def test_the_threshold_loses_few_right_answers_of_any_region() -> None:
    parts = [scored("a", seed=1), scored("b", seed=2, shift=0.1)]
    found = fit(parts)
    assert found.unknown_score is not None
    for part in parts:
        lost = part.right & (part.scores.max(axis=1) < found.unknown_score)
        assert part.weight[lost].sum() <= LOST_AT_MOST * part.weight[part.right].sum() + 1e-9
    higher = [part.right & (part.scores.max(axis=1) < found.unknown_score + 0.02) for part in parts]
    assert any(
        part.weight[lost].sum() > LOST_AT_MOST * part.weight[part.right].sum()
        for part, lost in zip(parts, higher, strict=True)
    )


def test_a_region_without_a_right_answer_makes_nothing_unknown() -> None:
    part = scored("a", seed=1, count=50)
    wrong = replace(part, truth=(part.scores.argmax(axis=1) + 1) % 4)
    assert fit([wrong]).unknown_score == -1.0


def test_the_error_is_that_of_the_metrics_and_weights_change_it() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(500).astype(np.float32)
    right = rng.random(500) < confidence**2
    metrics = compute_metrics(np.zeros(500, int), np.where(right, 0, 1), names=["a", "b"], confidence=confidence)
    assert calibration_error(confidence, right) == pytest.approx(metrics.calibration_error)
    assert calibration_error(confidence, right, np.full(500, 3.0)) == pytest.approx(metrics.calibration_error)
    one = np.where(np.arange(500) == 0, 1.0, 0.0)
    assert calibration_error(confidence, right, one) == pytest.approx(abs(float(right[0]) - confidence[0]), abs=1e-6)
    assert np.isnan(calibration_error(np.array([np.nan]), np.array([True])))


def test_a_region_is_measured_with_what_was_fitted_on_the_others() -> None:
    parts = [scored("a", seed=1), scored("b", seed=2), scored("c", seed=3, temperature=0.5)]
    first, _, odd = left_one_out(parts)
    assert first.fitted == fit(parts[1:])
    assert odd.fitted == fit(parts[:2])
    assert odd.error > 0.2
    assert odd.confidence - odd.accuracy == pytest.approx(odd.error, abs=0.02)
    good = left_one_out([scored("a", seed=1), scored("b", seed=2)])
    assert all(row.error < 0.03 and row.balanced_error < 0.05 for row in good)
    assert all(row.unknown < 0.1 and row.lost < 0.05 for row in good)


def test_all_regions_together_make_up_for_each_other() -> None:
    parts = [scored("a", seed=1, temperature=0.03), scored("b", seed=2), scored("c", seed=3, temperature=0.1)]
    single = np.mean([row.balanced_error for row in left_one_out(parts)])
    assert pooled_errors(parts)["words"] < single


def test_the_threshold_that_ships_keeps_the_right_answers_of_the_checkpoint_itself() -> None:
    fitted = fit([scored("a", seed=1)])
    assert fitted.unknown_score is not None
    lower = keeping_right_answers(fitted, [scored("b", seed=2, shift=0.0)])
    assert lower.unknown_score is not None
    assert lower.unknown_score < fitted.unknown_score
    assert lower.temperature == fitted.temperature
    higher = keeping_right_answers(fitted, [scored("b", seed=2, shift=0.5)])
    assert higher == fitted
