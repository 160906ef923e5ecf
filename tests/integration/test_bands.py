"""A checkpoint of red, green and blue through every command that reads pixels: the other bands change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
import xarray as xr

from timesenclip.bands import BAND_SETS
from timesenclip.model.checkpoint import Model, save
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import PRESETS, SeriesEncoder

from .conftest import cube_dataset, maize_dn, wide_frame


@pytest.fixture(scope="module")
def rgb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = replace(PRESETS["tiny"], bands=3, dim=32, depth=1, heads=2, ffn_dim=32)
    about = CheckpointConfig(
        name="rgb",
        encoder=encoder_fields(config),
        normalisation="sqrt",
        band_names=BAND_SETS["rgb"],
        tower=TowerRef(name="compact", dim=config.embed_dim),
    )
    return save(Model(SeriesEncoder(config), about), tmp_path_factory.mktemp("rgb") / "model")


def brighter(cube: xr.Dataset, band: str) -> xr.Dataset:
    return cube.assign({band: (cube[band] * 1.5).astype(cube[band].dtype).assign_attrs(cube[band].attrs)})


def test_maps_and_stores_follow_only_the_bands_that_are_read(run, rgb: Path, tmp_path: Path) -> None:
    scores, stored = {}, {}
    for name, band in (("as it is", None), ("infrared", "B11"), ("red", "B04")):
        cube = cube_dataset() if band is None else brighter(cube_dataset(), band)
        cube.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
        asked = ("--year", "2020", "--checkpoint", rgb)
        made = run("map", tmp_path / f"{name}.nc", *asked, "-p", "maize", "-p", "lake", "-o", tmp_path / name)
        assert made.exit_code == 0, made.stderr
        with rasterio.open(next((tmp_path / name).glob("scores*.tif"))) as raster:
            scores[name] = raster.read()
        if name == "red":  # the map has shown that it counts
            continue
        made = run("embed-area", tmp_path / f"{name}.nc", *asked, "-o", tmp_path / f"{name}.store")
        assert made.exit_code == 0, made.stderr
        asked_again = run(
            "ask", tmp_path / f"{name}.store", "-p", "maize", "-p", "lake", "-o", tmp_path / f"{name}-ask"
        )
        assert asked_again.exit_code == 0, asked_again.stderr
        with rasterio.open(next((tmp_path / f"{name}-ask").glob("scores*.tif"))) as raster:
            stored[name] = raster.read()
    assert np.array_equal(scores["as it is"], scores["infrared"])
    assert not np.array_equal(scores["as it is"], scores["red"])
    assert np.array_equal(stored["as it is"], stored["infrared"])


def test_points_too(run, rgb: Path, tmp_path: Path) -> None:
    dn = maize_dn(3)
    changed = dn.copy()
    changed[..., 8:] = changed[..., 8:] * 2  # B11 and B12
    vectors = {}
    for name, values in (("as it is", dn), ("infrared", changed)):
        wide_frame(values).to_parquet(tmp_path / f"{name}.parquet")
        made = run("embed", tmp_path / f"{name}.parquet", "--checkpoint", rgb, "-o", tmp_path / f"{name}-out.parquet")
        assert made.exit_code == 0, made.stderr
        vectors[name] = np.stack(pd.read_parquet(tmp_path / f"{name}-out.parquet")["embedding"])
        answered = run("classify", tmp_path / f"{name}.parquet", "--checkpoint", rgb, "--json")
        assert answered.exit_code == 0, answered.stderr
    assert np.array_equal(vectors["as it is"], vectors["infrared"])
    said = run("info", rgb, "--json")
    assert '"B04"' in said.stdout
