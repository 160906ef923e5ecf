from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from affine import Affine

from timesenclip.errors import BandError, InputError, NoClearObservationError
from timesenclip.model.checkpoint import Model
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.embed import embed, embed_cube
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.testing import random_cube, random_series


def _model(**changes: object) -> Model:
    torch.manual_seed(0)
    config = replace(PRESETS["tiny"], dim=16, depth=2, heads=2, ffn_dim=8, embed_dim=256)
    fields = {"name": "t", "encoder": encoder_fields(config), "normalisation": "sqrt"} | changes
    return Model(SeriesEncoder(config), CheckpointConfig(tower=TowerRef(name="compact", dim=256), **fields))


def test_embeddings_are_unit_rows_in_any_batch_size() -> None:
    model, series = _model(), random_series(11)
    whole = embed(series, model=model)
    assert whole.shape == (11, 256)
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-5)
    calls: list[tuple[int, int]] = []
    pieces = embed(series, model=model, batch_size=3, progress=lambda done, total: calls.append((done, total)))
    assert np.allclose(pieces, whole, atol=1e-5)
    assert calls == [(3, 11), (6, 11), (9, 11), (11, 11)]


def test_a_series_without_observations_is_named_or_nan() -> None:
    model, series = _model(), random_series(4)
    cloudy = replace(series, valid=series.valid & (np.arange(4) != 2)[:, None])
    with pytest.raises(NoClearObservationError, match=r"1 of 4 series .*point-2"):
        embed(cloudy, model=model)
    found = embed(cloudy, model=model, missing="nan")
    assert np.isnan(found[2]).all()
    assert np.allclose(found[[0, 1, 3]], embed(series, model=model)[[0, 1, 3]], atol=1e-5)


def test_the_south_is_half_a_year_away() -> None:
    shifted, plain = _model(hemisphere_shift=True), _model()
    series = random_series(3)
    south = replace(series, lat_deg=-series.lat_deg)
    assert np.allclose(embed(series, model=shifted), embed(series, model=plain))
    assert not np.allclose(embed(south, model=shifted), embed(south, model=plain), atol=1e-4)
    half_a_year = replace(series, start=series.start + 182, end=series.end + 182)
    cosine = (embed(south, model=shifted) * embed(half_a_year, model=plain)).sum(axis=1)
    assert cosine.min() > 0.999


@pytest.mark.parametrize("northing", [5_600_000.0, -20.0])  # -20: rows on both sides of the equator
@pytest.mark.parametrize("bands", [None, ("B04", "B08")])
def test_the_pixels_of_a_cube_get_the_bits_of_their_series(northing: float, bands: tuple[str, ...] | None) -> None:
    config = replace(PRESETS["tiny"], dim=16, depth=2, heads=2, ffn_dim=8, embed_dim=256, bands=len(bands or range(10)))
    encoder = SeriesEncoder(config).eval()
    about = {"name": "t", "encoder": encoder_fields(config), "normalisation": "sqrt", "hemisphere_shift": True}
    tower = TowerRef(name="compact", dim=256)
    model = Model(encoder, CheckpointConfig(tower=tower, band_names=bands, **about))
    cube = random_cube((8, 12), cloudy=0.6)
    cube = replace(cube, transform=Affine(10, 0, 500_000, 0, -10, northing))
    expected = embed(cube.pixel_series(), model=model, batch_size=7, missing="nan")
    assert np.isnan(expected).any(axis=1).sum() == (~cube.valid.any(axis=0)).sum()
    assert np.array_equal(embed_cube(cube, model=model, batch_size=7), expected, equal_nan=True)
    with pytest.raises(InputError, match="batch_size is 0"):
        embed_cube(cube, model=model, batch_size=0)


@pytest.mark.parametrize("masked", [True, False])
def test_pixels_that_lack_bands_get_the_bits_of_their_series(masked: bool) -> None:
    config = replace(PRESETS["tiny"], dim=16, depth=2, heads=2, ffn_dim=8, embed_dim=256, band_mask=masked)
    torch.manual_seed(0)
    tower = TowerRef(name="compact", dim=256)
    fields = CheckpointConfig(name="t", encoder=encoder_fields(config), normalisation="sqrt", tower=tower)
    model = Model(SeriesEncoder(config), fields)
    cube = random_cube()
    band_valid = np.broadcast_to(cube.valid[:, None], cube.reflectance.shape).copy()
    band_valid[::2, 3:6] = False  # every other step is of a sensor without red edge
    partial = replace(cube, band_valid=band_valid)
    found = embed_cube(partial, model=model)
    assert np.array_equal(found, embed(partial.pixel_series(), model=model, missing="nan"), equal_nan=True)
    assert not np.allclose(found, embed_cube(cube, model=model), atol=1e-4, equal_nan=True)


def test_an_encoder_that_needs_all_bands_names_those_that_are_never_there() -> None:
    model, series = _model(), random_series(3)
    band_valid = np.ones(series.reflectance.shape, dtype=np.bool_)
    band_valid[..., 3:6] = False
    landsat = replace(series, band_valid=band_valid)
    with pytest.raises(BandError, match=r"'t' needs all of its 10 bands.* B05, B06, B07 never there"):
        embed(landsat, model=model)
    band_valid = np.ones(series.reflectance.shape, dtype=np.bool_)
    band_valid[0, :, 3] = False
    one = replace(series, band_valid=band_valid)
    assert np.isnan(embed(one, model=model, missing="nan")[0]).all()
    with pytest.raises(NoClearObservationError, match="point-0"):
        embed(one, model=model)
