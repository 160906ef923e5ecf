"""A tiny world for sweeps that train: a store of patches with labels, ground vectors, a recipe and a sweep file.

Run as a program it runs the sweep of a folder, for the tests that kill it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from timesenclip.data.sen4map import convert_sen4map
from timesenclip.evaluation.sweep.config import SweepConfig, read_sweep
from timesenclip.evaluation.sweep.run import SweepResult
from timesenclip.testing import random_series
from timesenclip.testing.training import write_lucas_embeddings, write_sen4map_crops

COUNT, DIM, PATCH = 60, 256, 5

TRAIN: dict[str, Any] = {
    "recipe": "recipe.yaml",
    "bands": ["all", "rgb"],
    "patch_size": [1, 5],
    "augmentation": ["none", "without ts-mix-aug"],
    "pooling": ["attention", "mean", "one-view"],
    "bank_size": [32, 0],
}


def build(root: Path, *, train: dict[str, Any] | None = None, **sweep: Any) -> Path:
    """Write everything; returns the sweep file."""
    rng = np.random.default_rng(0)
    ids = [f"4100{i:04d}" for i in range(COUNT)]
    series = random_series(COUNT, year=2018)
    object.__setattr__(series, "lon_deg", rng.uniform(0, 20, COUNT))
    object.__setattr__(series, "lat_deg", rng.uniform(40, 60, COUNT))
    labels = [{"lc1": ("B11", "C10", "E20")[i % 3], "nuts0": "BE"} for i in range(COUNT)]
    crops = write_sen4map_crops(root / "c.h5", ids, series=series, labels=labels, patch_size=PATCH)
    convert_sen4map([crops], root / "series.zarr", patch_size=PATCH)
    write_lucas_embeddings(root / "g.pt", {f"BE_{p}{v}": rng.normal(size=DIM) for p in ids for v in "WENS"})
    recipe = {
        "recipe": "photos",
        "name": "tiny",
        "tower": "compact",
        "encoder": "tiny",
        "encoder_options": {"dim": 16, "heads": 2, "depth": 1, "ffn_dim": 16, "embed_dim": DIM},
        "data": {"series": str(root / "series.zarr"), "ground": str(root / "g.pt")},
        "split": {"block_deg": 2.0, "validation": 0.2, "test": 0.3, "gap_m": 0},
        "augment": [{"name": "ts-mix-aug"}, {"name": "month-dropout", "p": 0.9}],
        "objective": {"bank_size": 32, "in_batch": True},
        "optimiser": {"learning_rate": 1e-3},
        "epochs": 2,
        "batch_size": 8,
        "precision": "32-true",
        "save_every_steps": 1,
    }
    (root / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    content = {
        "name": "ablations",
        "train": TRAIN if train is None else train,
        "data": ["series.zarr"],
        "labels": "lc1",
        "taxonomy": "lucas-land-cover",
    }
    (root / "sweep.yaml").write_text(yaml.safe_dump(content | sweep), encoding="utf-8")
    return root / "sweep.yaml"


def run(config: SweepConfig, out: Path, **options: Any) -> SweepResult:
    from timesenclip.train.ablation import run_ablation

    with warnings.catch_warnings():  # Lightning's and TensorBoard's own deprecations are not ours
        warnings.filterwarnings("ignore", module=r"(lightning|torch|tensorboard)\.")
        return run_ablation(config, out, accelerator="cpu", **options)


def main(arguments: Sequence[str]) -> None:
    torch.set_num_threads(1)
    run(read_sweep(arguments[0]), Path(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
