"""The findings of a suite as plain values."""

from __future__ import annotations

import json

import pytest

from timesenclip.evaluation.suite.findings import Findings, findings_report
from timesenclip.files import json_text


def test_the_report_holds_every_part_and_counts_of_every_class(findings: Findings) -> None:
    report = json.loads(json_text(findings_report(findings)))
    assert set(report) == {
        *("title", "about", "data", "methods", "prompts", "prompt_effects"),
        *("retrieval", "few_labels", "robustness", "composites", "months"),
    }
    assert report["data"]["classes"] == {"maize <field>": 12, "lake": 10, "moor": 2, "glacier": 0}
    assert (report["data"]["count"], report["data"]["skipped"]) == (24, {"rock": 2})
    assert report["data"]["notes"] == ["Split into blocks."]
    assert report["methods"]["zero-shot"]["accuracy"] == pytest.approx(19 / 24)
    assert [one["name"] for one in report["prompts"]] == ["default", "name"]
    assert report["prompts"][1]["figures"]["accuracy"] == 1.0
    assert report["prompt_effects"][1]["precision"] is None  # NaN, which JSON does not have
    assert [(one["method"], one["shots"], one["examples"]) for one in report["few_labels"]] == [
        ("anchored", 1, 3.0),
        ("anchored", 10, 30.0),
        ("probe", 1, 3.0),
    ]
    assert [one["kept"] for one in report["robustness"]] == [12, 1]
    assert report["months"]["glacier"] == [None] * 12
    assert report["months"]["maize <field>"][0] == pytest.approx(-0.1)
    assert report["retrieval"][0]["direction"] == "text -> satellite"
