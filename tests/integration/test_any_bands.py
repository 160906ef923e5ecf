"""Series without red edge through the command line: Landsat's names, a training store, a checkpoint that reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from timesenclip.bands import BAND_NAMES, SENSORS
from timesenclip.cli.commands import app
from timesenclip.data.store import SeriesStore
from timesenclip.model.checkpoint import load
from timesenclip.testing import random_series, write_long_table, write_lucas_embeddings

COUNT, DIM = 40, 16
NAMES = {"B02": "SR_B2", "B03": "SR_B3", "B04": "SR_B4", "B8A": "SR_B5", "B11": "SR_B6", "B12": "SR_B7"}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Lightning's and TensorBoard's own deprecations are not ours to fail on."""
    import warnings

    with warnings.catch_warnings():
        for kind in (DeprecationWarning, FutureWarning, UserWarning):
            warnings.simplefilter("ignore", kind)
        yield


def timesenclip(*arguments: object, code: int = 0) -> Any:
    found = CliRunner().invoke(app, [str(a) for a in arguments])
    assert found.exit_code == code, found.output
    return found


def landsat_table(path: Path) -> Path:
    """A long table of Landsat Collection 2, as Earth Engine exports it."""
    series = replace(random_series(COUNT, year=2018), sample_id=tuple(f"4100{i:04d}" for i in range(COUNT)))
    rng = np.random.default_rng(0)
    object.__setattr__(series, "lon_deg", rng.uniform(0, 20, COUNT))
    object.__setattr__(series, "lat_deg", rng.uniform(40, 60, COUNT))
    frame = pd.read_parquet(write_long_table(series, path))
    names = {f"S2-L2A-{ours}": theirs for ours, theirs in NAMES.items()}
    frame = frame.drop(columns=[c for c in frame if c.startswith("S2-") and c not in names]).rename(columns=names)
    dn = frame[list(NAMES.values())].astype(float)
    frame[list(NAMES.values())] = ((dn / 10_000 + 0.2) / 0.0000275).round().where(dn != 65535, 0)
    frame.to_parquet(path)
    return path


def test_landsat_trains_resumes_and_is_classified(tmp_path: Path) -> None:
    table = landsat_table(tmp_path / "l8.parquet")
    stored = timesenclip("data", "points", table, "--year", 2018, "-o", tmp_path / "s.zarr")
    assert "no B05, B06, B07, B08: 6 of 10 bands are there (read as landsat: B02 from SR_B2" in stored.stderr
    store = SeriesStore.open(tmp_path / "s.zarr")
    seen = store.series().bands_seen().any(axis=(0, 1))
    assert np.array_equal(seen, np.isin(BAND_NAMES, SENSORS["landsat"]))
    rng = np.random.default_rng(0)
    vectors = {f"BE_{name}{view}": rng.normal(size=DIM) for name in store.index["sample_id"] for view in "WENS"}
    write_lucas_embeddings(tmp_path / "ground.pt", vectors)
    recipe = {
        "recipe": "photos",
        "name": "any",
        "encoder": "tiny",
        "tower": "compact",
        "encoder_options": {"dim": 16, "depth": 1, "heads": 2, "ffn_dim": 16, "band_mask": True},
        "data": {"series": str(tmp_path / "s.zarr"), "ground": str(tmp_path / "ground.pt")},
        "split": {"block_deg": 2.0, "validation": 0.2, "test": 0.1},
        "augment": [{"name": "band-dropout", "p": 0.5}],
        "objective": {"in_batch": True, "bank_size": 8},
        "epochs": 2,
        "batch_size": 4,
        "precision": "32-true",
    }
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
    timesenclip("train", tmp_path / "r.yaml", "-o", tmp_path / "run", "--accelerator", "cpu")
    again = timesenclip("train", tmp_path / "r.yaml", "-o", tmp_path / "run", "--accelerator", "cpu", "--json")
    facts = json.loads(again.stdout)
    assert facts["resumed_from"] == facts["steps"]
    assert load(str(tmp_path / "run" / "best")).encoder.config.band_mask
    embedded = timesenclip("embed", table, "--checkpoint", tmp_path / "run" / "best", "-o", tmp_path / "e.parquet")
    assert f"{COUNT} embeddings" in embedded.stdout
    told = [line for line in embedded.stderr.splitlines() if line.startswith("warning")]
    assert len(told) == 1
    assert "no B05, B06, B07, B08: 6 of 10 bands are there (read as landsat: B02 from SR_B2" in told[0]
    recipe["encoder_options"] = {"dim": 16, "depth": 1, "heads": 2, "ffn_dim": 16}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe | {"augment": []}))
    refused = timesenclip("train", tmp_path / "r.yaml", "-o", tmp_path / "no", "--accelerator", "cpu", code=2)
    assert "set encoder_options: {band_mask: true}" in refused.output
