from __future__ import annotations

import numpy as np
import pytest

from timesenclip.ground.compact import CompactTextTower
from timesenclip.tasks.scenic_score import BEAUTIFUL, UGLY, LinearScore, contrast_vector, prompt_contrast


def test_the_contrast_is_the_cosine_with_the_beautiful_less_that_with_the_ugly() -> None:
    tower = CompactTextTower()
    embeddings = tower.encode_text(["an old forest valley", "a landfill site", "a field of maize"])
    means = [tower.encode_text(list(texts)).mean(axis=0) for texts in (BEAUTIFUL, UGLY)]
    expected = [embeddings @ mean / np.linalg.norm(mean) for mean in means]
    found = prompt_contrast(embeddings, tower)
    assert found == pytest.approx(expected[0] - expected[1], abs=1e-6)
    assert found[0] > 0.2
    assert found[1] < -0.2
    turned = prompt_contrast(embeddings, tower, beautiful=UGLY, ugly=BEAUTIFUL)
    assert turned == pytest.approx(-found, abs=1e-6)


def test_a_linear_score_is_a_weighted_sum_and_an_offset() -> None:
    score = LinearScore("s", np.array([1.0, -2.0], dtype=np.float32), 0.5)
    found = score(np.array([[1, 0], [0, 1], [np.nan, 0]], dtype=np.float32))
    assert found.dtype == np.float32
    assert found[:2].tolist() == [1.5, -1.5]
    assert np.isnan(found[2])


def test_as_a_score_the_contrast_vector_gives_the_contrast() -> None:
    tower = CompactTextTower()
    embeddings = tower.encode_text(["a wild rocky coast", "warehouses"])
    score = LinearScore("contrast", contrast_vector(tower), 0.0)
    assert score(embeddings) == pytest.approx(prompt_contrast(embeddings, tower), abs=1e-6)
