from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from timesenclip.errors import InputError
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.tasks.classify import classify, classify_embeddings, judge_phrase, prior_corrected
from timesenclip.testing import random_series


def _unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    values = rng.normal(size=shape)
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


@given(n=st.integers(1, 9), k=st.integers(2, 7), temperature=st.floats(0.02, 1.0), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_answers_equal_a_plain_softmax(n: int, k: int, temperature: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    embeddings, weights = _unit(rng, n, 8), _unit(rng, k, 8)
    answers = classify_embeddings(embeddings, weights, temperature=temperature)
    expected = softmax((embeddings @ weights.T) / temperature, axis=1)
    assert np.allclose(answers.probabilities, expected, atol=1e-4)
    assert np.array_equal(answers.label_index, (embeddings @ weights.T).argmax(axis=1))
    assert np.allclose(answers.confidence, expected.max(axis=1), atol=1e-4)
    assert not answers.unknown.any()


def test_unknown_is_below_the_threshold_or_unseen() -> None:
    weights = np.eye(3, dtype=np.float32)
    embeddings = np.array([[1, 0, 0], [0.2, 0.3, 0.1], [np.nan] * 3], dtype=np.float32)
    answers = classify_embeddings(embeddings, weights, temperature=0.1, unknown_score=0.4)
    assert answers.label_index.tolist() == [0, -1, -1]
    assert answers.unknown.tolist() == [False, True, True]
    assert np.isnan(answers.confidence).tolist() == [False, True, True]  # nothing is stated of an unknown
    assert np.isfinite(answers.probabilities[1]).all()
    assert np.isnan(answers.probabilities[2]).all()
    assert answers.seen.tolist() == [True, True, False]


def test_one_phrase_gets_a_probability_of_its_own() -> None:
    weights = np.array([[1.0, 0.0]], dtype=np.float32)
    embeddings = np.array([[1, 0], [0.3, 0.95], [-1, 0]], dtype=np.float32)
    answers = classify_embeddings(embeddings, weights, temperature=0.1, unknown_score=0.3)
    assert answers.probabilities[:, 0].tolist() == pytest.approx([0.999, 0.5, 0.0], abs=2e-3)
    assert answers.label_index.tolist() == [0, 0, -1]


def test_prior_correction_is_the_papers_and_needs_the_whole_set() -> None:
    rng = np.random.default_rng(0)
    scores = (_unit(rng, 50, 6) @ _unit(rng, 4, 6).T).astype(np.float32)
    logits = scores / 2 + 1
    assert np.array_equal(prior_corrected(scores).argmax(axis=1), (logits / logits.mean(axis=0)).argmax(axis=1))
    with_gap = scores.copy()
    with_gap[7] = np.nan
    assert np.isnan(prior_corrected(with_gap)[7]).all()
    assert np.isfinite(np.delete(prior_corrected(with_gap), 7, axis=0)).all()


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(InputError, match="different dimensions"):
        classify_embeddings(np.ones((2, 3), np.float32), np.ones((2, 4), np.float32), temperature=1)
    with pytest.raises(InputError, match="Temperature"):
        classify_embeddings(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32), temperature=0)


def test_classify_from_python_and_its_table() -> None:
    series = random_series(6)
    result = classify(series, ["forest", "water", "maize"])
    frame = result.to_frame()
    assert list(frame) == [
        "sample_id",
        "lat",
        "lon",
        "label",
        "confidence",
        "unknown",
        "p_forest",
        "p_water",
        "p_maize",
    ]
    assert tuple(frame["sample_id"]) == series.sample_id
    assert frame[["p_forest", "p_water", "p_maize"]].sum(axis=1).tolist() == pytest.approx([1.0] * 6, abs=1e-5)
    best = result.top(2)
    answered = ~result.unknown
    assert np.array_equal(np.isfinite(result.confidence), answered)
    assert np.array_equal(frame["confidence"].isna(), ~answered)
    assert np.array([row[0][1] for row in best])[answered].tolist() == pytest.approx(
        result.confidence[answered].tolist()
    )
    with pytest.raises(InputError, match=r"top\(4\) of 3"):
        result.top(4)
    never = classify(series, ["forest", "water"], unknown_below=-1)
    always = classify(series, ["forest", "water"], unknown_below=1.1)
    assert not never.unknown.any()
    assert always.label == ["unknown"] * 6


def test_a_phrase_alone_is_judged_beside_its_background() -> None:
    series = random_series(12)
    alone = classify(series, ["maize"])
    assert alone.probabilities.shape == (12, 1)
    assert ((alone.probabilities[:, 0] >= 0.5) == ~alone.unknown).all()
    everything = classify(series, ["maize"], unknown_below=-1)
    assert not everything.unknown.any()
    assert np.array_equal(everything.probabilities, alone.probabilities)
    against = classify(series, ["maize"], against=["glacier", "sea"])
    assert (against.probabilities >= alone.probabilities - 1e-6).all()  # fewer competitors
    assert np.array_equal(against.scores, alone.scores)


def test_a_phrase_alone_knows_no_prior_correction_and_several_no_background() -> None:
    series = random_series(3)
    with pytest.raises(InputError, match="with one phrase there is none"):
        classify(series, ["maize"], prior_correction=True)
    with pytest.raises(InputError, match="compete with each other"):
        classify(series, ["maize", "wheat"], against=["sea"])


def test_unseen_rows_of_a_phrase_alone_have_no_prediction() -> None:
    scores = np.array([[0.5, 0.1], [np.nan, np.nan]], dtype=np.float32)
    answers = judge_phrase(scores, Calibration(temperature=0.04))
    assert answers.scores.shape == answers.probabilities.shape == (2, 1)
    assert answers.label_index.tolist() == [0, -1]
    assert answers.seen.tolist() == [True, False]
    assert np.isnan(answers.probabilities[1, 0])
    assert np.isnan(answers.confidence[1])


def test_all_that_was_seen_is_answered_where_asked_for() -> None:
    series = random_series(6)
    series = replace(series, valid=series.valid & (np.arange(6) > 0)[:, None])
    usual = classify(series, ["forest", "water", "maize"], unknown_below=1)
    assert usual.unknown.all()
    every = classify(series, ["forest", "water", "maize"], answer_all=True)
    assert every.unknown.tolist() == [True, *[False] * 5]
    assert np.isfinite(every.confidence).tolist() == [False, *[True] * 5]
    assert np.array_equal(every.label_index[1:], every.scores[1:].argmax(axis=1))
    assert np.array_equal(every.probabilities[1:], usual.probabilities[1:])
    with pytest.raises(InputError, match="with one phrase would give it to every point"):
        classify(series, ["forest"], answer_all=True)
