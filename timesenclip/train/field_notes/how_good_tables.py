"""Tables and sentences about left-out regions in Markdown, for the page and for the model card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from timesenclip.train.field_notes.held_out_regions import HowGood
from timesenclip.train.field_notes.patch import PatchResult
from timesenclip.train.field_notes.questions import PLAIN
from timesenclip.train.field_notes.region_calibration import LOST_AT_MOST
from timesenclip.train.field_notes.region_results import ClassResult, TaskResult

__all__ = [
    "calibration_table",
    "class_table",
    "condition_tables",
    "failures",
    "markdown_table",
    "patch_table",
    "region_table",
    "sets_table",
]

_WORST = 12
_WEAK = 0.5


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def region_table(found: HowGood, task: str) -> str:
    """One row a region, and the mean over regions."""
    results = found.of(task)
    rows = [
        [
            result.region,
            f"{result.places:,}",
            f"{len(result.classes)} of {result.asked}",
            _spread(result.balanced, result.interval),
            _figure(result.shipped),
            f"{result.unknown:.1%}",
            _figure(result.elsewhere),
            _figure(result.same),
            _figure(result.chance),
            _figure(result.majority),
        ]
        for result in results
    ]
    means = [
        _mean([getattr(result, name) for result in results])
        for name in ("balanced", "shipped", "unknown", "elsewhere", "same", "chance", "majority")
    ]
    means[2] = f"{np.mean([result.unknown for result in results]):.1%}"
    rows.append(["**mean**", f"{sum(r.places for r in results):,}", "", *means])
    columns = (
        "region",
        "places",
        "classes",
        "balanced accuracy, all answered",
        "as shipped",
        "unknown",
        "forest, labels from elsewhere",
        "forest, labels of the region",
        "chance",
        "majority",
    )
    return markdown_table(columns, rows)


def class_table(result: TaskResult) -> str:
    """One row a class of one question in one region."""
    rows = [
        [
            row.name,
            f"{row.count:,}",
            _spread(row.recall, row.interval),
            _figure(row.shipped),
            _figure(row.elsewhere),
            _figure(row.same),
            f"{row.instead} ({row.instead_share:.0%})" if row.instead else "",
        ]
        for row in result.classes
    ]
    columns = (
        "class",
        "places",
        "recall, all answered",
        "as shipped",
        "forest, labels from elsewhere",
        "forest, labels of the region",
        "most often said instead",
    )
    text = markdown_table(columns, rows)
    if result.few:
        few = ", ".join(f"{name} ({count})" for name, count in result.few.items())
        text += f"\n\nToo few places to be measured: {few}."
    return text


def failures(found: HowGood) -> str:
    """The worst classes, and the regions where a forest with labels from elsewhere is better; a list."""
    weak: list[tuple[TaskResult, ClassResult]] = [
        (result, row) for result in found.tasks for row in result.classes if row.recall < _WEAK
    ]
    weak.sort(key=lambda pair: pair[1].recall)
    lines = [
        f"- **{row.name}** in {result.region} ({result.task}): {row.recall:.0%} of {row.count:,} places "
        f"({row.interval[0]:.0%} to {row.interval[1]:.0%})"
        + (f"; {row.instead_share:.0%} are called {row.instead}." if row.instead else ".")
        for result, row in weak[:_WORST]
    ]
    if len(weak) > _WORST:
        lines.append(
            f"- {len(weak) - _WORST} more classes are found in fewer than half of their places; see the tables."
        )
    if not weak:
        lines.append("- No class is found in fewer than half of its places.")
    lines += [
        f"- In {result.region} ({result.task}) a forest with labels from elsewhere is better: "
        f"{result.elsewhere:.3f} against {result.balanced:.3f}."
        for result in found.tasks
        if result.elsewhere is not None and result.elsewhere > result.balanced
    ]
    lines += [
        f"- In {result.region} ({result.task}) the answers are not above chance: {result.balanced:.3f} against "
        f"{1 / len(result.classes):.3f} among the {len(result.classes)} classes that are there."
        for result in found.tasks
        if result.balanced <= 1 / len(result.classes)
    ]
    return "\n".join(lines)


def patch_table(patch: PatchResult) -> str:
    """Maize and grassland parcels of the Flanders patch."""
    methods = {"every pixel answered": patch.answered, "as shipped": patch.shipped}
    if patch.forest is not None:
        methods["forest, other strips of the patch"] = patch.forest
    recalls = {name: {row.name: row.recall for row in metrics.classes} for name, metrics in methods.items()}
    rows = [
        [
            name,
            _spread(metrics.accuracy, metrics.intervals.get("accuracy")),
            *(_figure(recalls[name].get(row.name)) for row in patch.answered.classes),
            f"{metrics.unknown_share:.1%}",
        ]
        for name, metrics in methods.items()
    ]
    return markdown_table(("", "accuracy", *(f"recall, {row.name}" for row in patch.answered.classes), "unknown"), rows)


def condition_tables(found: HowGood) -> str:
    """Fewer bands and cloudy months; balanced accuracy of land cover, every place answered."""
    parts = []
    for conditions in (found.bands, found.clouds):
        if not conditions:
            parts.append("Fewer bands were not measured: no region has all ten bands, or a fold needs them all.")
            continue
        regions = list(conditions[0].regions)
        whole = conditions[0].mean
        rows = [
            [
                condition.title,
                *(_figure(condition.regions[name]) for name in regions),
                _figure(condition.mean),
                f"{100 * (condition.mean - whole):+.1f}",
            ]
            for condition in conditions
        ]
        parts.append(markdown_table(("", *regions, "mean", "points"), rows))
    return "\n\n".join(parts)


def calibration_table(found: HowGood) -> str:
    """Calibration error and share of unknown by region, with what was fitted on the others, and their means."""
    rows = [
        [
            row.region,
            _figure(row.error),
            _figure(row.balanced_error),
            _figure(row.confidence),
            _figure(row.accuracy),
            f"{row.unknown:.1%}",
            f"{row.lost:.1%}",
        ]
        for row in found.calibration
        if row.wording == PLAIN
    ]
    columns = (
        "region",
        "calibration error",
        "the same, classes weighed equally",
        "mean confidence",
        "accuracy",
        "unknown",
        "right answers lost",
    )
    means = []
    for wording in dict.fromkeys(row.wording for row in found.calibration):
        part = [row for row in found.calibration if row.wording == wording]
        error, unknown = (float(np.nanmean([getattr(row, name) for row in part])) for name in ("error", "unknown"))
        means.append(f"{wording}: calibration error {error:.3f}, unknown {unknown:.1%}")
    pooled = "; ".join(f"{name}: {error:.3f}" for name, error in found.pooled.items())
    threshold = "none" if found.fitted.unknown_score is None else f"{found.fitted.unknown_score:.3f}"
    nothing = "; ".join(f"{kind}: {share:.0%}" for kind, share in found.nothing.items())
    return "\n\n".join(
        [
            markdown_table(columns, rows),
            f"Means over the regions by class list. {'. '.join(means)}.",
            "Calibration error over all regions together, every region and class counting the same, by class list: "
            f"{pooled}.",
            f"`unknown` is a highest cosine below {threshold}, the highest value that takes away at most "
            f"{LOST_AT_MOST:.0%} of the right answers of every left-out region in every class list. Share of series "
            f"that show no place and are called `unknown`: {nothing}.",
        ]
    )


def sets_table(found: HowGood, seen: Sequence[str]) -> str:
    """The real sets, and which of them a checkpoint was trained with.

    Args:
        found: what was measured.
        seen: regions that the checkpoint was trained with.
    """
    folds = {name: fold.name for fold in found.folds for name in fold.leave_out}
    rows = [
        [
            title,
            region,
            f"{places:,}",
            f"{labelled:,}",
            "yes" if region in seen else "no",
            "not measured" if region in found.not_measured else folds.get(region, ""),
        ]
        for region, title, places, labelled in found.sets
    ]
    return markdown_table(("set", "region", "places", "with labels", "trained with", "measured by"), rows)


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return _figure(float(np.mean(known))) if known else ""


def _figure(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.3f}"


def _spread(value: float, interval: tuple[float, float] | None) -> str:
    return _figure(value) if interval is None else f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
