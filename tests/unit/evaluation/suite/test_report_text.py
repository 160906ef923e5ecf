"""Sentences of a report: figures in them are those of the findings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from timesenclip.evaluation.evaluate import ZERO_SHOT
from timesenclip.evaluation.suite import report_text as words
from timesenclip.evaluation.suite.findings import Findings


def _with(findings: Findings, blocks: int) -> Findings:
    return replace(findings, about=findings.about | {"blocks": blocks})


def test_the_lead_counts_samples_blocks_and_classes(findings: Findings) -> None:
    assert words.lead(findings) == (
        "points.csv: 24 labelled samples in 8 blocks of land, 3 of 4 classes. Checkpoint tiny (0123), words through "
        "words."
    )


def test_notes_name_what_limits_the_figures(findings: Findings) -> None:
    notes = words.notes(findings)
    assert notes[:2] == ["Trained elsewhere.", "Split into blocks."]
    assert "Without a single sample, and counted nowhere: glacier." in notes
    assert "2 samples have a label that is no class: rock (2)." in notes
    assert any(note.startswith("Fewer than ten samples: moor (2).") for note in notes)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [(1, "All samples lie in one block of land"), (8, "Only 8 blocks of land"), (19, "Only 19 blocks"), (20, None)],
)
def test_few_blocks_are_said(blocks: int, said: str | None, findings: Findings) -> None:
    found = [note for note in words.notes(_with(findings, blocks)) if "of land" in note and "block" in note]
    if said is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(said)


def test_accuracy_is_in_percent_with_its_interval(findings: Findings) -> None:
    text = words.accuracy_lead(findings)
    low, high = findings.comparison.methods[ZERO_SHOT].intervals["balanced_accuracy"]
    assert "79% of the samples" in text  # 19 of 24
    assert f"58% of an average class (95 % interval {low:.2f} to {high:.2f})" in text  # (9 / 12 + 1 + 0) / 3
    methods = findings.comparison.methods
    alone = methods | {ZERO_SHOT: replace(methods[ZERO_SHOT], intervals={})}
    comparison = replace(findings.comparison, methods=alone)
    assert "interval" not in words.accuracy_lead(replace(findings, comparison=comparison)).split(".")[0]


def test_the_best_and_the_worst_class_have_ten_samples_or_more(findings: Findings) -> None:
    text = words.class_lead(findings)
    # F1 = 2 hits / (true + predicted): 20 / (10 + 13) and 18 / (12 + 11); moor has too few samples.
    assert "lake is answered best (F1 0.87) and maize <field> worst (F1 0.78)" in text
    methods = findings.comparison.methods
    rare = replace(methods[ZERO_SHOT], classes=methods[ZERO_SHOT].classes[2:])
    comparison = replace(findings.comparison, methods=methods | {ZERO_SHOT: rare})
    assert words.class_lead(replace(findings, comparison=comparison)) == "Every class has fewer than ten samples."


def test_calibration_and_months(findings: Findings) -> None:
    error = findings.comparison.methods[ZERO_SHOT].calibration_error
    assert f"Expected calibration error {error:.3f} (15 bins)" in words.sure_lead(findings)
    assert words.months_lead(findings).startswith(
        "With 12 months 60% of an average class is found, with 1 chosen at random 30%."
    )


def test_a_report_without_a_stated_confidence_says_why_there_is_no_error(findings: Findings) -> None:
    methods = findings.comparison.methods
    silent = methods | {ZERO_SHOT: replace(methods[ZERO_SHOT], calibration_error=None)}
    text = words.sure_lead(replace(findings, comparison=replace(findings.comparison, methods=silent)))
    assert text.endswith("Every answer is unknown and states no confidence.")
