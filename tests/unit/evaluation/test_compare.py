"""Paired comparisons of two checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from timesenclip.evaluation.compare import Change, compare_checkpoints, compare_predictions, write_comparison
from timesenclip.evaluation.labels.labelled import (
    LabelledSet,
)
from timesenclip.evaluation.metrics import compute_metrics
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.model.checkpoint import load
from timesenclip.tasks.classify import classify
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
    found = compare_predictions(first, second, data, names=("A", "B"))
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
    same = compare_predictions(first, first, data, names=("A", "A"))
    assert {row.verdict for row in same.rows} == {""}
    files = write_comparison(found, tmp_path)
    page = files["page"].read_text()
    assert "B better" in page
    assert "http" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("difference", "low", "high", "verdict", "text"),
    [
        (0.2, 0.1, 0.3, "B better", "+0.100 to +0.300"),
        (-0.2, -0.3, -0.1, "A better", "-0.300 to -0.100"),
        (0.2, -0.01, 0.3, "", "-0.010 to +0.300"),
        (0.2, 0.0, 0.3, "", "+0.000 to +0.300"),
        (0.2, np.nan, np.nan, "", "-"),
    ],
)
def test_the_verdict_needs_an_interval_without_zero(
    difference: float, low: float, high: float, verdict: str, text: str
) -> None:
    change = Change("accuracy", 9, 0.5, 0.5 + difference, difference, low, high, is_class=False)
    assert (change.verdict, change.range_text) == (verdict, text)


def test_answers_in_one_block_have_no_intervals_and_counts_are_exact(tmp_path: Path) -> None:
    truth = np.array([0, 0, 1, 1])
    data = LabelledSet("x", random_series(4), truth, NAMES, truth * 0, truth * 0, "blocks", {}, ("a note",))
    found = compare_predictions(np.array([0, 0, 0, -1]), np.array([0, 1, 1, -1]), data, names=("A", "B"))
    values = {row.name: (row.first, row.second) for row in found.rows}
    assert values["accuracy"] == (0.5, 0.5)
    assert values["average class accuracy"] == (0.5, 0.5)
    assert values["maize"] == pytest.approx((4 / 5, 2 / 3))  # F1 = 2 hits / (true + predicted)
    assert values["grassland"] == pytest.approx((0, 2 / 4))
    assert (found.same_answer, found.only_first_right, found.only_second_right, found.blocks) == (0.5, 1, 1, 1)
    assert np.isnan([(row.low, row.high) for row in found.rows]).all()
    assert found.notes[0] == "a note"
    assert "one block of land" in found.notes[-1]
    written = json.loads(write_comparison(found, tmp_path)["json"].read_text())
    assert [row["name"] for row in written["rows"]] == list(values)
    assert written["rows"][0]["low"] is None  # JSON has no NaN
    assert (written["a"], written["only_b_right"]) == ("A", 1)


def test_a_checkpoint_compared_with_itself_does_not_differ() -> None:
    model, series = load(), random_series(12)
    truth = np.arange(12) % 3
    data = LabelledSet("x", series, truth, NAMES, np.arange(12) % 4, np.arange(12) % 4, "blocks", {})
    found = compare_checkpoints(model, model, data, draws=20)
    said = classify(series, NAMES, model=model).predictions.label_index
    assert found.rows[0].first == found.rows[0].second == (said == truth).mean()
    assert (found.same_answer, found.only_first_right, found.only_second_right) == (1.0, 0, 0)
    assert {(row.difference, row.low, row.high) for row in found.rows} == {(0.0, 0.0, 0.0)}
    assert found.first == found.second == f"{model.config.name} ({model.digest})"
