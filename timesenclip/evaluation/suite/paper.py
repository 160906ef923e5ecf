"""The classification tasks of the paper on one training store: a report for each, and one page that compares them.

The tasks are land cover, land use, crops, habitats, bioregions and countries. Tasks without labels in the store, or in
the table that is joined to it, are skipped and listed.

Source: the six tasks of TimeSenCLIP (arXiv 2508.11919) over Sen4Map's test points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.data.store import SeriesStore
from timesenclip.eo.outliers import Outliers
from timesenclip.errors import InputError
from timesenclip.evaluation.baselines.external import (
    PRESTO,
    TRUE_COLOUR,
    TRUE_COLOUR_CORRECTED,
    TRUE_COLOUR_PROBE,
    ExternalModels,
)
from timesenclip.evaluation.bootstrap import DRAWS
from timesenclip.evaluation.embedding_cache import EmbeddingCache
from timesenclip.evaluation.evaluate import EMBEDDED_PROBE, FOREST, PRIOR_CORRECTED, PROBE, ZERO_SHOT
from timesenclip.evaluation.labels.ground_vectors import Ground, match_samples
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.labels.store import labelled_store
from timesenclip.evaluation.scenic import (
    SCENIC_FILES,
    Scenicness,
    Votes,
    draw_scenicness,
    evaluate_scenicness,
    write_scenicness,
)
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.evaluation.suite.report import figures_html, report_files
from timesenclip.evaluation.suite.report_tables import metric_cell, recall_cells
from timesenclip.evaluation.suite.run import run_suite
from timesenclip.files import write_json, write_text
from timesenclip.ground.prompts import DEFAULT
from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.model.checkpoint import Model
from timesenclip.owned import claimed, require_own_names
from timesenclip.report.figure import ReportFigure
from timesenclip.report.page import html_page
from timesenclip.report.plots_map import class_groups, class_map, country_bars
from timesenclip.report.table import ReportTable, with_interval, write_tables
from timesenclip.series import PixelSeries
from timesenclip.spatial import BLOCK_DEG

__all__ = ["SCENIC", "TASKS", "PaperSuite", "check_paper_folder", "run_paper_suite"]

TASKS = ("lucas-land-cover", "lucas-land-use", "lucas-crops", "eunis-l2", "bioregions", "countries")
"""Class lists of the paper's tasks, in its order."""

SCENIC = "scenicness"
"""The seventh task, on other places; its files are written to a folder of this name."""

_FIGURES = ("accuracy", "top5_accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "calibration_error")
_WITHOUT_LABELS = (ZERO_SHOT, PRIOR_CORRECTED, TRUE_COLOUR, TRUE_COLOUR_CORRECTED, "chance", "majority")
_METHODS = (*_WITHOUT_LABELS, FOREST, PROBE, TRUE_COLOUR_PROBE, PRESTO, EMBEDDED_PROBE)
_NO_PHOTOS = "None of the photographs is of these places, so nothing is retrieved between the streams."
_WHERE = (
    "The truth beside the zero-shot answers. A cell shows its most frequent class, so rare classes show in the bars "
    "rather than on the map."
)


@dataclass(frozen=True, slots=True)
class PaperSuite:
    """Results of all tasks."""

    findings: dict[str, Findings]
    """Results by task."""
    skipped: dict[str, str]
    """Skipped tasks, with the reason."""
    files: dict[str, Path]
    """`report` (the page that compares), `tables` and `figures` (folders), `json`, and each task's report by name."""
    scenicness: Scenicness | None = None
    """Scores against votes, where votes were given."""


def run_paper_suite(
    model: Model,
    store: str | Path,
    *,
    out: str | Path,
    labels: str | None = None,
    only: Sequence[str] | None = None,
    ground: Ground | None = None,
    templates: str | Sequence[str] = DEFAULT,
    external: ExternalModels | None = None,
    scenic: tuple[PixelSeries, Votes] | None = None,
    block_deg: float = BLOCK_DEG,
    outliers: Outliers = "drop",
    seed: int = 0,
    draws: int = DRAWS,
    progress: Callable[[int, int], None] | None = None,
) -> PaperSuite:
    """Run the suite for every task that has labels.

    Args:
        model: the checkpoint.
        store: training store, such as Sen4Map's test set.
        out: folder; each task has a folder of its own in it.
        labels: LUCAS table or the authors' test labels, joined by id; default: the store's own.
        only: ids to take; default: all.
        ground: embedded photographs, for retrieval.
        templates, external, seed, draws: as `run_suite`.
        scenic: series of other places and the votes for them, for the task of scenicness.
        block_deg: side of a block of land in degrees.
        outliers: what is done with outlying steps (see `timesenclip.eo.outliers`).
        progress: called with (tasks done, all).

    Raises:
        InputError: no task has labels (the message says what the store has), no photograph is of one of its places, or
            a file of the report would replace one that is not ours.
        CheckpointError, TowerError: the weights of an external model are not those of such a model.
    """
    check_paper_folder(out)
    opened = SeriesStore.open(store)
    if ground is not None:  # wrong photographs are refused before the first task
        match_samples(ground, opened.index["sample_id"].astype(str).tolist(), model.config.tower.dim)
    votes = None if scenic is None else evaluate_scenicness(*scenic, model=model, block_deg=block_deg, seed=seed)
    folder, cache = Path(out), EmbeddingCache(model)
    column = "auto" if labels is None else f"{labels}:auto"
    found: dict[str, Findings] = {}
    skipped: dict[str, str] = {}
    files: dict[str, Path] = {}
    for done, task in enumerate(TASKS):
        try:
            classes = load_taxonomy(task)
            data = labelled_store(store, column, taxonomy=classes, only=only, block_deg=block_deg, outliers=outliers)
        except InputError as error:
            skipped[task] = str(error)
        else:
            photos, notes = _matching_photos(data, ground)
            result = run_suite(
                model,
                data,
                out=folder / task,
                ground=photos,
                notes=notes,
                templates=templates,
                external=external,
                seed=seed,
                draws=draws,
                cache=cache,
            )
            found[task], files[task] = result.findings, result.files["report"]
        if progress is not None:
            progress(done + 1, len(TASKS))
    if not found:
        raise InputError(f"No task of the paper has labels in '{store}': {next(iter(skipped.values()))}")
    country = _country(opened, found.get("countries"))
    files |= _write_suite(folder, model, found, skipped, country, (scenic[0], votes) if scenic and votes else None)
    return PaperSuite(found, skipped, files, votes)


def check_paper_folder(out: str | Path) -> None:
    """Check, before any work, that the reports replace no file that is not ours.

    Raises:
        InputError: one would.
    """
    folder = Path(out)
    drawn = [f"{kind}-{task}" for kind in ("map", "countries") for task in TASKS]
    tabled = ["tasks", "retrieval", SCENIC, *(f"countries-{task}" for task in TASKS)]
    require_own_names(folder, "paper report", report_files(tables=tabled, figures=[*drawn, "scenic"]))
    for task in TASKS:
        require_own_names(folder / task, "suite report", report_files())
    require_own_names(folder / SCENIC, "scenicness report", SCENIC_FILES)


def _matching_photos(data: LabelledSet, ground: Ground | None) -> tuple[Ground | None, list[str]]:
    """The photographs, None where none is of a place of the task, and what the report must say of that."""
    if ground is None or set(ground.sample_id) & set(data.series.sample_id):
        return ground, []
    return None, [_NO_PHOTOS]


def _write_suite(
    folder: Path,
    model: Model,
    found: dict[str, Findings],
    skipped: dict[str, str],
    country: dict[str, str],
    scored: tuple[PixelSeries, Scenicness] | None,
) -> dict[str, Path]:
    """Write the page, the tables and the figures that compare the tasks; their paths by name."""
    files: dict[str, Path] = {}
    tables = _tables(found, country)
    drawn = {task: _geography(task, one, country) for task, one in found.items()}
    if scored is not None:
        series, votes = scored
        files |= {SCENIC: write_scenicness(votes, series, folder / SCENIC)["json"]}
        tables.insert(1, _scenic_table(votes))
        drawn[SCENIC] = [draw_scenicness(votes, series)]
    figures = [figure for several in drawn.values() for figure in several]
    names = report_files(tables=[table.name for table in tables], figures=[figure.name for figure in figures])
    with claimed(folder, "paper report", names, exclusive=False):
        write_tables(folder / "tables", tables)
        for figure in figures:
            figure.save(folder / "figures")
        files |= {name: folder / name for name in ("tables", "figures")}
        files |= {"report": folder / "report.html", "json": folder / "report.json"}
        methods = {
            task: {name: f.to_dict() for name, f in one.comparison.methods.items()} for task, one in found.items()
        }
        facts = {} if scored is None else {SCENIC: scored[1].to_dict()}
        write_json(files["json"], {"tasks": methods, **facts, "skipped": skipped}, shared=True)
        write_text(files["report"], _page(model, found, skipped, tables, drawn), shared=True)
    return files


def _tables(found: dict[str, Findings], country: dict[str, str]) -> list[ReportTable]:
    rows = []
    for task, one in found.items():
        for name in _METHODS:
            metrics = one.comparison.methods.get(name)
            if metrics is not None:
                cells = [metric_cell(metrics, key) for key in _FIGURES]
                present = f"{len(one.data.present)} of {len(one.data.taxonomy)}"
                rows.append((task, name, len(one.data), present, *cells))
    heads = ("task", "method", "samples", "classes", "top-1", "top-5", "average class accuracy", "macro F1")
    columns = (*heads, "weighted F1", "calibration error")
    tables = [ReportTable("tasks", "Every task, with 95 % intervals over blocks of land", columns, tuple(rows))]
    asked = [(task, one) for task, findings in found.items() for one in findings.retrieval]
    if asked:
        cuts = list(asked[0][1].recall)
        kinds = ("recall", "strict_recall")
        lines = [
            (task, one.direction, *(c for kind in kinds for c in recall_cells(one, kind, cuts))) for task, one in asked
        ]
        names = (*(f"Recall@{k}" for k in cuts), *(f"strict Recall@{k}" for k in cuts))
        caption = "Retrieval: class-consistent, and of the very place (strict)"
        tables.append(ReportTable("retrieval", caption, ("task", "direction", *names), tuple(lines)))
    # One table a task: how many samples of each class lie in each country.
    asked_in = [task for task in found if country and task != "countries"]
    return [*tables, *(_country_table(task, found[task].data, country) for task in asked_in)]


def _scenic_table(found: Scenicness) -> ReportTable:
    rows = []
    for name, one in (
        ("prompt contrast (zero-shot)", found.contrast),
        ("ridge on embeddings (with labels)", found.ridge),
    ):
        if one is not None:
            kinds = {"pearson": one.pearson, "spearman": one.spearman, "kendall": one.kendall}
            cells = [with_interval(value, one.intervals.get(kind)) for kind, value in kinds.items()]
            rows.append((name, found.count, *cells))
    caption = "Scenicness: correlation with the mean votes of people, on other blocks of land"
    return ReportTable(SCENIC, caption, ("method", "places", "Pearson", "Spearman", "Kendall"), tuple(rows))


def _country(store: SeriesStore, asked: Findings | None) -> dict[str, str]:
    """Country code by place: from the labels of the task `countries`, else from the store, else empty."""
    out: dict[str, str] = {}
    if "nuts0" in store.index:
        out = dict(zip(store.index["sample_id"].astype(str), store.index["nuts0"].astype(str), strict=True))
    if asked is not None:
        codes = [taxon.code or taxon.name for taxon in asked.data.taxonomy.classes]
        out |= {name: codes[k] for name, k in zip(asked.data.series.sample_id, asked.data.truth, strict=True)}
    return out


def _countries_of_samples(data: LabelledSet, country: dict[str, str]) -> NDArray[np.str_]:
    """(N,) country codes, "?" where unknown."""
    return np.array([country.get(name, "?") for name in data.series.sample_id])


def _country_table(task: str, data: LabelledSet, country: dict[str, str]) -> ReportTable:
    code = _countries_of_samples(data, country)  # (N,)
    codes = sorted(set(code.tolist()))
    names = [k for k in range(len(data.taxonomy)) if (data.truth == k).any()]
    rows = [(data.taxonomy.names[k], *(int(((data.truth == k) & (code == one)).sum()) for one in codes)) for k in names]
    return ReportTable(f"countries-{task}", f"Samples of {task} by country", ("class", *codes), tuple(rows))


def _geography(task: str, one: Findings, country: dict[str, str]) -> list[ReportFigure]:
    """True and predicted classes on a map and by country."""
    data, out = one.data, []
    groups = class_groups(data.truth, one.comparison.raw.label_index, data.taxonomy.names)
    lon, lat = data.series.lon_deg, data.series.lat_deg
    if (np.isfinite(lon) & np.isfinite(lat)).any():
        out.append(class_map(f"map-{task}", f"Where the classes of {task} are", lon, lat, groups))
    if country and task != "countries":
        alt = f"Classes of {task} by country (number of places)"
        out.append(country_bars(f"countries-{task}", alt, _countries_of_samples(data, country), groups))
    return out


def _page(
    model: Model,
    found: dict[str, Findings],
    skipped: dict[str, str],
    tables: Sequence[ReportTable],
    drawn: dict[str, list[ReportFigure]],
) -> str:
    links = ", ".join(f"<a href='{task}/report.html'>{task}</a>" for task in found)
    parts = [f"<section><p>In detail: {links}</p></section>"]
    parts += [
        f"<section><h2>{escape(table.caption)}</h2><div class='scroll' tabindex='0' role='region' "
        f"aria-label='{escape(table.caption)}'>{table.to_html()}</div></section>"
        for table in tables
    ]
    for task, several in drawn.items():
        heading = "Votes and predicted scenicness" if task == SCENIC else f"Where the classes of {task} are"
        lead = "Each place is predicted by a ridge that never saw its block of land." if task == SCENIC else _WHERE
        if several:
            figures = figures_html(several)
            parts.append(f"<section><h2>{escape(heading)}</h2><p class='lead'>{escape(lead)}</p>{figures}</section>")
    first = next(iter(found.values()))
    lead = (
        f"Checkpoint {model.config.name} ({model.digest}), words through {model.config.tower.name}; "
        f"{first.data.title}, {len(found)} of {len(TASKS)} tasks."
    )
    notes = [f"{task} was not asked: {reason}" for task, reason in skipped.items()]
    notes.append("Habitat and bioregion labels come from map layers, not from the surveyor: take them as noisy.")
    return html_page(title="The tasks of the paper", lead=lead, notes=notes, sections="\n".join(parts))
