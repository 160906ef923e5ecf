"""Compare two checkpoints on the same samples: which metrics differ, and by more than chance.

The bootstrap is paired: every draw evaluates both checkpoints on the same blocks of land, so that the difficulty of the
blocks cancels out of the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.evaluation.bootstrap import DRAWS, block_draws, percentile_interval
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.metrics import block_sums, metrics_from_sums
from timesenclip.files import write_json, write_text
from timesenclip.ground.prompts import DEFAULT, class_vectors
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed
from timesenclip.owned import claimed
from timesenclip.report import plots as draw
from timesenclip.report.figure import figure_files
from timesenclip.report.page import html_page
from timesenclip.report.table import ReportTable, table_files, write_tables
from timesenclip.tasks.classify import classify_embeddings

COMPARISON_FILES = ("compare.html", "compare.json", *table_files("compare"), *figure_files("differences"))
"""Files of a comparison."""

__all__ = [
    "COMPARISON_FILES",
    "Change",
    "CheckpointComparison",
    "compare_checkpoints",
    "compare_predictions",
    "write_comparison",
]

_OVERALL = {
    "accuracy": "accuracy",
    "balanced_accuracy": "average class accuracy",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One metric of both checkpoints."""

    name: str
    """The metric, or the class whose F1 it is."""
    samples: int
    """Samples that it is computed from."""
    first: float
    """Value of A."""
    second: float
    """Value of B."""
    difference: float
    """B less A."""
    low: float
    """Lower end of the 95 % interval of the difference; NaN with a single block of land."""
    high: float
    """Upper end of that interval."""
    is_class: bool
    """Whether it is the F1 of one class."""

    @property
    def verdict(self) -> str:
        """`A better` or `B better`; empty where the interval contains zero or does not exist."""
        if not np.isfinite(self.low) or self.low <= 0 <= self.high:
            return ""
        return "B better" if self.difference > 0 else "A better"

    @property
    def range_text(self) -> str:
        """The interval as text, `-` where there is none."""
        return f"{self.low:+.3f} to {self.high:+.3f}" if np.isfinite(self.low) else "-"


@dataclass(frozen=True, slots=True)
class CheckpointComparison:
    """Differences between two checkpoints on one labelled set."""

    first: str
    """Name and digest of A."""
    second: str
    """Name and digest of B."""
    title: str
    """Title of the data."""
    rows: tuple[Change, ...]
    """Metrics over all samples, then the F1 of each class."""
    same_answer: float
    """Share of samples with the same prediction by both."""
    only_first_right: int
    """Samples that A alone predicts correctly."""
    only_second_right: int
    """Samples that B alone predicts correctly."""
    blocks: int
    """Number of blocks of land."""
    notes: tuple[str, ...]
    """Limits of the comparison, in sentences."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [asdict(row) | {"verdict": row.verdict} for row in self.rows]
        return {
            "a": self.first,
            "b": self.second,
            "title": self.title,
            "rows": rows,
            "same_answer": self.same_answer,
            "only_a_right": self.only_first_right,
            "only_b_right": self.only_second_right,
            "blocks": self.blocks,
            "notes": list(self.notes),
        }


def compare_checkpoints(
    first: Model,
    second: Model,
    data: LabelledSet,
    *,
    templates: str | Sequence[str] = DEFAULT,
    seed: int = 0,
    draws: int = DRAWS,
) -> CheckpointComparison:
    """Compare zero-shot predictions of two checkpoints, each with its own tower and calibration.

    Args:
        first, second: A and B.
        data: labelled samples.
        templates: prompt templates, see `prompts_for`.
        seed, draws: seed and number of draws of the bootstrap.
    """
    predicted = []
    for model in (first, second):
        calibration = model.config.calibration
        predictions = classify_embeddings(
            embed(data.series, model=model),
            class_vectors(data.taxonomy, model.tower, templates),
            temperature=calibration.temperature,
            unknown_score=calibration.unknown_score,
        )
        predicted.append(predictions.label_index)
    names = [f"{model.config.name} ({model.digest})" for model in (first, second)]
    return compare_predictions(predicted[0], predicted[1], data, names=(names[0], names[1]), seed=seed, draws=draws)


def compare_predictions(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    data: LabelledSet,
    *,
    names: tuple[str, str],
    seed: int = 0,
    draws: int = DRAWS,
) -> CheckpointComparison:
    """Compare two sets of predictions (N,), -1 = unknown, for the same labelled samples."""
    classes = len(data.taxonomy)
    sums = [
        block_sums(data.truth, predicted, classes, block=data.block) for predicted in (first, second)
    ]  # (G, M) each
    whole = [metrics_from_sums(part.sum(axis=0)[None], classes) for part in sums]
    blocks, width = sums[0].shape
    drawn: list[dict[str, NDArray[np.float64]]] = []
    if blocks > 1:
        for both in block_draws(np.concatenate(sums, axis=1), draws=draws, seed=seed):
            a, b = metrics_from_sums(both[:, :width], classes), metrics_from_sums(both[:, width:], classes)
            drawn.append({key: b[key] - a[key] for key in (*_OVERALL, "f1")})

    def change(name: str, key: str, k: int | None, samples: int) -> Change:
        at: Any = (0,) if k is None else (0, k)
        a, b = float(whole[0][key][at]), float(whole[1][key][at])
        spread = (float("nan"), float("nan"))
        if drawn:
            spread = percentile_interval(np.concatenate([d[key] if k is None else d[key][:, k] for d in drawn]))
        return Change(name, samples, a, b, b - a, *spread, is_class=k is not None)

    support = np.bincount(data.truth, minlength=classes)
    rows = [change(text, key, None, len(data)) for key, text in _OVERALL.items()]
    rows += [change(data.taxonomy.names[k], "f1", int(k), int(support[k])) for k in np.flatnonzero(support)]
    right = [predicted == data.truth for predicted in (first, second)]
    notes = list(data.notes)
    absent = [name for name, count in zip(data.taxonomy.names, support, strict=True) if not count]
    if absent:
        notes.append(f"Without a single sample, and counted nowhere: {', '.join(absent)}.")
    if blocks < 2:
        notes.append("All samples lie in one block of land, so nothing can be said about chance.")
    return CheckpointComparison(
        *names,
        data.title,
        tuple(rows),
        float((first == second).mean()),
        int((right[0] & ~right[1]).sum()),
        int((right[1] & ~right[0]).sum()),
        blocks,
        tuple(notes),
    )


def write_comparison(found: CheckpointComparison, out: str | Path) -> dict[str, Path]:
    """Write compare.json, the table (CSV, LaTeX) and one page into a folder.

    Raises:
        InputError: a file of these names is not ours.
    """
    folder = Path(out)
    heads = ("", "samples", "A", "B", "B less A", "verdict")
    rows = tuple(
        (row.name, row.samples, row.first, row.second, (row.difference, row.low, row.high), row.verdict)
        for row in found.rows
    )
    table = ReportTable("compare", f"A: {found.first}. B: {found.second}. Of a class, F1.", heads, rows)
    figure = draw.differences(
        "differences",
        "B less A with its interval",
        [row.name for row in found.rows],
        [(row.difference, row.low, row.high) for row in found.rows],
    )
    lead = (
        f"{found.title}. Of {found.rows[0].samples:,} samples both answer {found.same_answer:.0%} alike; only A is "
        f"right on {found.only_first_right:,}, only B on {found.only_second_right:,}. {found.blocks:,} blocks of land, "
        "drawn in pairs. Rows of classes are F1. Where the interval holds zero, the difference may be chance; of "
        "twenty rows without any difference, one will not hold it."
    )
    section = (
        f'<div class="figures"><figure class="plain"><div class="drawing">{figure.inline()}</div></figure></div>'
        f'<div class="scroll" tabindex="0">{table.to_html()}</div>'
    )
    page = html_page(
        title="What changed between two checkpoints",
        lead=lead,
        notes=(f"A: {found.first}", f"B: {found.second}", *found.notes),
        sections=section,
    )
    with claimed(folder, "comparison", COMPARISON_FILES, exclusive=False):
        write_tables(folder, [table])
        figure.save(folder)
        return {
            "page": write_text(folder / "compare.html", page, shared=True),
            "json": write_json(folder / "compare.json", found.to_dict(), shared=True),
            "table": folder / "compare.csv",
        }
