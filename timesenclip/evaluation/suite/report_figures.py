"""The figures of a report, from the results of a suite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.ndvi import ndvi
from timesenclip.evaluation.evaluate import PRIOR_CORRECTED, ZERO_SHOT
from timesenclip.evaluation.metrics import Metrics, confusion_matrix, reliability
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.report import plots as draw
from timesenclip.report.figure import ReportFigure
from timesenclip.report.plots import Curve
from timesenclip.series import PixelSeries

__all__ = ["report_figures"]

_TOP_CLASSES = 12
_GROUPS = 7
_OTHER = "Other"


def report_figures(found: Findings) -> dict[str, ReportFigure]:
    """Every figure by name, in the order of the report; figures for which there are no data are left out."""
    out = [_methods(found), _confusion(found), _reliability(found), _prompts(found)]
    if found.shots:
        out.append(_few_labels(found))
    out += [_robustness(found), _months(found)]
    data = found.data
    if np.isfinite(data.series.lat_deg).any() and len(np.unique(np.round(data.series.lat_deg, 6))) > 1:
        out.append(_map(found))
    if len(data) > 3:
        out += _embedding(found)
    if found.neighbours:
        out.append(_neighbours(found))
    return {one.name: one for one in out}


def spread(found: Metrics, key: str) -> tuple[float, float, float]:
    """A metric and its interval, NaN where it has none."""
    low, high = found.intervals.get(key, (float("nan"), float("nan")))
    return float(getattr(found, key)), low, high


def _methods(found: Findings) -> ReportFigure:
    methods = found.comparison.methods
    order = sorted(methods, key=lambda name: -methods[name].balanced_accuracy)
    values = [spread(methods[name], "balanced_accuracy") for name in order]
    alt = "Average class accuracy of every method with its interval"
    return draw.dots("methods", alt, order, values, axis="average class accuracy and its 95 % interval")


def _confusion(found: Findings) -> ReportFigure:
    """Rows are true classes, the most frequent first; classes beyond the twelve most frequent are one row, Other."""
    data = found.data
    names = (*data.taxonomy.names, "unknown")
    counts = confusion_matrix(data.truth, found.comparison.raw.label_index, len(data.taxonomy))  # (K, K + 1)
    weight = counts.sum(axis=1)
    order = [int(k) for k in np.argsort(-weight, kind="stable") if weight[k]]
    top, rest = order[:_TOP_CLASSES], order[_TOP_CLASSES:]
    rows = [counts[k] for k in top] + ([counts[rest].sum(axis=0)] if rest else [])
    table = np.array(rows)
    others = [k for k in range(len(data.taxonomy)) if k not in top]
    columns = [table[:, k] for k in top] + [table[:, others].sum(axis=1), table[:, -1]]
    labels = [names[k] for k in top] + [_OTHER, "unknown"]
    filled = np.stack(columns, axis=1) / table.sum(axis=1, keepdims=True)
    some = [i for i in range(len(labels)) if i < len(top) or filled[:, i].any()]
    row_names = [f"{names[k]} ({weight[k]})" for k in top] + ([f"{_OTHER} ({weight[rest].sum()})"] if rest else [])
    alt = "Confusion matrix, each row divided by the samples of its true class"
    return draw.confusion("confusion", alt, filled[:, some], row_names, [labels[i] for i in some])


def _reliability(found: Findings) -> ReportFigure:
    truth = found.data.truth
    sides = ((ZERO_SHOT, found.comparison.raw), (PRIOR_CORRECTED, found.comparison.corrected))
    bins = [(name, reliability(side.confidence, side.label_index == truth)) for name, side in sides]
    return draw.reliability_diagram("reliability", "Share of right answers against the stated confidence", bins)


def _prompts(found: Findings) -> ReportFigure:
    order = sorted(found.prompts, key=lambda one: -one.metrics.balanced_accuracy)
    values = [spread(one.metrics, "balanced_accuracy") for one in order]
    alt = "Average class accuracy of every set of prompts with its interval"
    return draw.dots("prompts", alt, [one.name for one in order], values, axis="average class accuracy")


def _few_labels(found: Findings) -> ReportFigure:
    names = {"anchored": "words, then examples", "prototype": "mean of words and examples", "probe": "examples only"}
    lines = []
    for method, name in names.items():
        mine = [point for point in found.shots if point.method == method]
        if not mine:
            continue
        low, high = zip(*(point.balanced_accuracy_range for point in mine), strict=True)
        x, y = [point.shots for point in mine], [point.balanced_accuracy for point in mine]
        lines.append(Curve(name, x, y, low, high))
    level = ("words alone", found.comparison.methods[ZERO_SHOT].balanced_accuracy)
    return draw.curves(
        "few-labels",
        "Average class accuracy against the number of labelled examples of each class",
        lines,
        x="labelled examples of each class, as far as there are so many",
        y="average class accuracy",
        level=level,
        log=True,
    )


def _robustness(found: Findings) -> ReportFigure:
    x = [point.kept for point in found.kept]
    lines = []
    for name, key in (("average class accuracy", "balanced_accuracy"), ("accuracy", "accuracy")):
        low, high = zip(*(getattr(point, f"{key}_range") for point in found.kept), strict=True)
        lines.append(Curve(name, x, [getattr(point, key) for point in found.kept], low, high))
    alt = "Accuracy against the number of months that are left"
    return draw.curves(
        "robustness", alt, lines, x="months kept, chosen at random", y="share found by words alone", falling=True
    )


def _months(found: Findings) -> ReportFigure:
    some = np.flatnonzero(np.isfinite(found.months).any(axis=1))
    alt = "What each calendar month adds to the margin of the true class"
    return draw.heat("months", alt, found.months[some], [found.data.taxonomy.names[k] for k in some])


def _groups(found: Findings) -> list[tuple[str, NDArray[np.bool_]]]:
    """Masks of the most frequent classes, and one of all other classes."""
    truth, names = found.data.truth, found.data.taxonomy.names
    order = [int(k) for k in np.argsort(-np.bincount(truth), kind="stable") if (truth == k).any()]
    top = order if len(order) <= _GROUPS + 1 else order[:_GROUPS]
    groups = [(names[k], truth == k) for k in top]
    return groups if len(top) == len(order) else [*groups, (_OTHER, ~np.isin(truth, top))]


def _map(found: Findings) -> ReportFigure:
    series = found.data.series
    alt = "Where the samples are, by true class"
    return draw.places("map", alt, series.lon_deg, series.lat_deg, _groups(found))


def _embedding(found: Findings) -> list[ReportFigure]:
    """The first three principal components: two as a plane by class, three as colours on the map."""
    x = found.embeddings - found.embeddings.mean(axis=0)
    _, _, axes = np.linalg.svd(x if len(x) <= 20_000 else x[:: len(x) // 20_000 + 1], full_matrices=False)
    part = x @ axes[:3].T  # (N, 3)
    names = ("first principal component", "second principal component")
    alt = "Embeddings on their first two principal components, by true class"
    out = [draw.places("embedding", alt, part[:, 0], part[:, 1], _groups(found), axes=names)]
    series = found.data.series
    if np.isfinite(series.lat_deg).any() and len(np.unique(np.round(series.lat_deg, 6))) > 1:
        low, high = np.percentile(part, [2, 98], axis=0)
        rgb = np.clip((part - low) / np.maximum(high - low, 1e-9), 0, 1)
        alt = "Embeddings on the map: the first three principal components as red, green and blue"
        out.append(draw.places("embedding-map", alt, series.lon_deg, series.lat_deg, rgb=rgb))
    return out


def _neighbours(found: Findings) -> ReportFigure:
    data = found.data
    rows = []
    for pick, near in found.neighbours:
        kind = data.truth[pick]
        lines = [_ndvi(data.series, i, bool(data.truth[i] == kind)) for i in (pick, *near)]
        right = sum(bool(data.truth[i] == kind) for i in near)
        title = f"{data.taxonomy.names[kind]}: {right} of {len(near)} neighbours of its class"
        rows.append((title, lines))
    return draw.series_rows("neighbours", "NDVI of a place of each class and of its nearest neighbours", rows)


def _ndvi(series: PixelSeries, i: int, right: bool) -> draw.SeriesLine:
    index, known = ndvi(series.take(slice(i, i + 1)))
    use = known[0]
    middle = series.start[i, use] + (series.end[i, use] - series.start[i, use]) // 2
    first = middle.astype("datetime64[Y]").astype("datetime64[D]")
    month = (middle - first).astype(int) / 365.25 * 12
    order = np.argsort(month, kind="stable")
    return series.sample_id[i], right, month[order].astype(np.float64), index[0, use][order].astype(np.float64)
