"""What an encoder reads: its bands by name, the middle of a patch, and the same in training, embedding and on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from timesenclip.bands import BAND_NAMES, BAND_SETS, NORMALISATIONS, band_index
from timesenclip.data.ground_views import GroundViews
from timesenclip.data.pairs import pair_by_id
from timesenclip.data.store_writer import store_points
from timesenclip.errors import CheckpointError, InputError
from timesenclip.model.checkpoint import Model, load, save
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.embed import embed
from timesenclip.model.encoder import EncoderConfig, SeriesEncoder
from timesenclip.model.inputs import EncoderInput, cut, encoder_input
from timesenclip.model.official import export_official
from timesenclip.series import PixelSeries
from timesenclip.testing import random_series
from timesenclip.train.batches import Batches
from timesenclip.train.field_notes.notes import kinds_of_place
from timesenclip.train.field_notes.places import Places, exact_mixture
from timesenclip.train.recipe import read_recipe, recipe_digest

CONFIGS = Path(__file__).parents[3] / "configs"


def model_of(
    names: tuple[str, ...] | None,
    *,
    patch_size: int = 1,
    normalisation: str = "sen4map",
    hemisphere_shift: bool = False,
) -> Model:
    torch.manual_seed(0)
    config = EncoderConfig(
        bands=len(names or BAND_NAMES), patch_size=patch_size, dim=16, depth=1, heads=2, ffn_dim=16, embed_dim=8
    )
    about = CheckpointConfig(
        name="tiny",
        encoder=encoder_fields(config),
        normalisation=normalisation,
        band_names=names,
        tower=TowerRef(name="compact", dim=8),
        hemisphere_shift=hemisphere_shift,
    )
    return Model(SeriesEncoder(config), about)


def patches(side: int, count: int = 3) -> PixelSeries:
    series = random_series(count)
    noise = np.random.default_rng(1).random((*series.reflectance.shape, side, side), dtype=np.float32)
    keep = series.valid[..., None, None, None]
    return replace(series, reflectance=np.where(keep, noise, 0).astype(np.float32))


def test_an_encoder_of_some_bands_sees_those_and_no_others() -> None:
    series, model = random_series(6), model_of(BAND_SETS["rgb"])
    vectors = embed(series, model=model)
    columns = [band_index(name) for name in ("red", "green", "blue")]
    norm = NORMALISATIONS["sen4map"]
    low, scale = (np.array(v, np.float32)[columns] * 1e-4 for v in (norm.low_dn, norm.scale_dn))
    x = np.clip((series.reflectance[:, :, columns] - low) / scale, 0, 1).astype(np.float32)
    with torch.inference_mode():
        own = model.encoder(torch.from_numpy(x), torch.from_numpy(series.calendar()), torch.from_numpy(series.valid))
    assert np.allclose(vectors, torch.nn.functional.normalize(own, dim=-1).numpy(), atol=1e-6)

    others = [i for i in range(len(BAND_NAMES)) if i not in columns]
    changed = series.reflectance.copy()
    changed[:, :, others] = np.random.default_rng(3).random(changed[:, :, others].shape)
    assert np.array_equal(vectors, embed(replace(series, reflectance=changed), model=model))
    changed[:, :, columns[0]] += 0.05 * series.valid
    assert not np.allclose(vectors, embed(replace(series, reflectance=changed), model=model), atol=1e-4)


def test_the_bands_travel_with_the_checkpoint(tmp_path: Path) -> None:
    series = random_series(4)
    model = model_of(BAND_SETS["10m"])
    again = load(save(model, tmp_path / "ten"))
    assert again.config.band_names == ("B02", "B03", "B04", "B08")
    assert np.array_equal(embed(series, model=again), embed(series, model=model))
    with pytest.raises(InputError, match="reads only B02, B03, B04, B08"):
        export_official(again, tmp_path / "x.pt")

    file = tmp_path / "ten" / "config.json"
    content = json.loads(file.read_text())
    for names, said in (
        (None, "reads 4 bands, but `band_names` says 10"),
        (["B02", "B03"], "says 2 .B02, B03."),
        (["B02", "B03", "B04", "B99"], "Unknown band 'B99'"),
        (["B02", "blue", "B04", "B08"], "twice"),
    ):
        file.write_text(json.dumps(content | {"band_names": names}))
        with pytest.raises(CheckpointError, match=said):
            load(tmp_path / "ten")
    assert load("default").config.band_names is None


def test_of_a_larger_patch_the_middle_is_read() -> None:
    series = patches(9)
    middle = replace(series, reflectance=np.ascontiguousarray(series.reflectance[..., 2:7, 2:7]))
    model = model_of(("B08", "B04"), patch_size=5)
    assert np.array_equal(embed(series, model=model), embed(middle, model=model))
    pixel = replace(series, reflectance=np.ascontiguousarray(series.reflectance[..., 4, 4]))
    one = model_of(None)
    assert np.array_equal(embed(series, model=one), embed(pixel, model=one))
    with pytest.raises(InputError, match=r"5 x 5 pixels, but the encoder reads 9 x 9"):
        embed(middle, model=model_of(None, patch_size=9))
    with pytest.raises(InputError, match="single pixels, but the encoder reads 5 x 5"):
        embed(pixel, model=model)


def test_cut_is_that_of_sen4map() -> None:
    array = np.arange(2 * 1 * 10 * 64 * 64).reshape(2, 1, 10, 64, 64)
    assert np.array_equal(cut(array, patch_size=1), array[..., 32, 32])
    found = cut(array, band_names=("B12", "B02"), patch_size=5)
    assert np.array_equal(found, array[:, :, [9, 0], 30:35, 30:35])
    assert cut(array, patch_size=64) is array


def everywhere(side: int = 1) -> PixelSeries:
    """Northern, southern and unplaced series with missing steps; no series has the sixth month."""
    series = patches(side, count=24) if side > 1 else random_series(24)
    valid = series.valid.copy()
    valid[:, 5] = False
    keep = valid.reshape(*valid.shape, *(1,) * (series.reflectance.ndim - 2))
    lat = np.tile([50.0, -33.9, 0.0, np.nan, -0.1, 70.0], 4)
    return replace(series, valid=valid, reflectance=series.reflectance * keep, lat_deg=lat)


def served(series: PixelSeries, model: Model) -> list[Any]:
    """What `embed` gives the encoder: arrays, and None where all bands are there."""
    seen: list[Any] = []
    handle = model.encoder.register_forward_pre_hook(lambda _encoder, given: seen.extend(given))
    embed(series, model=model, outliers="keep")  # training reads every step
    handle.remove()
    return [None if tensor is None else tensor.numpy() for tensor in seen]


@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("normalisation", sorted(NORMALISATIONS))
@pytest.mark.parametrize(
    ("side", "patch_size", "names"),
    [(1, 1, None), (1, 1, ("B12", "B02")), (5, 3, None), (5, 1, None), (4, 4, ("B08", "B04"))],
)
def test_an_encoder_is_asked_with_the_bits_it_was_trained_with(
    tmp_path: Path, side: int, patch_size: int, names: tuple[str, ...] | None, normalisation: str, shift: bool
) -> None:
    store = store_points([everywhere(side)], tmp_path / "store", source="x")
    ids = np.array(store.index["sample_id"].astype(str))
    views = GroundViews(ids, ids, np.array(["N"] * len(ids)), np.ones((len(ids), 8), dtype=np.float16), "t")
    places = pair_by_id(store, views)
    options: dict[str, Any] = {"normalisation": normalisation, "hemisphere_shift": shift}
    batches = Batches(store, places, batch_size=8, seed=0, bands=names, patch_size=patch_size, **options)
    batch = batches.get(np.arange(len(places)))
    series = store.series(places.rows)
    kept = np.flatnonzero(series.valid.any(axis=0))
    assert len(kept) == 11
    model = model_of(names, patch_size=patch_size, **options)
    asked = served(series, model)
    assert batch.bands is None
    assert asked[3] is None
    for trained, given in zip((batch.x, batch.calendar, batch.valid), asked[:3], strict=True):
        assert trained.dtype == torch.from_numpy(given).dtype
        assert np.array_equal(trained.numpy()[:, kept], given)
    assert np.ptp(asked[0][series.valid[:, kept]]) > 0.1
    if side == 1 and names is None:
        kinds = [kinds_of_place()[0]] * len(series)
        notes = Places.of(series, exact_mixture(kinds), [None] * len(series), **options)
        for trained, given in zip((notes.x, notes.calendar, notes.valid), asked[:3], strict=True):
            assert np.array_equal(trained.numpy()[:, kept], given)


def given_of(series: PixelSeries, **changes: Any) -> EncoderInput:
    options: dict[str, Any] = {
        "valid": series.valid,
        "calendar": series.calendar(),
        "lat_deg": series.lat_deg,
        "normalisation": "sqrt",
        "band_names": None,
        "patch_size": 1,
        "hemisphere_shift": False,
        "band_mask": False,
        "band_valid": None,
    }
    return encoder_input(series.reflectance, **(options | changes))


def test_south_of_the_equator_the_calendar_is_half_a_year_on() -> None:
    series = everywhere()
    calendar = series.calendar()
    found = given_of(series, calendar=calendar, hemisphere_shift=True).calendar.numpy()
    south = np.tile([False, True, False, False, True, False], 4)
    assert np.array_equal(found[south], series.calendar()[south] + np.float32(0.5))
    assert np.array_equal(found[~south], series.calendar()[~south])
    assert np.array_equal(calendar, series.calendar())  # what was given is not changed
    assert np.array_equal(given_of(series).calendar.numpy(), series.calendar())


def test_missing_steps_are_zero_whatever_stands_there() -> None:
    series = everywhere()
    full = np.where(series.valid[..., None], series.reflectance, np.float32(0.7))
    before = full.copy()
    found = given_of(replace(series, reflectance=full))
    assert torch.equal(found.x, given_of(series).x)
    assert not found.x[~found.valid].any()
    assert np.array_equal(full, before)  # what was given is not changed


def test_no_setting_can_be_forgotten() -> None:
    series = everywhere()
    names = ["normalisation", "band_names", "patch_size", "hemisphere_shift", "valid", "calendar", "lat_deg"]
    names += ["band_mask", "band_valid"]
    settings: dict[str, Any] = dict.fromkeys(names)
    for name in names:
        with pytest.raises(TypeError, match=f"'{name}'"):
            encoder_input(series.reflectance, **{key: value for key, value in settings.items() if key != name})


def test_runs_begun_before_the_new_settings_go_on() -> None:
    """Digests of the shipped recipes as they were before `data.bands` and `data.patch_size` existed."""
    known = {"paper": "4b128920b725", "better": "163c1b330c99"}
    for name, digest in known.items():
        recipe = read_recipe(CONFIGS / f"{name}.yaml")
        assert recipe_digest(recipe) == digest
        assert recipe_digest(read_recipe(CONFIGS / f"{name}.yaml", changes=["data.bands=all"])) == digest
        assert recipe_digest(read_recipe(CONFIGS / f"{name}.yaml", changes=["data.bands=rgb"])) != digest


def test_recipes_say_which_bands_are_wrong() -> None:
    for change, said in (
        ("data.bands=infrared", "unknown set of bands 'infrared'"),
        ("data.bands=[B02, B99]", "Unknown band 'B99'"),
        ("data.bands=[B02, blue]", "give each once"),
        ("data.patch_size=0", "patch_size"),
    ):
        with pytest.raises(InputError, match=said):
            read_recipe(CONFIGS / "paper.yaml", changes=[change])


def test_an_encoder_with_a_mask_by_band_reads_steps_that_lack_some() -> None:
    series = everywhere()
    band_valid = np.repeat(series.valid[..., None], 10, axis=2)
    band_valid[:, ::2, 3:6] = False
    masked = given_of(series, band_mask=True, band_valid=band_valid)
    assert masked.bands is not None
    assert np.array_equal(masked.bands.numpy(), band_valid)
    assert np.array_equal(masked.valid.numpy(), series.valid)
    assert not masked.x[~masked.bands].any()
    all_needed = given_of(series, band_valid=band_valid)
    assert all_needed.bands is None
    assert np.array_equal(all_needed.valid.numpy(), series.valid & band_valid.all(axis=2))
    near_infrared = given_of(series, band_valid=band_valid, band_names=("B08", "B04"))
    assert np.array_equal(near_infrared.valid.numpy(), series.valid)  # what is missing is not among its bands
