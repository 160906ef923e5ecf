from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import CheckpointError, InputError, NoClearObservationError
from timesenclip.mapping.embed_area import embed_area
from timesenclip.mapping.score_map import map_scores
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model, load
from timesenclip.model.embed import embed
from timesenclip.tasks.scenic_score import LinearScore, contrast_vector
from timesenclip.testing import random_cube, write_netcdf_cube

SHAPE = (20, 26)


@pytest.fixture(scope="module")
def scores() -> tuple[LinearScore, ...]:
    rng = np.random.default_rng(0)
    ridge = LinearScore("predicted mean vote", rng.normal(size=256).astype(np.float32), 5.5)
    return ridge, LinearScore("prompt contrast", contrast_vector(load().tower), 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cube = random_cube(SHAPE)
    cube.valid[:, :4, :4] = False
    return write_netcdf_cube(cube, tmp_path_factory.mktemp("area") / "cube")


def test_every_pixel_gets_the_scores_of_its_embedding(
    scores: tuple[LinearScore, ...], folder: Path, tmp_path: Path
) -> None:
    model, source = load(), open_cube(folder)
    told: list[tuple[int, int]] = []
    files = map_scores(
        source, scores, model=model, out=tmp_path, block=16, progress=lambda done, of: told.append((done, of))
    )
    with rasterio.open(files["raster"]) as found:
        assert found.descriptions == ("predicted mean vote", "prompt contrast")
        assert (found.nodata, found.crs.to_epsg()) == (-9999.0, 32631)
        drawn = found.read()
    vectors = embed(source.read((0, SHAPE[0], 0, SHAPE[1]), every="month").pixel_series(), model=model, missing="nan")
    for band, score in zip(drawn, scores, strict=True):
        expected = score(vectors).reshape(SHAPE)
        assert np.array_equal(band == -9999, np.isnan(expected))
        assert (band == -9999).sum() >= 9
        assert band[band != -9999] == pytest.approx(expected[np.isfinite(expected)], abs=2e-4)
    assert told[-1] == (SHAPE[0] * SHAPE[1],) * 2
    assert files["picture"].read_text().startswith("<?xml")
    assert [path.name for path in tmp_path.glob(".*")] == [".timesenclip.json"]


def test_a_store_gives_the_same_map_and_must_be_of_the_same_checkpoint(
    scores: tuple[LinearScore, ...], folder: Path, tmp_path: Path
) -> None:
    model, source = load(), open_cube(folder)
    embed_area(source, tmp_path / "s.zarr", model=model, block=16)
    store = EmbeddingStore.open(tmp_path / "s.zarr")
    bands = []
    for name, area in (("cube", source), ("store", store)):
        with rasterio.open(map_scores(area, scores, model=model, out=tmp_path, name=name)["raster"]) as found:
            bands.append(found.read(masked=True))
    assert np.array_equal(bands[0].mask, bands[1].mask)
    spread = np.ptp(bands[0].compressed())
    assert np.abs(bands[0] - bands[1]).max() < 0.02 * spread  # vectors of eight bits
    with pytest.raises(CheckpointError, match="made with checkpoint 'timesenclip-default'"):
        map_scores(store, scores, model=Model(model.encoder, model.config, digest="another"), out=tmp_path)


def test_what_cannot_be_mapped_is_said(scores: tuple[LinearScore, ...], tmp_path: Path) -> None:
    cube = random_cube((8, 8))
    cube.valid[:] = False
    source = open_cube(write_netcdf_cube(cube, tmp_path / "cube"))
    with pytest.raises(NoClearObservationError, match="No pixel of the area"):
        map_scores(source, scores, model=load(), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="expected 1 or more"):
        map_scores(source, scores, model=load(), out=tmp_path / "out", block=0)
