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
from numpy.typing import NDArray

from timesenclip.data.store import SeriesStore
from timesenclip.errors import InputError
from timesenclip.evaluation.baselines.external import PRESTO, TRUE_COLOUR, TRUE_COLOUR_PROBE, Peers
from timesenclip.evaluation.bootstrap import DRAWS
from timesenclip.evaluation.evaluate import EMBEDDED_PROBE, FOREST, PRIOR_CORRECTED, PROBE, ZERO_SHOT
from timesenclip.evaluation.labels.ground_vectors import Ground, rows_of_places
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.labels.store import labelled_store
from timesenclip.evaluation.retrieval import Retrieval
from timesenclip.evaluation.scenic import Scenicness, Votes, draw_scenicness, evaluate_scenicness, write_scenicness
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.evaluation.suite.report import figures_html
from timesenclip.evaluation.suite.run import run_suite
from timesenclip.files import write_json, write_text
from timesenclip.ground.prompts import DEFAULT
from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.model.checkpoint import Model
from timesenclip.report.figure import Drawing
from timesenclip.report.plots_map import class_groups, class_map, country_bars
from timesenclip.report.table import Sheet, with_interval, write_sheets
from timesenclip.series import PixelSeries
from timesenclip.spatial import BLOCK_DEG

__all__ = ["SCENIC", "TASKS", "PaperSuite", "run_paper_suite"]

TASKS = ("lucas-land-cover", "lucas-land-use", "lucas-crops", "eunis-l2", "bioregions", "countries")
"""Class lists of the paper's tasks, in its order."""

SCENIC = "scenicness"
"""The seventh task, of other places; its files lie in a folder of this name."""

_FIGURES = ("accuracy", "top5_accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "calibration_error")
_WITHOUT_LABELS = (ZERO_SHOT, PRIOR_CORRECTED, TRUE_COLOUR, "chance", "majority")
_METHODS = (*_WITHOUT_LABELS, FOREST, PROBE, TRUE_COLOUR_PROBE, PRESTO, EMBEDDED_PROBE)
_NO_PHOTOS = "None of the photographs is of these places, so nothing is retrieved between the streams."
_WHERE = (
    "The truth beside the zero-shot answers. A cell shows its most frequent class, so rare classes show in the bars "
    "rather than on the map."
)


@dataclass(frozen=True, slots=True)
class PaperSuite:
    """What was found over all tasks."""

    findings: dict[str, Findings]
    """By task."""
    skipped: dict[str, str]
    """Tasks that could not be asked, and why."""
    files: dict[str, Path]
    """`report` (the page that compares), `tables` and `figures` (folders), `json`, and each task's report by name."""
    scenicness: Scenicness | None = None
    """How well beauty is told, where votes were given."""


def run_paper_suite(
    model: Model,
    store: str | Path,
    *,
    out: str | Path,
    labels: str | None = None,
    only: Sequence[str] | None = None,
    ground: Ground | None = None,
    templates: str | Sequence[str] = DEFAULT,
    peers: Peers | None = None,
    scenic: tuple[PixelSeries, Votes] | None = None,
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
        templates, peers, block_deg, seed, draws: as `run_suite`.
        scenic: series of other places and what people voted for them, for the task of scenicness.
        progress: called with (tasks done, all).

    Raises:
        InputError: no task has a label; the message names what is there. Or no photograph is of a place.
        CheckpointError, TowerError: a peer's weights are not what they should be.
    """
    opened = SeriesStore.open(store)
    if ground is not None:  # wrong photographs are said before the first task
        rows_of_places(ground, opened.index["sample_id"].astype(str).tolist(), model.config.tower.dim)
    beauty = None if scenic is None else evaluate_scenicness(*scenic, model=model, block_deg=block_deg, seed=seed)
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
            shown = ground if ground is not None and set(ground.sample_id) & set(data.series.sample_id) else None
            alone = ground is not None and shown is None
            result = run_suite(
                model,
                data,
                out=folder / task,
                ground=shown,
                notes=[_NO_PHOTOS] if alone else [],
                templates=templates,
                peers=peers,
                seed=seed,
                draws=draws,
            )
            found[task], files[task] = result.findings, result.files["report"]
        if progress is not None:
            progress(done + 1, len(TASKS))
    if not found:
        raise InputError(f"No task of the paper has labels in '{store}': {next(iter(skipped.values()))}")
    country = _country(opened, found.get("countries"))
    tables = _tables(found, country)
    drawn = {task: _geography(task, one, country) for task, one in found.items()}
    if scenic is not None and beauty is not None:
        files |= {SCENIC: write_scenicness(beauty, scenic[0], folder / SCENIC)["json"]}
        tables.insert(1, _scenic_table(beauty))
        drawn[SCENIC] = [draw_scenicness(beauty, scenic[0])]
    write_sheets(folder / "tables", tables)
    for drawing in (drawing for several in drawn.values() for drawing in several):
        drawing.save(folder / "figures")
    files |= {name: folder / name for name in ("tables", "figures")}
    files |= {"report": folder / "report.html", "json": folder / "report.json"}
    methods = {task: {name: f.to_dict() for name, f in one.comparison.methods.items()} for task, one in found.items()}
    facts = {} if beauty is None else {SCENIC: beauty.to_dict()}
    write_json(files["json"], {"tasks": methods, **facts, "skipped": skipped}, shared=True)
    write_text(files["report"], _page(model, found, skipped, tables, drawn), shared=True)
    return PaperSuite(found, skipped, files, beauty)


def _tables(found: dict[str, Findings], country: dict[str, str]) -> list[Sheet]:
    rows = []
    for task, one in found.items():
        for name in _METHODS:
            figures = one.comparison.methods.get(name)
            if figures is not None:
                cells = [with_interval(getattr(figures, key), figures.intervals.get(key)) for key in _FIGURES]
                present = f"{len(one.data.present)} of {len(one.data.taxonomy)}"
                rows.append((task, name, len(one.data), present, *cells))
    heads = ("task", "method", "samples", "classes", "top-1", "top-5", "average class accuracy", "macro F1")
    columns = (*heads, "weighted F1", "calibration error")
    sheets = [Sheet("tasks", "Every task, with 95 % intervals over blocks of land", columns, tuple(rows))]
    asked = [(task, one) for task, findings in found.items() for one in findings.retrieval]
    if asked:
        cuts = list(asked[0][1].recall)
        kinds = ("recall", "strict_recall")
        lines = [
            (task, one.direction, *(c for kind in kinds for c in _recalls(one, kind, cuts))) for task, one in asked
        ]
        names = (*(f"Recall@{k}" for k in cuts), *(f"strict Recall@{k}" for k in cuts))
        caption = "Retrieval: class-consistent, and of the very place (strict)"
        sheets.append(Sheet("retrieval", caption, ("task", "direction", *names), tuple(lines)))
    # One table a task: how many samples of each class lie in each country.
    asked_in = [task for task in found if country and task != "countries"]
    return [*sheets, *(_countries(task, found[task].data, country) for task in asked_in)]


def _scenic_table(found: Scenicness) -> Sheet:
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
    return Sheet(SCENIC, caption, ("method", "places", "Pearson", "Spearman", "Kendall"), tuple(rows))


def _recalls(one: Retrieval, kind: str, cuts: Sequence[int]) -> list[object]:
    values: dict[int, float] = getattr(one, kind)
    return [with_interval(values.get(k), one.intervals.get(f"{kind}@{k}")) for k in cuts]


def _country(store: SeriesStore, asked: Findings | None) -> dict[str, str]:
    """Code of the country by place, as the task of countries had it, else as the store has it; empty if neither."""
    out: dict[str, str] = {}
    if "nuts0" in store.index:
        out = dict(zip(store.index["sample_id"].astype(str), store.index["nuts0"].astype(str), strict=True))
    if asked is not None:
        codes = [taxon.code or taxon.name for taxon in asked.data.taxonomy.classes]
        out |= {name: codes[k] for name, k in zip(asked.data.series.sample_id, asked.data.truth, strict=True)}
    return out


def _where(data: LabelledSet, country: dict[str, str]) -> NDArray[np.str_]:
    return np.array([country.get(name, "?") for name in data.series.sample_id])


def _countries(task: str, data: LabelledSet, country: dict[str, str]) -> Sheet:
    where = _where(data, country)
    codes = sorted(set(where.tolist()))
    names = [k for k in range(len(data.taxonomy)) if (data.truth == k).any()]
    rows = [
        (data.taxonomy.names[k], *(int(((data.truth == k) & (where == code)).sum()) for code in codes)) for k in names
    ]
    return Sheet(f"countries-{task}", f"Samples of {task} by country", ("class", *codes), tuple(rows))


def _geography(task: str, one: Findings, country: dict[str, str]) -> list[Drawing]:
    """Truth beside answers, on a map and by country."""
    data, out = one.data, []
    groups = class_groups(data.truth, one.comparison.raw.label_index, data.taxonomy.names)
    lon, lat = data.series.lon_deg, data.series.lat_deg
    if (np.isfinite(lon) & np.isfinite(lat)).any():
        out.append(class_map(f"map-{task}", f"Where the classes of {task} are", lon, lat, groups))
    if country and task != "countries":
        alt = f"Classes of {task} by country (number of places)"
        out.append(country_bars(f"countries-{task}", alt, _where(data, country), groups))
    return out


def _page(
    model: Model,
    found: dict[str, Findings],
    skipped: dict[str, str],
    tables: Sequence[Sheet],
    drawn: dict[str, list[Drawing]],
) -> str:
    template = resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8")
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
    return Template(template).substitute(
        title="The tasks of the paper",
        lead=escape(lead),
        notes="".join(f"<li>{escape(note)}</li>" for note in notes),
        sections="\n".join(parts),
        foot="",
    )
