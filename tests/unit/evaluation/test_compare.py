"""Paired comparisons of two checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip.evaluation.compare import compare_answers, write_comparison
from timesenclip.evaluation.labels.labelled import (
    LabelledSet,
)
from timesenclip.evaluation.metrics import compute_metrics
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.testing import random_series

NAMES = taxonomy_from_phrases(["maize", "grassland", "lake"])


def test_a_paired_comparison_sees_what_two_single_ones_cannot(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(40), 10)
    truth = rng.integers(0, 2, 400)
    easy = np.repeat(rng.random(40) < 0.5, 10)  # whole blocks are easy or hard for both
    first = np.where(easy, truth, 1 - truth)
    second = np.where(rng.random(400) < 0.06, truth, first)  # a little better everywhere
    data = LabelledSet("x", random_series(400), truth, NAMES, block, block % 4, "blocks", {})
    found = compare_answers(first, second, data, names=("A", "B"))
    accuracy = found.rows[0]
    assert accuracy.difference == pytest.approx((second == truth).mean() - (first == truth).mean())
    assert accuracy.verdict == "B better"
    alone = [
        compute_metrics(truth, said, names=NAMES.names, block=block).intervals["accuracy"] for said in (first, second)
    ]
    assert alone[0][1] > alone[1][0]  # the two intervals overlap widely
    assert [row.name for row in found.rows if row.is_class] == ["maize", "grassland"]
    assert found.only_second_right == ((second == truth) & (first != truth)).sum()
    assert any("lake" in note for note in found.notes)
    same = compare_answers(first, first, data, names=("A", "A"))
    assert {row.verdict for row in same.rows} == {""}
    files = write_comparison(found, tmp_path)
    page = files["page"].read_text()
    assert "B better" in page
    assert "http" not in page.replace("http://www.w3.org", "")
