"""The tables of a report, cell by cell where the figures are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sklearn import metrics as sk

from timesenclip.evaluation.evaluate import ZERO_SHOT
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.evaluation.suite.report_tables import metric_cell, recall_cells, report_tables

ALL = [
    *("methods", "classes", "classes_by_method", "confusion", "prompts", "prompts_by_class", "prompt_effects"),
    *("retrieval", "retrieval_by_class", "few_labels", "robustness", "composites", "months"),
]


def test_every_table_has_as_many_cells_as_heads(findings: Findings) -> None:
    tables = report_tables(findings)
    assert list(tables) == ALL
    for name, table in tables.items():
        assert table.name == name
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert "few_labels" not in report_tables(replace(findings, shots=[]))


def test_methods_have_their_figures_and_intervals(findings: Findings) -> None:
    table = report_tables(findings)["methods"]
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    value, low, high = rows[ZERO_SHOT]["accuracy"]
    assert value == pytest.approx(19 / 24)
    assert low < value < high
    assert rows[ZERO_SHOT]["average class accuracy"][0] == pytest.approx((9 / 12 + 1 + 0) / 3)
    assert rows[ZERO_SHOT]["top-5"] is None  # four classes
    assert rows["linear probe on embeddings"]["accuracy"] == (1.0, 1.0, 1.0)
    assert table.caption.startswith("24 samples, 3 classes")


def test_classes_stand_beside_their_corrected_figures_and_the_probe(findings: Findings) -> None:
    table = report_tables(findings)["classes"]
    rows = {row[0]: row for row in table.rows}
    assert list(rows) == ["maize <field>", "lake", "moor"]  # the class without a sample is left out
    said, truth = findings.comparison.raw.label_index, findings.data.truth
    f1 = sk.f1_score(truth, said, average=None, labels=[0, 1, 2], zero_division=0)
    cells = [row[4] for row in rows.values()]
    assert [cell[0] if isinstance(cell, tuple) else cell for cell in cells] == pytest.approx(f1.tolist())
    assert rows["lake"][1] == 10
    assert [row[-1] for row in rows.values()] == [1.0, 1.0, 1.0]


def test_confusion_counts_are_those_of_scikit_learn(findings: Findings) -> None:
    table = report_tables(findings)["confusion"]
    counts = sk.confusion_matrix(findings.data.truth, findings.comparison.raw.label_index, labels=range(4))
    assert [list(row[1:-1]) for row in table.rows] == counts.tolist()
    assert table.columns == ("", *findings.data.taxonomy.names, "unknown")
    assert [row[-1] for row in table.rows] == [0, 0, 0, 0]


def test_prompts_few_labels_and_months(findings: Findings) -> None:
    tables = report_tables(findings)
    assert [row[:2] for row in tables["prompts"].rows] == [("default", 8), ("name", 8)]
    assert tables["prompts_by_class"].rows == (("maize <field>", 0.75, 1.0), ("lake", 1.0, 1.0), ("moor", 0.0, 1.0))
    assert tables["few_labels"].rows[1][:3] == ("anchored", 10, 30.0)
    assert tables["few_labels"].rows[1][3] == pytest.approx((0.8, 0.7, 0.9))
    assert tables["robustness"].rows[1] == (1, 1.0, (0.3, 0.3, 0.3), (0.3, 0.3, 0.3))
    assert [row[0] for row in tables["composites"].rows] == ["month", "year"]
    assert [row[0] for row in tables["months"].rows] == ["maize <field>", "lake", "moor"]  # no month, no row


def test_cells_have_an_interval_where_there_is_one(findings: Findings) -> None:
    metrics, found = findings.comparison.methods[ZERO_SHOT], findings.retrieval[0]
    assert metric_cell(metrics, "accuracy") == (metrics.accuracy, *metrics.intervals["accuracy"])
    assert metric_cell(metrics, "top5_accuracy") is None
    some = replace(found, recall={1: 0.5, 5: 0.75}, intervals={"recall@5": (0.7, 0.8), "strict_recall@1": (0, 1)})
    assert recall_cells(some, "recall", (1, 5, 10)) == [0.5, (0.75, 0.7, 0.8), None]
    assert recall_cells(some, "strict_recall", (1,)) == [None]
