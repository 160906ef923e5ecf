"""The tables of a suite's report, from what was found."""

from __future__ import annotations

from typing import Any

import numpy as np

from timesenclip.evaluation.evaluate import PRIOR_CORRECTED, ZERO_SHOT
from timesenclip.evaluation.metrics import ClassFigures, Figures, confusion_matrix
from timesenclip.evaluation.retrieval import Retrieval
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.report.table import Sheet, with_interval

__all__ = ["sheets"]

_PER_CLASS = ("precision", "recall", "f1")


def sheets(found: Findings) -> dict[str, Sheet]:
    """Every table of the report, by name."""
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
    return {sheet.name: sheet for sheet in out}


def _cell(found: Figures | ClassFigures | Retrieval, key: str) -> Any:
    return with_interval(getattr(found, key), found.intervals.get(key))


def _methods(found: Findings) -> Sheet:
    keys = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "top5_accuracy", "calibration_error")
    rows = []
    for name, figures in found.comparison.methods.items():
        cells = [_cell(figures, key) for key in keys]
        rows.append((name, *cells, figures.unknown_share))
    heads = ("method", "accuracy", "average class accuracy", "macro F1", "weighted F1", "top-5", "calibration error")
    caption = f"{len(found.data)} samples, {len(found.data.present)} classes; 95 % intervals over blocks of land."
    return Sheet("methods", caption, (*heads, "unknown"), tuple(rows))


def _classes(methods: dict[str, Figures]) -> Sheet:
    corrected = {row.name: row for row in methods[PRIOR_CORRECTED].classes}
    best = next((name for name in reversed(methods) if name.startswith("linear probe on")), None)
    probe = {row.name: row for row in methods[best].classes} if best else {}

    rows = []
    for row in methods[ZERO_SHOT].classes:
        other = probe[row.name].recall if row.name in probe else None
        raw, second = ([_cell(one, key) for key in _PER_CLASS] for one in (row, corrected[row.name]))
        rows.append((row.name, row.support, *raw, *second, other))
    names = ("precision", "recall", "F1")
    heads = ("class", "samples", *names, *(f"{name}, prior-corrected" for name in names), "recall, probe on embeddings")
    return Sheet("classes", "Zero-shot figures of each class, raw and prior-corrected.", heads, tuple(rows))


def _classes_of_all(methods: dict[str, Figures]) -> Sheet:
    rows = tuple(
        (method, row.name, row.support, *(_cell(row, key) for key in _PER_CLASS))
        for method, figures in methods.items()
        for row in figures.classes
    )
    heads = ("method", "class", "samples", "precision", "recall", "F1")
    return Sheet("classes_by_method", "Figures of each class under every method.", heads, rows)


def _confusion(found: Findings) -> Sheet:
    names = found.data.taxonomy.names
    counts = confusion_matrix(found.data.truth, found.comparison.raw.label_index, len(names))
    rows = tuple((name, *map(int, row)) for name, row in zip(names, counts, strict=True))
    return Sheet("confusion", "Zero-shot answers (columns) of each true class (rows).", ("", *names, "unknown"), rows)


def _prompt_sets(found: Findings) -> Sheet:
    rows = []
    for one in found.prompts:
        texts = sum(len(texts) for texts in one.prompts.values())
        keys = ("accuracy", "balanced_accuracy", "macro_f1")
        rows.append((one.name, texts, *(_cell(one.figures, key) for key in keys)))
    heads = ("prompts", "texts", "accuracy", "average class accuracy", "macro F1")
    return Sheet("prompts", "Zero-shot figures of every set of prompts, never unknown.", heads, tuple(rows))


def _prompt_classes(found: Findings) -> Sheet:
    recalls = [{row.name: row.recall for row in one.figures.classes} for one in found.prompts]
    rows = tuple((name, *(recall[name] for recall in recalls)) for name in found.data.present)
    heads = ("recall of class", *(one.name for one in found.prompts))
    return Sheet("prompts_by_class", "Recall of each class under every set of prompts.", heads, rows)


def _effects(found: Findings) -> Sheet:
    rows = tuple(
        (one.class_name, one.prompt, one.balanced_accuracy, one.recall, one.precision) for one in found.effects
    )
    heads = ("class", "prompt", "average class accuracy", "recall", "precision")
    return Sheet("prompt_effects", "What each prompt adds: figures with it less figures without it.", heads, rows)


def _retrieval(found: list[Retrieval]) -> Sheet:
    rows = []
    for one in found:
        recall = [with_interval(one.recall.get(k), one.intervals.get(f"recall@{k}")) for k in (1, 5, 10)]
        strict = [with_interval(one.strict_recall.get(k), one.intervals.get(f"strict_recall@{k}")) for k in (1, 5, 10)]
        mean = _cell(one, "mean_average_precision")
        macro = (one.macro_recall.get(1), one.macro_average_precision)
        rows.append((one.direction, one.queries, one.candidates, *recall, mean, *macro, *strict))
    heads = ("direction", "queries", "candidates", "R@1", "R@5", "R@10", "mAP", "R@1, class mean", "mAP, class mean")
    strict_heads = ("strict R@1", "strict R@5", "strict R@10")
    return Sheet(
        "retrieval", "Retrieval: of the same class, and (strict) of the very place.", heads + strict_heads, tuple(rows)
    )


def _retrieval_classes(found: list[Retrieval]) -> Sheet:
    rows = [
        (one.direction, row.name, row.queries, row.candidates, *row.recall.values(), row.mean_average_precision)
        for one in found
        for row in one.classes
    ]
    heads = ("direction", "class", "queries", "candidates", "R@1", "R@5", "R@10", "mAP")
    return Sheet("retrieval_by_class", "Retrieval by class.", heads, tuple(rows))


def _few_labels(found: Findings) -> Sheet:
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
    return Sheet("few_labels", "Learning from k examples of each class; ranges over the draws.", heads, rows)


def _robustness(found: Findings) -> Sheet:
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
    return Sheet("robustness", "Months removed at random; ranges over the draws.", heads, rows)


def _composites(found: Findings) -> Sheet:
    keys = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1")
    rows = tuple((name, *(_cell(one, key) for key in keys)) for name, one in found.lengths.items())
    heads = ("composite", "accuracy", "average class accuracy", "macro F1", "weighted F1")
    return Sheet("composites", "Medians of a month, a quarter and a year.", heads, rows)


def _months(found: Findings) -> Sheet:
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    rows = tuple(
        (name, *(float(v) for v in row))
        for name, row in zip(found.data.taxonomy.names, found.months, strict=True)
        if np.isfinite(row).any()
    )
    return Sheet("months", "What each month adds to the margin of the true class (cosine).", ("class", *months), rows)
