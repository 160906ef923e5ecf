"""A small world of photographs, and the trainer on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.train.photo_world import COUNT, DIM
from timesenclip.data.sen4map import convert_sen4map
from timesenclip.testing import random_series
from timesenclip.testing.training import write_lucas_embeddings, write_sen4map_crops
from timesenclip.train.recipe import PhotoRecipe


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sen4Map crops and published embeddings of the same points, spread over Europe."""
    root = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    ids = [f"4100{i:04d}" for i in range(COUNT)]
    series = random_series(COUNT, year=2018)
    object.__setattr__(series, "lon_deg", rng.uniform(0, 20, COUNT))
    object.__setattr__(series, "lat_deg", rng.uniform(40, 60, COUNT))
    convert_sen4map([write_sen4map_crops(root / "c.h5", ids, series=series)], root / "series.zarr")
    vectors = {f"BE_{point}{view}": rng.normal(size=DIM) for point in ids for view in "WENS"}
    write_lucas_embeddings(root / "ground.pt", vectors)
    return root


@pytest.fixture
def quiet() -> Any:
    """Lightning's and TensorBoard's own deprecations are not ours to fail on."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def pretrain(quiet: None) -> Any:
    from timesenclip.train.trainer import pretrain

    def on_cpu(recipe: PhotoRecipe, out: Path, **options: Any) -> Any:
        return pretrain(recipe, out, accelerator="cpu", **options)

    return on_cpu
