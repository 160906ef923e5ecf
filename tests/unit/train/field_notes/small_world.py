"""Small real sets, random checkpoints and folds for the tests of what is measured on left-out regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from timesenclip.evaluation.metrics import compute_metrics
from timesenclip.ground.load import load_tower
from timesenclip.model.checkpoint import Model, save
from timesenclip.model.checkpoint_config import Calibration, CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import EncoderConfig, SeriesEncoder
from timesenclip.series import PixelSeries
from timesenclip.simulate.series import simulate_series
from timesenclip.testing import write_long_table
from timesenclip.train.field_notes.held_out_regions import FINER, LAND_COVER_TASK, Condition, Fold, HowGood
from timesenclip.train.field_notes.notes import kinds_of_place
from timesenclip.train.field_notes.patch import PatchResult
from timesenclip.train.field_notes.questions import PLAIN
from timesenclip.train.field_notes.real_sets import RealSet
from timesenclip.train.field_notes.region_calibration import RegionCalibration
from timesenclip.train.field_notes.region_results import ClassResult, TaskResult

COVERS = {"Pasture": "tropical pasture", "Forest": "tropical rainforest"}
"""Labels of the tables of Brazil, and the simulated cover that stands for each."""


def series_of(covers: Mapping[str, int], *, seed: int = 0, year: int = 2018, lat: float = -10.0) -> PixelSeries:
    """Clean simulated series of one year, as many of each cover as are asked for, at places of their own."""
    parts = [np.repeat(name, count) for name, count in covers.items()]
    names = np.concatenate(parts)
    values = np.zeros((len(names), 12, 10), np.float32)
    for number, (name, count) in enumerate(covers.items()):
        rng = np.random.default_rng(1000 * seed + number)
        made = simulate_series(count, rng=rng, covers=[name], cloud=0.0, mixed=0.0)
        values[names == name] = made.series.reflectance
    place = np.arange(len(names))
    return PixelSeries.from_monthly(
        values,
        year=year,
        lat_deg=lat - 0.3 * (place % 7),
        lon_deg=-60.0 + 0.3 * (place % 11),
        provenance={"source": "simulated"},
    )


def real_set(region: str, labels: Mapping[str, tuple[str, int]], *, seed: int = 0) -> RealSet:
    """A set of a region: label -> (kind of place, number of places)."""
    series = series_of(dict(labels.values()), seed=seed)
    names = [label for label, (_, count) in labels.items() for _ in range(count)]
    mixture = np.zeros((len(names), len(kinds_of_place())), np.float32)
    for row, name in enumerate(names):
        mixture[row, kinds_of_place().index(labels[name][0])] = 1.0
    return RealSet(region, f"the set of {region}", series, tuple(names), mixture)


def random_model(*, leave_out: tuple[str, ...] = (), seed: int = 0, real: bool = True) -> Model:
    """A small encoder with random weights, whose recipe says what it has not seen."""
    torch.manual_seed(seed)
    tower = load_tower("compact")
    encoder = SeriesEncoder(EncoderConfig(dim=32, depth=1, heads=2, ffn_dim=32, embed_dim=tower.dim, band_mask=True))
    world = {"real": "data" if real else None, "leave_out": list(leave_out), "teacher": None}
    config = CheckpointConfig(
        name="small",
        encoder=encoder_fields(encoder.config),
        normalisation="sqrt",
        tower=TowerRef(name="compact", dim=tower.dim),
        hemisphere_shift=True,
        weights_dtype="float16",
        training={"recipe": {"recipe": "field-notes", "encoder": "tiny", "seed": 1, "world": world}},
    )
    return Model(encoder, config, tower=tower)


def write_fold(folder: Path, *leave_out: str, seed: int = 0) -> Path:
    """The checkpoint of a fold."""
    return save(random_model(leave_out=leave_out, seed=seed), folder)


def write_real_sets(root: Path) -> Path:
    """Rondonia and Roraima, as their tables are."""
    for number, region in enumerate(("rondonia-2018/amazonia_2018", "roraima-2018/roraima_2018")):
        series = series_of(dict.fromkeys(COVERS.values(), 14), seed=number + 1)
        months = np.datetime64("2018-07", "M") + np.arange(13)
        days = np.broadcast_to(months.astype("datetime64[D]"), (len(series), 13))
        series = replace(series, start=days[:, :-1].copy(), end=days[:, 1:].copy())
        table = write_long_table(series, root / f"{region}.parquet")
        _add_labels(table, [name for name in COVERS for _ in range(14)])
    return root


def _add_labels(table: Path, labels: list[str]) -> None:
    import pandas as pd

    frame = pd.read_parquet(table)
    frame["label"] = np.repeat(labels, len(frame) // len(labels))
    frame.to_parquet(table)


def class_result(name: str, **changes: Any) -> ClassResult:
    """Answers for a class."""
    known: dict[str, Any] = {
        "count": 40,
        "recall": 0.25,
        "interval": (0.14, 0.4),
        "shipped": 0.2,
        "elsewhere": 0.3,
        "same": None,
        "instead": "grassland",
        "instead_share": 0.5,
    }
    return ClassResult(name=name, **(known | changes))


def task_result(region: str, task: str = LAND_COVER_TASK, **changes: Any) -> TaskResult:
    """Answers in a region."""
    known: dict[str, Any] = {
        "title": f"the set of {region}",
        "asked": 8,
        "places": 100,
        "classes": (class_result("maize"), class_result("trees", count=60, recall=0.875, interval=(0.77, 0.94))),
        "few": {"water": 2},
        "balanced": 0.5625,
        "interval": (0.5, 0.625),
        "shipped": 0.5,
        "unknown": 0.125,
        "elsewhere": 0.4,
        "same": None,
        "notes": ("how the forest was made.",),
    }
    return TaskResult(region=region, task=task, **(known | changes))


def how_good(**changes: Any) -> HowGood:
    """What could have been measured in two regions."""
    fitted = Calibration(temperature=0.0625, unknown_score=0.125, fitted=True)
    metrics = compute_metrics(np.array([0, 0, 1, 1]), np.array([0, 0, 1, -1]), names=["maize", "grassland"])
    known: dict[str, Any] = {
        "folds": (Fold("fold 1 (abc)", random_model(leave_out=("rondonia", "korea")), ("rondonia", "korea")),),
        "sets": (("rondonia", "Rondonia 2018", 1200, 1100), ("amazonia", "Amazonia, Landsat", 2000, 1900)),
        "tasks": (task_result("rondonia"), task_result("korea", elsewhere=None), task_result("korea", FINER, asked=2)),
        "patch": PatchResult(metrics, metrics, None, ("of four strips.",)),
        "bands": (Condition("all ten bands", {"rondonia": 0.5}), Condition("few", {"rondonia": 0.375})),
        "clouds": (Condition("as read", {"rondonia": 0.5, "korea": 0.75}),),
        "calibration": tuple(
            RegionCalibration(region, wording, fitted, error, 0.2, 0.6, 0.5, 0.1, 0.01)
            for wording in (PLAIN, "worldcover")
            for region, error in (("rondonia", 0.0625), ("korea", 0.1875))
        ),
        "pooled": {PLAIN: 0.031, "worldcover": 0.047},
        "fitted": fitted,
        "nothing": {"random numbers": 0.75},
        "not_measured": ("amazonia",),
    }
    return HowGood(**(known | changes))
