"""Batches of photographs: order, shares, augmentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.unit.train.photo_world import DIM
from timesenclip.bands import BAND_NAMES, SENSORS
from timesenclip.data.pairs import pair_by_id
from timesenclip.data.store import SeriesStore
from timesenclip.data.store_writer import store_points
from timesenclip.errors import InputError
from timesenclip.model.augment import RandomTS
from timesenclip.series import PixelSeries
from timesenclip.testing import random_series
from timesenclip.train.batches import Batches


def _batches(root: Path, **options: Any) -> Batches:
    from timesenclip.data.ground_views import read_ground_views

    store = SeriesStore.open(root / "series.zarr")
    places = pair_by_id(store, read_ground_views(root / "ground.pt"))
    return Batches(store, places, **{"batch_size": 8, "normalisation": "sqrt", "seed": 3} | options)


def test_batches_are_what_embed_sees(world: Path) -> None:
    from timesenclip.bands import NORMALISATIONS

    for normalisation in ("sqrt", "sen4map"):
        batches = _batches(world, normalisation=normalisation)
        batch = batches.get(np.arange(10))
        series = SeriesStore.open(world / "series.zarr").series(batches.places.rows[:10])
        expected = NORMALISATIONS[normalisation](series.reflectance) * series.valid[..., None]
        assert np.array_equal(batch.x.numpy(), expected)
        assert np.array_equal(batch.calendar.numpy(), series.calendar())
        assert np.array_equal(batch.valid.numpy(), series.valid)
    assert torch.allclose(batch.views.norm(dim=-1), torch.ones(10, 4), atol=1e-3)


def test_an_epoch_shows_every_place_once_and_ranks_share_it(world: Path) -> None:
    batches = _batches(world)
    stream = batches.stream(0)
    seen = np.concatenate([next(stream).place.numpy() for _ in range(len(batches))])
    assert len(set(seen)) == len(seen) == len(batches) * 8
    halves = [next(_batches(world, rank=rank, world=2).stream(4)).place for rank in (0, 1)]
    whole = next(_batches(world).stream(4)).place
    assert torch.equal(torch.cat(halves), whole)
    with pytest.raises(InputError, match="cannot be shared by 3"):
        _batches(world, world=3)
    with pytest.raises(InputError, match="do not fill one batch of 100"):
        _batches(world, batch_size=100)


def test_a_stream_can_be_entered_anywhere(world: Path) -> None:
    whole = _batches(world, augmentation=RandomTS(p=1.0)).stream(0)
    wanted = [next(whole) for _ in range(12)][9]
    found = next(_batches(world, augmentation=RandomTS(p=1.0)).stream(9))
    assert torch.equal(found.valid, wanted.valid)
    assert torch.equal(found.place, wanted.place)


def test_southern_places_get_the_season(world: Path, tmp_path: Path) -> None:
    series = random_series(8, year=2018)
    object.__setattr__(series, "lat_deg", np.array([-30.0] * 4 + [30.0] * 4))
    store = store_points([series], tmp_path / "s", source="x")
    views = pair_by_id(store, _ground(series.sample_id))
    batch = Batches(store, views, batch_size=8, normalisation="sqrt", seed=0, hemisphere_shift=True).get(np.arange(8))
    assert torch.allclose(batch.calendar[0], batch.calendar[4] + 0.5)


def _landsat(count: int) -> PixelSeries:
    series = random_series(count, year=2018)
    bands = np.broadcast_to(np.isin(BAND_NAMES, SENSORS["landsat"]), series.reflectance.shape).copy()
    bands[0, 2:] = True  # one place has all bands later in the year
    return replace(series, band_valid=bands, reflectance=np.where(bands, series.reflectance, 0).astype(np.float32))


def test_an_encoder_is_told_which_bands_of_a_store_are_there(tmp_path: Path) -> None:
    series = _landsat(8)
    store = store_points([series], tmp_path / "s", source="x")
    places = pair_by_id(store, _ground(series.sample_id))
    options = {"batch_size": 8, "normalisation": "sqrt", "seed": 0}
    batch = Batches(store, places, band_mask=True, **options).get(np.arange(8))
    order = [series.sample_id.index(store.index["sample_id"].iloc[row]) for row in places.rows]
    assert batch.bands is not None
    assert np.array_equal(batch.bands.numpy(), series.bands_seen()[order])
    assert np.array_equal(batch.valid.numpy(), series.valid[order])
    assert (batch.x.numpy()[~batch.bands.numpy()] == 0).all()
    with pytest.raises(InputError, match=r"7 of 8 places, such as .*, have no month with all of .*band_mask: true"):
        Batches(store, places, **options)
    some = Batches(store, places, bands=("B04", "B8A"), **options).get(np.arange(8))
    assert some.bands is None
    assert np.array_equal(some.valid.numpy(), series.valid[order])
    with pytest.raises(InputError, match=r"7 of 8 places.* have no month with any of .* choose other bands"):
        Batches(store, places, bands=("B05", "B06"), band_mask=True, **options)


def _ground(points: tuple[str, ...]) -> Any:
    from timesenclip.data.ground_views import GroundViews

    vectors = np.random.default_rng(0).normal(size=(len(points), DIM)).astype(np.float16)
    return GroundViews(np.array(points), np.array(points), np.array(["N"] * len(points)), vectors, "t")
