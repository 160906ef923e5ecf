"""The tables of a report, from the results of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from timesenclip.evaluation.evaluate import PRIOR_CORRECTED, ZERO_SHOT
from timesenclip.evaluation.metrics import ClassMetrics, Metrics, confusion_matrix
from timesenclip.evaluation.retrieval import Retrieval
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.report.table import ReportTable, with_interval

__all__ = ["metric_cell", "recall_cells", "report_tables"]

_PER_CLASS = ("precision", "recall", "f1")


def report_tables(found: Findings) -> dict[str, ReportTable]:
    """Every table of the report by name."""
    methods = found.comparison.methods
    out = [
        _methods(found),
        _classes(methods),
        _classes_of_all(methods),
        _confusion(found),
        _prompt_sets(found),
        _prompt_classes(found),
    ]
    out += [_effects(found), _retrieval(found.retrieval), _retrieval_classes(found.retrieval)]
    if found.shots:
        out.append(_few_labels(found))
    out += [_robustness(found), _composites(found), _months(found)]
    return {table.name: table for table in out}


def metric_cell(found: Metrics | ClassMetrics | Retrieval, key: str) -> Any:
    """A metric by the name of its field, with its interval where it has one."""
    return with_interval(getattr(found, key), found.intervals.get(key))


def recall_cells(found: Retrieval, kind: str, ks: Sequence[int]) -> list[Any]:
    """Recall@K with its interval for each K; `kind` is `recall` or `strict_recall`."""
    recall: dict[int, float] = getattr(found, kind)
    return [with_interval(recall.get(k), found.intervals.get(f"{kind}@{k}")) for k in ks]


def _methods(found: Findings) -> ReportTable:
    keys = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "top5_accuracy", "calibration_error")
    rows = []
    for name, metrics in found.comparison.methods.items():
        cells = [metric_cell(metrics, key) for key in keys]
        rows.append((name, *cells, metrics.unknown_share))
    heads = ("method", "accuracy", "average class accuracy", "macro F1", "weighted F1", "top-5", "calibration error")
    caption = f"{len(found.data)} samples, {len(found.data.present)} classes; 95 % intervals over blocks of land."
    return ReportTable("methods", caption, (*heads, "unknown"), tuple(rows))


def _classes(methods: dict[str, Metrics]) -> ReportTable:
    corrected = {row.name: row for row in methods[PRIOR_CORRECTED].classes}
    best = next((name for name in reversed(methods) if name.startswith("linear probe on")), None)
    probe = {row.name: row for row in methods[best].classes} if best else {}

    rows = []
    for row in methods[ZERO_SHOT].classes:
        other = probe[row.name].recall if row.name in probe else None
        raw, second = ([metric_cell(one, key) for key in _PER_CLASS] for one in (row, corrected[row.name]))
        rows.append((row.name, row.support, *raw, *second, other))
    names = ("precision", "recall", "F1")
    heads = ("class", "samples", *names, *(f"{name}, prior-corrected" for name in names), "recall, probe on embeddings")
    return ReportTable("classes", "Zero-shot figures of each class, raw and prior-corrected.", heads, tuple(rows))


def _classes_of_all(methods: dict[str, Metrics]) -> ReportTable:
    rows = tuple(
        (method, row.name, row.support, *(metric_cell(row, key) for key in _PER_CLASS))
        for method, metrics in methods.items()
        for row in metrics.classes
    )
    heads = ("method", "class", "samples", "precision", "recall", "F1")
    return ReportTable("classes_by_method", "Figures of each class under every method.", heads, rows)


def _confusion(found: Findings) -> ReportTable:
    names = found.data.taxonomy.names
    counts = confusion_matrix(found.data.truth, found.comparison.raw.label_index, len(names))
    rows = tuple((name, *map(int, row)) for name, row in zip(names, counts, strict=True))
    return ReportTable(
        "confusion", "Zero-shot answers (columns) of each true class (rows).", ("", *names, "unknown"), rows
    )


def _prompt_sets(found: Findings) -> ReportTable:
    rows = []
    for one in found.prompts:
        texts = sum(len(texts) for texts in one.prompts.values())
        keys = ("accuracy", "balanced_accuracy", "macro_f1")
        rows.append((one.name, texts, *(metric_cell(one.metrics, key) for key in keys)))
    heads = ("prompts", "texts", "accuracy", "average class accuracy", "macro F1")
    return ReportTable("prompts", "Zero-shot figures of every set of prompts, never unknown.", heads, tuple(rows))


def _prompt_classes(found: Findings) -> ReportTable:
    recalls = [{row.name: row.recall for row in one.metrics.classes} for one in found.prompts]
    rows = tuple((name, *(recall[name] for recall in recalls)) for name in found.data.present)
    heads = ("recall of class", *(one.name for one in found.prompts))
    return ReportTable("prompts_by_class", "Recall of each class under every set of prompts.", heads, rows)


def _effects(found: Findings) -> ReportTable:
    rows = tuple(
        (one.class_name, one.prompt, one.balanced_accuracy, one.recall, one.precision) for one in found.effects
    )
    heads = ("class", "prompt", "average class accuracy", "recall", "precision")
    return ReportTable("prompt_effects", "What each prompt adds: figures with it less figures without it.", heads, rows)


def _retrieval(found: list[Retrieval]) -> ReportTable:
    rows = []
    for one in found:
        recall, strict = (recall_cells(one, kind, (1, 5, 10)) for kind in ("recall", "strict_recall"))
        mean = metric_cell(one, "mean_average_precision")
        macro = (one.macro_recall.get(1), one.macro_average_precision)
        rows.append((one.direction, one.queries, one.candidates, *recall, mean, *macro, *strict))
    heads = ("direction", "queries", "candidates", "R@1", "R@5", "R@10", "mAP", "R@1, class mean", "mAP, class mean")
    strict_heads = ("strict R@1", "strict R@5", "strict R@10")
    return ReportTable(
        "retrieval", "Retrieval: of the same class, and (strict) of the very place.", heads + strict_heads, tuple(rows)
    )


def _retrieval_classes(found: list[Retrieval]) -> ReportTable:
    rows = [
        (one.direction, row.name, row.queries, row.candidates, *row.recall.values(), row.mean_average_precision)
        for one in found
        for row in one.classes
    ]
    heads = ("direction", "class", "queries", "candidates", "R@1", "R@5", "R@10", "mAP")
    return ReportTable("retrieval_by_class", "Retrieval by class.", heads, tuple(rows))


def _few_labels(found: Findings) -> ReportTable:
    rows = tuple(
        (
            one.method,
            one.shots,
            one.examples,
            (one.accuracy, *one.accuracy_range),
            (one.balanced_accuracy, *one.balanced_accuracy_range),
        )
        for one in found.shots
    )
    heads = ("method", "examples of each class", "examples in all", "accuracy", "average class accuracy")
    return ReportTable("few_labels", "Learning from k examples of each class; ranges over the draws.", heads, rows)


def _robustness(found: Findings) -> ReportTable:
    rows = tuple(
        (
            one.kept,
            one.mean_steps,
            (one.accuracy, *one.accuracy_range),
            (one.balanced_accuracy, *one.balanced_accuracy_range),
        )
        for one in found.kept
    )
    heads = ("months kept", "steps left", "accuracy", "average class accuracy")
    return ReportTable("robustness", "Months removed at random; ranges over the draws.", heads, rows)


def _composites(found: Findings) -> ReportTable:
    keys = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1")
    rows = tuple((name, *(metric_cell(one, key) for key in keys)) for name, one in found.lengths.items())
    heads = ("composite", "accuracy", "average class accuracy", "macro F1", "weighted F1")
    return ReportTable("composites", "Medians of a month, a quarter and a year.", heads, rows)


def _months(found: Findings) -> ReportTable:
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    rows = tuple(
        (name, *(float(v) for v in row))
        for name, row in zip(found.data.taxonomy.names, found.months, strict=True)
        if np.isfinite(row).any()
    )
    return ReportTable(
        "months", "What each month adds to the margin of the true class (cosine).", ("class", *months), rows
    )
