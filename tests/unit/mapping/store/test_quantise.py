from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from timesenclip.errors import InputError
from timesenclip.mapping.store.quantise import dequantise, fit_projection, quantise, score_rows

VALUES = st.floats(-1, 1, width=32).filter(lambda v: v == 0 or abs(v) > 1e-6)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=VALUES))
def test_a_value_comes_back_within_half_a_step(vectors: np.ndarray) -> None:
    values, scale = quantise(vectors)
    back = dequantise(values, scale)
    seen = np.abs(vectors).max(axis=1) > 0
    assert np.array_equal(scale > 0, seen)
    assert (np.abs(back - vectors)[seen] <= scale[seen, None] * 0.5001).all()
    assert np.isnan(back[~seen]).all()


def test_not_seen_stays_not_seen() -> None:
    vectors = np.array([[0.6, -0.8], [np.nan, np.nan], [1.0, 0.0]], dtype=np.float32)
    values, scale = quantise(vectors)
    assert scale.tolist()[1] == 0
    assert values[1].tolist() == [0, 0]
    scores = score_rows(values, scale, np.eye(2, dtype=np.float32))
    assert np.isnan(scores[1]).all()
    assert np.allclose(scores[[0, 2]], vectors[[0, 2]], atol=0.004)


def test_scores_are_those_of_the_unpacked_vectors_whatever_the_number_of_rows() -> None:
    rng = np.random.default_rng(0)
    vectors, weights = unit(rng.standard_normal((9001, 64))), unit(rng.standard_normal((3, 64)))
    values, scale = quantise(vectors)
    scores = score_rows(values, scale, weights)
    assert np.allclose(scores, dequantise(values, scale) @ weights.T, atol=1e-6)
    assert np.abs(scores - vectors @ weights.T).max() < 0.006
    with pytest.raises(InputError, match="64 dimensions, class vectors 3"):
        score_rows(values, scale, weights[:, :3])


def test_a_projection_keeps_scores_of_vectors_in_its_subspace() -> None:
    rng = np.random.default_rng(1)
    inside = rng.standard_normal((8, 32))
    sample = unit(rng.standard_normal((500, 8)) * np.geomspace(1, 0.02, 8) @ inside)
    sample[3] = np.nan
    projection = fit_projection(sample, 8)
    assert np.allclose(projection.basis.T @ projection.basis, np.eye(8), atol=1e-5)
    assert projection.kept == pytest.approx(1.0, abs=1e-6)
    rows, words = unit(rng.standard_normal((50, 8)) @ inside), unit(rng.standard_normal((4, 32)))
    assert np.allclose(projection(rows) @ projection(words).T, rows @ words.T, atol=1e-5)
    assert np.array_equal(projection.basis, fit_projection(sample, 8).basis)


def test_the_rotation_lets_no_direction_drown_in_the_rounding_of_another() -> None:
    rng = np.random.default_rng(2)
    rows = unit(rng.standard_normal((4000, 32)) * np.geomspace(1, 0.01, 32) + np.eye(32)[0] * 3)
    words = unit(rng.standard_normal((5, 32)))
    projection = fit_projection(rows, 16)
    principal = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :16].astype(np.float32)

    def error(basis: np.ndarray) -> float:
        values, scale = quantise(rows @ basis)
        return float(np.abs(score_rows(values, scale, words @ basis) - (rows @ basis) @ (words @ basis).T).mean())

    assert error(projection.basis) < 0.75 * error(principal)


def test_a_projection_that_cannot_be_is_refused() -> None:
    rows = unit(np.random.default_rng(0).standard_normal((10, 8)))
    for dims in (0, 9):
        with pytest.raises(InputError, match=rf"{dims} dimensions were asked for; the embeddings have 8"):
            fit_projection(rows, dims)
    with pytest.raises(InputError, match="keep all dims"):
        fit_projection(np.full((2, 8), np.nan, dtype=np.float32), 4)
