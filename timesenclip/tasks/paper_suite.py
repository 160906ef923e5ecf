"""Every classification task of the paper on one training store: a report each, and one page that compares them.

Land cover, land use, crops, habitats, bioregions and countries, as far as the store (or a table beside it) has their
labels; what has none is named.

Source: the six tasks of TimeSenCLIP (arXiv 2508.11919) over Sen4Map's test points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from timesenclip.data.store import SeriesStore
from timesenclip.errors import InputError
from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.model.checkpoint import Model
from timesenclip.tasks.labelled import LabelledSet
from timesenclip.tasks.labelled_store import labelled_store
from timesenclip.tasks.metrics import Figures
from timesenclip.tasks.sheets import Sheet, write_json, write_sheets, write_text
from timesenclip.tasks.suite import Findings, Ground, run_suite
from timesenclip.tasks.uncertainty import BLOCK_DEG, DRAWS

__all__ = ["TASKS", "PaperSuite", "run_paper_suite"]

TASKS = ("lucas-land-cover", "lucas-land-use", "lucas-crops", "eunis-l2", "bioregions", "countries")
"""Class lists of the paper's tasks, in its order."""

_FIGURES = ("accuracy", "top5_accuracy", "balanced_accuracy", "macro_f1")
_METHODS = ("zero-shot", "zero-shot, prior-corrected", "random forest (with labels)", "majority", "chance")


@dataclass(frozen=True, slots=True)
class PaperSuite:
    """What was found over all tasks."""

    findings: dict[str, Findings]
    """By task."""
    skipped: dict[str, str]
    """Tasks that could not be asked, and why."""
    files: dict[str, Path]
    """`report` (the page that compares), `tables` (folder), `json`, and each task's report by its name."""


def run_paper_suite(
    model: Model,
    store: str | Path,
    *,
    out: str | Path,
    labels: str | None = None,
    only: Sequence[str] | None = None,
    ground: Ground | None = None,
    block_deg: float = BLOCK_DEG,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Callable[[int, int], None] | None = None,
) -> PaperSuite:
    """Run the suite on every task that has labels.

    Args:
        model: the checkpoint.
        store: training store, such as Sen4Map's test set.
        out: folder; each task writes into its own below.
        labels: LUCAS table or the authors' test labels, joined by id; default: the store's own.
        only: ids to take; default: all.
        ground: embedded photographs, for retrieval.
        block_deg, seed, draws: as `run_suite`.
        progress: called with (tasks done, all).

    Raises:
        InputError: no task has a label; the message names what is there.
    """
    folder = Path(out)
    found: dict[str, Findings] = {}
    skipped: dict[str, str] = {}
    files: dict[str, Path] = {}
    for done, task in enumerate(TASKS):
        where = "auto" if labels is None else f"{labels}:auto"
        try:
            data = labelled_store(store, where, taxonomy=load_taxonomy(task), only=only, block_deg=block_deg)
        except InputError as error:
            skipped[task] = str(error)
        else:
            result = run_suite(model, data, out=folder / task, ground=ground, seed=seed, draws=draws)
            found[task], files[task] = result.findings, result.files["report"]
        if progress is not None:
            progress(done + 1, len(TASKS))
    if not found:
        raise InputError(f"No task of the paper has labels in '{store}': {next(iter(skipped.values()))}")
    tables = _tables(found, SeriesStore.open(store))
    write_sheets(folder / "tables", tables)
    files |= {"tables": folder / "tables", "report": folder / "report.html", "json": folder / "report.json"}
    methods = {task: {name: f.to_dict() for name, f in one.comparison.methods.items()} for task, one in found.items()}
    write_json(files["json"], {"tasks": methods, "skipped": skipped})
    write_text(files["report"], _page(model, found, skipped, tables))
    return PaperSuite(found, skipped, files)


def _tables(found: dict[str, Findings], store: SeriesStore) -> list[Sheet]:
    rows = []
    for task, one in found.items():
        for name in _METHODS:
            figures = one.comparison.methods.get(name)
            if figures is not None:
                cells = [_spread(figures, key) for key in _FIGURES]
                present = f"{len(one.data.present)} of {len(one.data.taxonomy)}"
                rows.append((task, name, len(one.data), present, *cells))
    columns = ("task", "method", "samples", "classes", "top-1", "top-5", "average class accuracy", "macro F1")
    sheets = [Sheet("tasks", "Every task, with 95 % intervals over blocks of land", columns, tuple(rows))]
    asked = [(task, one) for task, findings in found.items() for one in findings.retrieval]
    if asked:
        cuts = list(asked[0][1].recall)
        lines = [
            (task, one.direction, *map(one.recall.get, cuts), *map(one.strict_recall.get, cuts)) for task, one in asked
        ]
        heads = (*(f"Recall@{k}" for k in cuts), *(f"strict Recall@{k}" for k in cuts))
        caption = "Retrieval: class-consistent, and of the very place (strict)"
        sheets.append(Sheet("retrieval", caption, ("task", "direction", *heads), tuple(lines)))
    return [*sheets, *_by_country(found, store)]


def _spread(figures: Figures, key: str) -> object:
    value, interval = getattr(figures, key), figures.intervals.get(key)
    return value if interval is None or value is None else (value, *interval)


def _by_country(found: dict[str, Findings], store: SeriesStore) -> list[Sheet]:
    """How many samples of each class lie in each country; one table a task."""
    if "nuts0" not in store.index:
        return []
    country = dict(zip(store.index["sample_id"].astype(str), store.index["nuts0"].astype(str), strict=True))
    return [_countries(task, one.data, country) for task, one in found.items() if task != "countries"]


def _countries(task: str, data: LabelledSet, country: dict[str, str]) -> Sheet:
    where = np.array([country.get(name, "?") for name in data.series.sample_id])
    codes = sorted(set(where.tolist()))
    names = [k for k in range(len(data.taxonomy)) if (data.truth == k).any()]
    rows = [
        (data.taxonomy.names[k], *(int(((data.truth == k) & (where == code)).sum()) for code in codes)) for k in names
    ]
    return Sheet(f"countries-{task}", f"Samples of {task} by country", ("class", *codes), tuple(rows))


def _page(model: Model, found: dict[str, Findings], skipped: dict[str, str], tables: Sequence[Sheet]) -> str:
    template = resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    links = ", ".join(f"<a href='{task}/report.html'>{task}</a>" for task in found)
    parts = [f"<section><p>In detail: {links}</p></section>"]
    parts += [
        f"<section><h2>{escape(table.caption)}</h2><div class='scroll' tabindex='0' role='region' "
        f"aria-label='{escape(table.caption)}'>{table.to_html()}</div></section>"
        for table in tables
    ]
    first = next(iter(found.values()))
    lead = (
        f"Checkpoint {model.config.name} ({model.digest}), words through {model.config.tower.name}; "
        f"{first.data.title}, {len(found)} of {len(TASKS)} tasks."
    )
    notes = [f"{task} was not asked: {reason}" for task, reason in skipped.items()]
    notes.append("Habitat and bioregion labels come from map layers, not from the surveyor: take them as noisy.")
    return Template(template).substitute(
        title="The tasks of the paper",
        lead=escape(lead),
        notes="".join(f"<li>{escape(note)}</li>" for note in notes),
        sections="\n".join(parts),
        foot="",
    )
