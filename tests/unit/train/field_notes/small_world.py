"""Small real sets, random checkpoints and folds for the tests of what is measured on left-out regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from timesenclip.ground.load import load_tower
from timesenclip.model.checkpoint import Model, save
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import EncoderConfig, SeriesEncoder
from timesenclip.series import PixelSeries
from timesenclip.simulate.series import simulate_series
from timesenclip.testing import write_long_table
from timesenclip.train.field_notes.notes import kinds_of_place
from timesenclip.train.field_notes.real_sets import RealSet

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
    series = series_of({kind: count for kind, count in labels.values()}, seed=seed)
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
