"""Ablations from one file: every combination of what can be changed, resumable.

A finished cell is a file of its own under `cells/`, named by what it is made of; a sweep that is killed and started
again does only what is missing, and its table is the same. What has to be trained comes in as functions that give a
checkpoint (`timesenclip.train.ablation`), called one after the other, each just before it is asked.
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
from timesenclip.evaluation.sweep.cells import RETRIEVAL, Entry, SweepCell
from timesenclip.evaluation.sweep.config import AXES, SweepConfig, TrainAxes, read_sweep
from timesenclip.evaluation.sweep.figures import sweep_figures
from timesenclip.evaluation.temporal import answered, coarser, fewer_steps
from timesenclip.files import write_json
from timesenclip.ground.prompts import class_weights
from timesenclip.ground.taxonomy import Taxonomy, load_taxonomy, taxonomy_from_phrases
from timesenclip.model.checkpoint import Model, load
from timesenclip.report.table import Sheet, write_sheets

__all__ = ["Entry", "SweepCell", "SweepConfig", "SweepResult", "TrainAxes", "read_sweep", "run_sweep"]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A finished sweep."""

    cells: tuple[SweepCell, ...]
    """In the order of the file."""
    computed: int
    """Cells of this run; the others were there."""
    files: dict[str, Path]
    """`table`, `json`, and the figures: `curve` where several numbers of months were asked for, others by name."""
    entries: tuple[Entry, ...] = ()
    """The checkpoints, in the same order."""


def run_sweep(
    config: SweepConfig,
    out: str | Path,
    *,
    trained: Sequence[Callable[[], Entry]] = (),
    only: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SweepResult:
    """Run what is missing of a sweep, and write its table and curves; the table grows after every checkpoint.

    Args:
        config: from `read_sweep`.
        out: folder; cells that lie there are kept.
        trained: functions that give what was trained for this sweep; `timesenclip.train.ablation` makes them.
        only: ids of the places of a store that count; default: all.
        progress: called with (done, all) cells.

    Raises:
        InputError: the file asks for trainings, and none are given; or the data are not what it says.
    """
    if config.train is not None and not trained:
        raise InputError("This sweep trains; run it with `run_ablation` of timesenclip.train.ablation.")
    folder = Path(out)
    data = _data(config, only)
    fingerprint = _fingerprint(data)
    makers: list[Callable[[], Entry]] = [*trained, *(partial(_given, name) for name in config.checkpoints)]
    questions = list(
        itertools.product(config.templates, config.composites, sorted(set(config.months_kept)), config.seeds)
    )
    cells: list[SweepCell] = []
    entries: list[Entry] = []
    computed = 0
    for make in makers:
        entry = make()
        entries.append(entry)
        model = None if entry.checkpoint is None else load(entry.checkpoint)
        for templates, composite, kept, seed in questions:
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
                write_json(file, asdict(cell), shared=True)
                computed += 1
            cells += [cell] if cell is not None else []
            if progress is not None:
                progress(len(cells), len(makers) * len(questions))
        files = _write(config, cells, entries, folder, count=len(data))
    return SweepResult(tuple(cells), computed, files | _draw(config, cells, entries, folder), tuple(entries))


def _given(name: str) -> Entry:
    return Entry(name, name)


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
    weights = class_weights(data.taxonomy, model.tower, wanted["templates"])
    series = coarser(data.series, wanted["composite"])
    rng = np.random.default_rng([wanted["seed"], wanted["months_kept"]])
    series = fewer_steps(series, wanted["months_kept"], rng=rng)
    found = answered(data, series, weights, model=model)
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
        return SweepCell(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # absent, or not one of ours: it is made (again)
        return None


def _fingerprint(data: LabelledSet) -> str:
    digest = hashlib.sha256()
    for array in (data.series.reflectance, data.series.valid, data.series.start, data.truth):
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)  # without a copy of it all
    digest.update(repr(data.taxonomy).encode())
    return digest.hexdigest()


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _write(
    config: SweepConfig, cells: Sequence[SweepCell], entries: Sequence[Entry], folder: Path, *, count: int
) -> dict[str, Path]:
    named = {entry.name: entry for entry in entries}
    # Of the settings those that vary, and the seed of the training where there are several.
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
    write_sheets(folder, [Sheet("sweep", caption, heads, tuple(rows))])
    content = {
        "config": config.model_dump(),
        "entries": [asdict(entry) | {"checkpoint": _from(folder, entry.checkpoint)} for entry in entries],
        "cells": [asdict(cell) for cell in cells],
    }
    return {"table": folder / "sweep.csv", "json": write_json(folder / "sweep.json", content, shared=True)}


def _from(folder: Path, checkpoint: str | None) -> str | None:
    """A checkpoint below the sweep's folder as it is found from there, so that the folder can be moved."""
    if checkpoint is None or not Path(checkpoint).is_relative_to(folder):
        return checkpoint
    return str(Path(checkpoint).relative_to(folder))


def _draw(config: SweepConfig, cells: Sequence[SweepCell], entries: Sequence[Entry], folder: Path) -> dict[str, Path]:
    files = {}
    for drawing in sweep_figures(config, cells, entries):
        drawing.save(folder)
        files[drawing.name] = folder / f"{drawing.name}.svg"
    return files
