"""Ablations from one file: every combination of checkpoints and evaluation settings; resumable.

The result of each combination is a file under `cells/`, named by a hash of its inputs. A sweep that was killed and is
started again computes only missing results, and its table is the same. Checkpoints that have to be trained are passed
as functions (`timesenclip.train.ablation`), which are called one after the other, each just before its evaluation.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from timesenclip.errors import InputError
from timesenclip.evaluation.labels.labelled import LabelledSet, labelled_points, parse_mapping
from timesenclip.evaluation.labels.store import is_store, labelled_store
from timesenclip.evaluation.sweep.cells import RETRIEVAL, SweepCell, SweepCheckpoint
from timesenclip.evaluation.sweep.config import AXES, SweepConfig, TrainAxes, read_sweep
from timesenclip.evaluation.sweep.figures import sweep_figures
from timesenclip.evaluation.temporal import coarsen, keep_random_steps, zero_shot_metrics
from timesenclip.files import write_json
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import Taxonomy, load_taxonomy, taxonomy_from_phrases
from timesenclip.model.checkpoint import Model, load
from timesenclip.owned import claimed, require_own_names
from timesenclip.read_files import read_json
from timesenclip.report.figure import figure_files
from timesenclip.report.table import ReportTable, table_files, write_tables

SWEEP_FILES = (*table_files("sweep"), "sweep.json")
"""Files that every sweep writes; figures and cells have names of their own."""

__all__ = [
    "SWEEP_FILES",
    "SweepCell",
    "SweepCheckpoint",
    "SweepConfig",
    "SweepResult",
    "TrainAxes",
    "read_sweep",
    "run_sweep",
]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A finished sweep."""

    cells: tuple[SweepCell, ...]
    """In the order of the file."""
    computed: int
    """Number of cells that this run computed; the others existed."""
    files: dict[str, Path]
    """`table`, `json` and the figures by name, such as `curve` where the sweep has several numbers of months."""
    entries: tuple[SweepCheckpoint, ...] = ()
    """The checkpoints, in the same order."""


def run_sweep(
    config: SweepConfig,
    out: str | Path,
    *,
    trained: Sequence[Callable[[], SweepCheckpoint]] = (),
    only: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SweepResult:
    """Run the missing cells of a sweep and write its table and figures; the table is updated after every checkpoint.

    Args:
        config: from `read_sweep`.
        out: folder; finished cells in it are kept.
        trained: functions that train a checkpoint for this sweep; `timesenclip.train.ablation` makes them.
        only: ids of the places of a store to evaluate; default: all.
        progress: called with (done, all) cells.

    Raises:
        InputError: the file has a `train` section and `trained` is empty, the data cannot be read as the file says, or
            a file would replace one that is not ours.
    """
    if config.train is not None and not trained:
        raise InputError("This sweep trains; run it with `run_ablation` of timesenclip.train.ablation.")
    folder = Path(out)
    require_own_names(folder, "sweep", SWEEP_FILES)
    data = _data(config, only)
    fingerprint = _fingerprint(data)
    makers: list[Callable[[], SweepCheckpoint]] = [*trained, *(partial(_given, name) for name in config.checkpoints)]
    settings = list(
        itertools.product(config.templates, config.composites, sorted(set(config.months_kept)), config.seeds)
    )
    cells: list[SweepCell] = []
    entries: list[SweepCheckpoint] = []
    computed = 0
    for make in makers:
        entry = make()
        entries.append(entry)
        model = None if entry.checkpoint is None else load(entry.checkpoint)
        for templates, composite, kept, seed in settings:
            wanted = {
                "checkpoint": entry.name,
                "digest": "" if model is None else model.digest,
                "templates": templates,
                "composite": composite,
                "months_kept": kept,
                "seed": seed,
            }
            file = folder / "cells" / f"{_hash([wanted, fingerprint])}.json"
            cell = _nothing(wanted) if model is None else _read_cell(file)
            if cell is None and model is not None:
                cell = _compute(data, model, wanted)
                with claimed(folder, "sweep", [file.relative_to(folder).as_posix()], exclusive=False):
                    write_json(file, asdict(cell), shared=True)
                computed += 1
            cells += [cell] if cell is not None else []
            if progress is not None:
                progress(len(cells), len(makers) * len(settings))
        files = _write(config, cells, entries, folder, count=len(data))
    return SweepResult(tuple(cells), computed, files | _draw(config, cells, entries, folder), tuple(entries))


def _given(name: str) -> SweepCheckpoint:
    return SweepCheckpoint(name, name)


def _data(config: SweepConfig, only: Sequence[str] | None) -> LabelledSet:
    taxonomy: Taxonomy
    taxonomy = load_taxonomy(config.taxonomy) if config.taxonomy else taxonomy_from_phrases(config.prompts)
    mapping = [parse_mapping(text) for text in config.mapping] or None
    stores = [name for name in config.data if is_store(Path(name))]
    if stores and len(config.data) > 1:
        raise InputError(f"'{stores[0]}' is a training store; a sweep takes one store, or several tables.")
    if stores:
        return labelled_store(stores[0], config.labels, taxonomy=taxonomy, mapping=mapping, only=only)
    return labelled_points(config.data, label_column=config.labels, taxonomy=taxonomy, mapping=mapping)


def _compute(data: LabelledSet, model: Model, wanted: dict[str, Any]) -> SweepCell:
    weights = class_vectors(data.taxonomy, model.tower, wanted["templates"])
    series = coarsen(data.series, wanted["composite"])
    rng = np.random.default_rng([wanted["seed"], wanted["months_kept"]])
    series = keep_random_steps(series, wanted["months_kept"], rng=rng)
    found = zero_shot_metrics(data, series, weights, model=model)
    return SweepCell(
        **wanted,
        count=found.count,
        steps=float(series.valid.sum(axis=1).mean()),
        accuracy=found.accuracy,
        balanced_accuracy=found.balanced_accuracy,
        macro_f1=found.macro_f1,
    )


def _nothing(wanted: dict[str, Any]) -> SweepCell:
    """The cell of a training that diverged."""
    return SweepCell(
        **wanted, count=0, steps=math.nan, accuracy=math.nan, balanced_accuracy=math.nan, macro_f1=math.nan
    )


def _read_cell(file: Path) -> SweepCell | None:
    try:
        return SweepCell(**read_json(file, what="cell"))
    except (OSError, ValueError, TypeError):  # absent or not readable as a cell: it is computed
        return None


def _fingerprint(data: LabelledSet) -> str:
    digest = hashlib.sha256()
    for array in (data.series.reflectance, data.series.valid, data.series.start, data.truth):
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)  # without copying the array
    if data.series.band_valid is not None:
        digest.update(np.packbits(data.series.bands_seen()).data)
    digest.update(repr(data.taxonomy).encode())
    return digest.hexdigest()


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _write(
    config: SweepConfig, cells: Sequence[SweepCell], entries: Sequence[SweepCheckpoint], folder: Path, *, count: int
) -> dict[str, Path]:
    named = {entry.name: entry for entry in entries}
    # Settings that vary, and the seed of the training where there are several.
    trained = [entry.settings for entry in entries if entry.settings]
    axes = [axis for axis in (*AXES, "seed") if len({settings[axis] for settings in trained}) > 1]
    retrieval = RETRIEVAL if any(entry.retrieval for entry in entries) else ()
    heads = ("checkpoint", *("training seed" if axis == "seed" else axis.replace("_", " ") for axis in axes))
    heads += ("templates", "composite", "months kept", "seed", "steps")
    heads += ("accuracy", "average class accuracy", "macro F1", *retrieval)
    rows = []
    for c in cells:
        entry = named[c.checkpoint]
        row: tuple[Any, ...] = (c.checkpoint, *(entry.settings.get(axis) for axis in axes))
        row += (c.templates, c.composite, c.months_kept, c.seed, c.steps)
        row += (c.accuracy, c.balanced_accuracy, c.macro_f1, *(entry.retrieval.get(name) for name in retrieval))
        rows.append(row)
    caption = f"{config.name}: {count} samples, zero-shot."
    if retrieval:
        caption += " S2G, G2S: the very place among held-out places, satellite to ground and back."
    content = {
        "config": config.model_dump(),
        "entries": [asdict(entry) | {"checkpoint": _from(folder, entry.checkpoint)} for entry in entries],
        "cells": [asdict(cell) for cell in cells],
    }
    with claimed(folder, "sweep", SWEEP_FILES, exclusive=False):
        write_tables(folder, [ReportTable("sweep", caption, heads, tuple(rows))])
        return {"table": folder / "sweep.csv", "json": write_json(folder / "sweep.json", content, shared=True)}


def _from(folder: Path, checkpoint: str | None) -> str | None:
    """Path of a checkpoint relative to the sweep's folder if it is inside, so that the folder can be moved."""
    if checkpoint is None or not Path(checkpoint).is_relative_to(folder):
        return checkpoint
    return str(Path(checkpoint).relative_to(folder))


def _draw(
    config: SweepConfig, cells: Sequence[SweepCell], entries: Sequence[SweepCheckpoint], folder: Path
) -> dict[str, Path]:
    files = {}
    figures = sweep_figures(config, cells, entries)
    with claimed(folder, "sweep", figure_files(*(figure.name for figure in figures)), exclusive=False):
        for figure in figures:
            figure.save(folder)
            files[figure.name] = folder / f"{figure.name}.svg"
    return files
