"""The figures of a sweep: the effect of each change, curves over numeric settings, and robustness to missing months."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from timesenclip.evaluation.sweep.cells import SweepCell, SweepCheckpoint
from timesenclip.evaluation.sweep.config import AXES, SweepConfig
from timesenclip.report.figure import ReportFigure
from timesenclip.report.plots import Curve, curves, dots

__all__ = ["sweep_figures"]

_TITLES = {"balanced_accuracy": "average class accuracy", "accuracy": "accuracy", "macro_f1": "macro F1"}


def sweep_figures(
    config: SweepConfig, cells: Sequence[SweepCell], entries: Sequence[SweepCheckpoint]
) -> list[ReportFigure]:
    """All figures that the sweep has values for. Trainings that diverged are left out."""
    entries = [entry for entry in entries if entry.checkpoint is not None]
    cells = [cell for cell in cells if cell.digest]
    trained = [entry for entry in entries if entry.settings]
    several = len(set(config.months_kept)) > 1
    out = []
    if not trained:
        return [_months(config, cells)] if several and cells else []
    out.append(_all_entries(config, cells, entries))
    if any(entry.retrieval for entry in entries):
        out.append(_retrieval(entries))
    if len(set(config.composites)) > 1:
        out.append(_composites(config, cells, entries))
    for axis in AXES:
        groups = _groups(axis, trained, cross=bool(config.train and config.train.cross))
        if len(groups) > 1 and all(isinstance(value, int) for value in groups):
            out.append(_along(config, axis, groups, cells))
        if len(groups) > 1 and several:
            out.append(_months_by(config, axis, groups, cells))
    if several and not any(figure.name.startswith("curve") for figure in out):
        out.append(_months_by(config, "recipe", {"base": trained}, cells))
    return out


def _groups(axis: str, trained: Sequence[SweepCheckpoint], *, cross: bool) -> dict[Any, list[SweepCheckpoint]]:
    """Entries by their value on an axis: those that differ from the recipe in nothing else, or all of a product."""
    out: dict[Any, list[SweepCheckpoint]] = {}
    for entry in trained:
        if cross or set(entry.changed) <= {axis}:
            out.setdefault(entry.settings[axis], []).append(entry)
    numbers = all(isinstance(value, int) for value in out)
    return {value: out[value] for value in sorted(out)} if numbers else out


def _default_cells(config: SweepConfig, cells: Sequence[SweepCell], **wanted: Any) -> list[SweepCell]:
    """Cells of the first template set and composite with all months, unless another is wanted."""
    chosen = {
        "templates": config.templates[0],
        "composite": config.composites[0],
        "months_kept": max(config.months_kept),
    } | wanted
    return [cell for cell in cells if all(getattr(cell, name) == value for name, value in chosen.items())]


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, lowest and highest; no interval of a single value."""
    if not values:
        return float("nan"), float("nan"), float("nan")
    alone = len(values) == 1
    return float(np.mean(values)), *((float("nan"),) * 2 if alone else (min(values), max(values)))


def _plain_names(entries: Sequence[SweepCheckpoint]) -> dict[str, list[str]]:
    """Names of entries by name without the seed, so that repetitions stand in one row."""
    out: dict[str, list[str]] = {}
    for entry in entries:
        seed = f"seed={entry.settings.get('seed')}"
        parts = [part for part in entry.name.split(", ") if part != seed]
        out.setdefault(", ".join(parts) or "base", []).append(entry.name)
    return out


def _top(values: Iterable[float]) -> float:
    """Upper end of an axis that starts at zero, so that small differences between small values can be seen."""
    highest = max((value for value in values if np.isfinite(value)), default=1.0)
    return next((top for top in (0.1, 0.2, 0.3, 0.4, 0.6, 0.8) if highest <= 0.95 * top), 1.0)


def _rows(
    name: str, alt: str, labels: Sequence[str], values: Sequence[tuple[float, float, float]], axis: str
) -> ReportFigure:
    top = _top(value for row in values for value in row)
    return dots(name, alt, labels, values, axis=axis, top=top)


def _lines(name: str, alt: str, lines: Sequence[Curve], **options: Any) -> ReportFigure:
    return curves(name, alt, lines, top=_top(value for line in lines for value in line.high), **options)


def _label(name: str) -> str:
    return name if "=" in name else Path(name).name


def _all_entries(config: SweepConfig, cells: Sequence[SweepCell], entries: Sequence[SweepCheckpoint]) -> ReportFigure:
    rows = _plain_names(entries)
    asked = _default_cells(config, cells)
    values = [_spread([c.balanced_accuracy for c in asked if c.checkpoint in names]) for names in rows.values()]
    alt = "Average class accuracy of the recipe and of each change to it"
    return _rows("ablation", alt, [_label(name) for name in rows], values, "average class accuracy; bar: seeds")


def _retrieval(entries: Sequence[SweepCheckpoint]) -> ReportFigure:
    rows = _plain_names([entry for entry in entries if entry.retrieval])
    found = {e.name: (e.retrieval["S2G R@10"] + e.retrieval["G2S R@10"]) / 2 for e in entries if e.retrieval}
    values = [_spread([found[name] for name in names]) for names in rows.values()]
    alt = "Held-out retrieval of the recipe and of each change to it"
    return _rows("ablation-retrieval", alt, list(rows), values, "held-out Recall@10, mean of both directions")


def _composites(config: SweepConfig, cells: Sequence[SweepCell], entries: Sequence[SweepCheckpoint]) -> ReportFigure:
    labels, values = [], []
    for (name, names), composite in itertools.product(_plain_names(entries).items(), config.composites):
        asked = _default_cells(config, cells, composite=composite)
        labels.append(f"{_label(name)}, {composite}")
        values.append(_spread([c.balanced_accuracy for c in asked if c.checkpoint in names]))
    alt = "Average class accuracy by length of a step"
    return _rows("composites", alt, labels, values, "average class accuracy; bar: seeds")


def _along(
    config: SweepConfig, axis: str, groups: dict[Any, list[SweepCheckpoint]], cells: Sequence[SweepCell]
) -> ReportFigure:
    """Metrics over a numeric axis."""
    asked = _default_cells(config, cells)
    lines = []
    for key, title in _TITLES.items():
        runs = [[getattr(c, key) for c in asked if c.checkpoint in _names(group)] for group in groups.values()]
        lines.append(_curve(title, list(groups), runs))
    if all(entry.retrieval for group in groups.values() for entry in group):
        runs = [[(e.retrieval["S2G R@10"] + e.retrieval["G2S R@10"]) / 2 for e in g] for g in groups.values()]
        lines.append(_curve("held-out Recall@10", list(groups), runs))
    words = axis.replace("_", " ")
    log = min(groups) > 0 and max(groups) / min(groups) > 10
    return _lines(f"axis-{axis.replace('_', '-')}", f"Figures by {words}", lines, x=words, y="figure", log=log)


def _months_by(
    config: SweepConfig, axis: str, groups: dict[Any, list[SweepCheckpoint]], cells: Sequence[SweepCell]
) -> ReportFigure:
    """Robustness to missing months, one line for each value of an axis."""
    lines = []
    for value, group in groups.items():
        months = sorted(set(config.months_kept))
        runs = []
        for kept in months:
            asked = _default_cells(config, cells, months_kept=kept)
            runs.append([c.balanced_accuracy for c in asked if c.checkpoint in _names(group)])
        lines.append(_curve(str(value), months, runs))
    words = axis.replace("_", " ")
    alt = f"Average class accuracy against the steps kept, by {words}"
    name, x = f"curve-{axis.replace('_', '-')}", f"steps kept, chosen at random ({words})"
    return _lines(name, alt, lines, x=x, y=_TITLES["balanced_accuracy"], falling=True)


def _names(group: Sequence[SweepCheckpoint]) -> set[str]:
    return {entry.name for entry in group}


def _curve(name: str, x: Sequence[float], runs: Sequence[Sequence[float]]) -> Curve:
    return Curve(name, x, [float(np.mean(r)) for r in runs], [min(r) for r in runs], [max(r) for r in runs])


def _months(config: SweepConfig, cells: Sequence[SweepCell]) -> ReportFigure:
    """Robustness of checkpoints that were given, by template set and length of a step."""
    lines = []
    for checkpoint, templates, composite in itertools.product(config.checkpoints, config.templates, config.composites):
        mine = [c for c in cells if (c.checkpoint, c.templates, c.composite) == (checkpoint, templates, composite)]
        months = sorted({c.months_kept for c in mine})
        name = ", ".join(
            part
            for part, several in (
                (Path(checkpoint).name, len(config.checkpoints) > 1),
                (templates, len(config.templates) > 1),
                (composite, True),
            )
            if several
        )
        lines.append(_curve(name, months, [[c.balanced_accuracy for c in mine if c.months_kept == m] for m in months]))
    alt = "Average class accuracy against the steps kept"
    return curves("curve", alt, lines, x="steps kept, chosen at random", y="average class accuracy", falling=True)
