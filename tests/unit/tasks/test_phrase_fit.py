"""The margin of a phrase over its background, and the probability that is fitted to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logsumexp, softmax

from timesenclip.errors import InputError
from timesenclip.ground.background import Background
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.tasks.phrase_fit import PhraseFit, fit_phrase, phrase_fit, phrase_margin


def directions(count: int, dim: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def background_of(vectors: np.ndarray) -> Background:
    taxonomy = taxonomy_from_phrases([f"thing {j}" for j in range(len(vectors))])
    return Background(taxonomy, vectors, vectors, np.arange(len(vectors)), unrelated=0.0)


@given(j=st.integers(1, 6), temperature=st.floats(0.01, 0.5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_margin_is_the_cosine_over_the_soft_maximum(j: int, temperature: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, rivals = (rng.uniform(-0.5, 0.8, shape).astype(np.float32) for shape in (5, (5, j)))
    expected = score - temperature * logsumexp(rivals / temperature, axis=1)
    assert np.allclose(phrase_margin(score, rivals, temperature), expected, atol=1e-5)


def test_a_temperature_that_is_not_positive_is_refused() -> None:
    with pytest.raises(InputError, match="Temperature is 0"):
        phrase_margin(np.zeros(1, np.float32), np.zeros((1, 2), np.float32), 0.0)


def test_without_a_fit_the_phrase_weighs_ten_times_as_much_as_a_competitor() -> None:
    score, rivals = np.array([0.2], dtype=np.float32), np.array([[0.3, 0.1, 0.25]], dtype=np.float32)
    fit = phrase_fit(Calibration(temperature=0.05))
    logits = np.concatenate([[0.2 / 0.05 + math.log(10)], rivals[0] / 0.05])
    assert fit.probability(phrase_margin(score, rivals, 0.05))[0] == pytest.approx(softmax(logits)[0], abs=1e-5)


def test_fitted_values_are_those_of_the_checkpoint() -> None:
    fit = phrase_fit(Calibration(phrase_margin=-0.1, phrase_scale=0.02))
    assert fit == PhraseFit(-0.1, 0.02)
    margins = np.array([-0.1, -0.08, -50.0, np.nan], dtype=np.float32)
    probability = fit.probability(margins)
    assert probability[:3] == pytest.approx([0.5, expit(1), 0.0], abs=1e-6)
    assert np.isnan(probability[3])


def test_the_fit_keeps_false_answers_rare_and_true_ones() -> None:
    """Places near one of eight directions; a phrase is true at those of its own direction."""
    rng = np.random.default_rng(3)
    kinds = directions(8, 32)
    kind = rng.integers(0, 8, 2000)
    places = kinds[kind] + rng.normal(size=(2000, 32)).astype(np.float32) * 0.12
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    places[:10] = np.nan
    truth = (kind[:, None] == np.arange(8)).astype(np.int8)
    background = background_of(kinds)
    fit = fit_phrase(places, kinds, truth, background=background, temperature=0.05, false_share=0.02)
    assert 0 < fit.scale < 0.5
    scores = places[10:] @ kinds.T
    for p in range(8):
        competing = background.competitors(kinds[p][None])
        assert competing.sum() == 7
        answer = fit.probability(phrase_margin(scores[:, p], scores[:, competing], 0.05)) >= 0.5
        assert answer[kind[10:] != p].mean() < 0.03
        assert answer[kind[10:] == p].mean() > 0.9


def test_what_nobody_can_say_does_not_count() -> None:
    kinds = directions(4, 16)
    places = np.repeat(kinds, 50, axis=0)
    truth = (np.arange(200)[:, None] // 50 == np.arange(4)).astype(np.int8)
    fit = fit_phrase(places, kinds, truth, background=background_of(kinds), temperature=0.05)
    unsure = np.concatenate([truth, np.full_like(truth, -1)])
    both = np.concatenate([places, directions(200, 16, seed=9)])
    assert fit_phrase(both, kinds, unsure, background=background_of(kinds), temperature=0.05) == fit


def test_a_truth_of_another_shape_or_of_one_kind_is_refused() -> None:
    kinds = directions(3, 8)
    with pytest.raises(InputError, match=r"shape \(2, 3\); expected \(3, 3\)"):
        fit_phrase(kinds, kinds, np.ones((2, 3), np.int8), background=background_of(kinds), temperature=0.1)
    with pytest.raises(InputError, match="No phrase is known to be false"):
        fit_phrase(kinds, kinds, np.ones((3, 3), np.int8), background=background_of(kinds), temperature=0.1)
