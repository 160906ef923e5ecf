"""Ablations from one file: every combination of what can be changed without training, resumable.

A finished cell is a file of its own under `cells/`, named by what it is made of; a sweep that is killed and started
again does only what is missing, and its table is the same.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.ground.prompts import class_weights
from timesenclip.ground.taxonomy import Taxonomy, load_taxonomy, taxonomy_from_phrases
from timesenclip.model.checkpoint import Model, load
from timesenclip.tasks.draw import Curve, Drawing, curves
from timesenclip.tasks.labelled import LabelledSet, labelled_points, parse_mapping
from timesenclip.tasks.months import answered, coarser, fewer_steps
from timesenclip.tasks.sheets import Sheet, write_json, write_sheets

__all__ = ["SweepCell", "SweepConfig", "SweepResult", "read_sweep", "run_sweep"]

_TRAINED = ("bands", "patch", "patch_size", "augmentation", "pooling", "bank_size")


class SweepConfig(BaseModel):
    """What a sweep file may hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    """Name of the sweep."""
    checkpoints: tuple[str, ...] = ("default",)
    """Checkpoints, as `load` takes them; what needs training (bands, patches, augmentation) is a checkpoint each."""
    data: tuple[str, ...] = Field(min_length=1)
    """Labelled tables, relative to the sweep file."""
    labels: str
    """Column of the labels."""
    mapping: tuple[str, ...] = ()
    """Mappings, applied one after the other."""
    taxonomy: str | None = None
    """Class list by name or file."""
    prompts: tuple[str, ...] = ()
    """Phrases instead of a taxonomy."""
    templates: tuple[str, ...] = ("default",)
    """Template sets."""
    composites: tuple[Literal["month", "quarter", "year"], ...] = ("month",)
    """Length of a step."""
    months_kept: tuple[int, ...] = (12,)
    """Steps kept of each series, chosen at random."""
    seeds: tuple[int, ...] = (0,)
    """Draws of the steps."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_what_needs_training(cls, values: Any) -> Any:
        wrong = [key for key in _TRAINED if isinstance(values, dict) and key in values]
        if wrong:
            raise ValueError(
                f"`{wrong[0]}` cannot be changed after training: the encoder reads all ten bands of its own patch size "
                "at once. Train a checkpoint for each value and list them under `checkpoints`"
            )
        return values

    @model_validator(mode="after")
    def _one_question(self) -> SweepConfig:
        if bool(self.prompts) == bool(self.taxonomy):
            raise ValueError("give either `taxonomy` or `prompts`")
        if min(self.months_kept, default=0) < 1:
            raise ValueError("`months_kept` needs numbers from 1 on")
        return self


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One combination and what came of it."""

    checkpoint: str
    """As the file names it."""
    digest: str
    """Of its weights."""
    templates: str
    """Template set."""
    composite: str
    """Length of a step."""
    months_kept: int
    """Steps kept of each series."""
    seed: int
    """Of their choice."""
    count: int
    """Samples."""
    steps: float
    """Steps that were really left, mean."""
    accuracy: float
    """Zero-shot, never unknown."""
    balanced_accuracy: float
    """Mean recall of the classes that are present."""
    macro_f1: float
    """Mean F1 of the classes that are present."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A finished sweep."""

    cells: tuple[SweepCell, ...]
    """In the order of the file."""
    computed: int
    """Cells of this run; the others were there."""
    files: dict[str, Path]
    """`table`, `json`, and `curve` where more than one number of months was asked for."""


def read_sweep(path: str | Path) -> SweepConfig:
    """Read a sweep file.

    Raises:
        DataNotFoundError: no such file.
        InputError: it is no YAML, a key is unknown, or a value cannot be.
    """
    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No sweep file '{file}'; give a YAML file.")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        config = SweepConfig.model_validate(content)
    except yaml.YAMLError as error:
        raise InputError(f"'{file}' is not readable as YAML ({' '.join(str(error).split())[:120]}).") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        text = str(first["msg"]).removeprefix("Value error, ")
        raise InputError(f"'{file}': {f'`{where}`: ' if where else ''}{text}.") from error
    base = file.parent
    data = tuple(str(base / name) if not Path(name).is_absolute() else name for name in config.data)
    return config.model_copy(update={"data": data})


def run_sweep(
    config: SweepConfig, out: str | Path, *, progress: Callable[[int, int], None] | None = None
) -> SweepResult:
    """Run what is missing of a sweep, and write its table and curve.

    Args:
        config: from `read_sweep`.
        out: folder; cells that lie there are kept.
        progress: called with (done, all) cells.
    """
    folder = Path(out)
    data = _data(config)
    fingerprint = _fingerprint(data)
    combinations = list(
        itertools.product(
            config.checkpoints, config.templates, config.composites, sorted(set(config.months_kept)), config.seeds
        )
    )
    cells, computed = [], 0
    model: Model | None = None
    name = ""
    for done, (checkpoint, templates, composite, kept, seed) in enumerate(combinations):
        if model is None or checkpoint != name:
            model, name = load(checkpoint), checkpoint
        wanted = {
            "checkpoint": checkpoint,
            "digest": model.digest,
            "templates": templates,
            "composite": composite,
            "months_kept": kept,
            "seed": seed,
        }
        file = folder / "cells" / f"{_hash([wanted, fingerprint])}.json"
        cell = _read_cell(file)
        if cell is None:
            cell = _compute(data, model, wanted)
            write_json(file, asdict(cell))
            computed += 1
        cells.append(cell)
        if progress is not None:
            progress(done + 1, len(combinations))
    return SweepResult(tuple(cells), computed, _write(config, cells, folder))


def _data(config: SweepConfig) -> LabelledSet:
    taxonomy: Taxonomy
    taxonomy = load_taxonomy(config.taxonomy) if config.taxonomy else taxonomy_from_phrases(config.prompts)
    return labelled_points(
        config.data,
        label_column=config.labels,
        taxonomy=taxonomy,
        mapping=[parse_mapping(text) for text in config.mapping] or None,
    )


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


def _read_cell(file: Path) -> SweepCell | None:
    try:
        return SweepCell(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # absent, or not one of ours: it is made (again)
        return None


def _fingerprint(data: LabelledSet) -> str:
    digest = hashlib.sha256()
    for array in (data.series.reflectance, data.series.valid, data.series.start, data.truth):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr(data.taxonomy).encode())
    return digest.hexdigest()


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _write(config: SweepConfig, cells: list[SweepCell], folder: Path) -> dict[str, Path]:
    heads = (
        "checkpoint",
        "templates",
        "composite",
        "months kept",
        "seed",
        "steps",
        "accuracy",
        "average class accuracy",
    )
    rows = tuple(
        (
            c.checkpoint,
            c.templates,
            c.composite,
            c.months_kept,
            c.seed,
            c.steps,
            c.accuracy,
            c.balanced_accuracy,
            c.macro_f1,
        )
        for c in cells
    )
    sheet = Sheet("sweep", f"{config.name}: {cells[0].count} samples, zero-shot.", (*heads, "macro F1"), rows)
    write_sheets(folder, [sheet])
    files = {
        "table": folder / "sweep.csv",
        "json": write_json(
            folder / "sweep.json", {"config": config.model_dump(), "cells": [asdict(cell) for cell in cells]}
        ),
    }
    if len(set(config.months_kept)) > 1:
        _curve(config, cells).save(folder)
        files["curve"] = folder / "curve.svg"
    return files


def _curve(config: SweepConfig, cells: list[SweepCell]) -> Drawing:
    lines = []
    for checkpoint, templates, composite in itertools.product(config.checkpoints, config.templates, config.composites):
        mine = [c for c in cells if (c.checkpoint, c.templates, c.composite) == (checkpoint, templates, composite)]
        months = sorted({c.months_kept for c in mine})
        runs = [[c.balanced_accuracy for c in mine if c.months_kept == kept] for kept in months]
        name = ", ".join(
            part
            for part, several in (
                (Path(checkpoint).name, len(config.checkpoints) > 1),
                (templates, len(config.templates) > 1),
                (composite, True),
            )
            if several
        )
        lines.append(
            Curve(name, months, [float(np.mean(r)) for r in runs], [min(r) for r in runs], [max(r) for r in runs])
        )
    alt = "Average class accuracy against the steps kept"
    return curves("curve", alt, lines, x="steps kept, chosen at random", y="average class accuracy", falling=True)
