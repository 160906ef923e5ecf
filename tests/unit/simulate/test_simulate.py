from __future__ import annotations

import numpy as np
import pytest

from timesenclip.bands import band_index
from timesenclip.errors import InputError
from timesenclip.simulate.covers import cover_names, cover_weights
from timesenclip.simulate.scene import simulate_scene
from timesenclip.simulate.series import simulate_series
from timesenclip.simulate.spectra import SOILS, canopy_reflectance, leaf_optics, water_reflectance


def _ndvi(reflectance: np.ndarray) -> np.ndarray:
    red, nir = reflectance[..., band_index("red")], reflectance[..., band_index("nir")]
    return (nir - red) / (nir + red)


def test_the_same_seed_gives_the_same_series() -> None:
    first, second, third = (simulate_series(50, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.series.reflectance, second.series.reflectance)
    assert first.cover == second.cover
    assert not np.array_equal(first.series.reflectance, third.series.reflectance)


@pytest.mark.parametrize("cover", cover_names())
def test_every_cover_can_be_simulated_within_physical_bounds(cover: str) -> None:
    made = simulate_series(12, rng=np.random.default_rng(0), covers=[cover])
    values = made.series.reflectance[made.series.valid]
    assert (values > 0).all()
    assert (values <= 1.2).all()
    assert made.series.valid.any(axis=1).all()
    assert set(made.cover) == {cover}


def _clean(cover: str, count: int = 200) -> np.ndarray:
    made = simulate_series(count, rng=np.random.default_rng(3), covers=[cover], cloud=0, mixed=0)
    assert made.series.valid.all()
    return made.series.reflectance


def test_surfaces_look_as_they_do_from_orbit() -> None:
    water, forest, sand = (_clean(name) for name in ("clear lake and sea", "tropical rainforest", "sand dunes"))
    nir, swir = band_index("nir"), band_index("swir16")
    assert np.median(water[..., nir]) < 0.05
    assert np.median(_ndvi(forest)) > 0.8
    assert np.median(_ndvi(sand)) < 0.25
    assert np.median(sand[..., swir]) > np.median(sand[..., band_index("blue")])
    snow = _clean("glacier and snowfield")
    assert np.median(snow[..., band_index("green")]) > 0.4 > np.median(snow[..., swir])


def test_seasons_turn_with_the_hemisphere() -> None:
    rng = np.random.default_rng(5)
    made = simulate_series(800, rng=rng, covers=["oak and beech forest"], cloud=0, mixed=0)
    month = made.series.start.astype("datetime64[M]").astype(int) % 12
    ndvi = _ndvi(made.series.reflectance)
    temperate = np.array(made.climate) == "temperate"
    for south in (False, True):
        chosen = temperate & ((made.series.lat_deg < 0) == south)
        july, january = (np.median(ndvi[chosen][month[chosen] == m]) for m in (6, 0))
        assert (january > july) == south


def test_crops_are_green_in_their_time() -> None:
    made = simulate_series(600, rng=np.random.default_rng(5), covers=["maize", "winter wheat"], cloud=0, mixed=0)
    north = (made.series.lat_deg > 0) & (np.array(made.climate) == "temperate")
    month, ndvi = made.series.start.astype("datetime64[M]").astype(int) % 12, _ndvi(made.series.reflectance)
    cover = np.array(made.cover)

    def at(name: str, when: int) -> float:
        rows = north & (cover == name)
        return float(np.median(ndvi[rows][month[rows] == when]))

    assert at("maize", 7) > at("maize", 4) + 0.3
    assert at("winter wheat", 4) > at("winter wheat", 7) + 0.3


def test_canopy_has_the_right_limits() -> None:
    leaf = leaf_optics(
        structure=np.array([1.5]),
        chlorophyll=np.array([40.0]),
        brown=np.array([0.0]),
        water=np.array([0.012]),
        dry_matter=np.array([0.006]),
    )
    soil = np.array([SOILS["loam"]])
    assert np.allclose(canopy_reflectance(leaf, np.array([0.0]), soil), soil, atol=1e-6)
    deep = [canopy_reflectance(leaf, np.array([40.0]), np.array([SOILS[name]])) for name in ("loam", "pale sand")]
    assert np.allclose(deep[0], deep[1], atol=1e-4)  # the ground no longer shows
    assert (leaf[0] + leaf[1] < 1).all()


def test_sediment_brightens_and_organic_matter_darkens_water() -> None:
    def water(sediment: float, cdom: float) -> np.ndarray:
        given = (np.array([2.0]), np.array([sediment]), np.array([cdom]), np.array([0.0]))
        return water_reflectance(chlorophyll=given[0], sediment=given[1], cdom=given[2], surface=given[3])[0]

    assert (water(50, 0.2)[:4] > water(1, 0.2)[:4]).all()
    assert water(1, 5)[0] < water(1, 0.1)[0]


def test_a_scene_is_a_map_with_its_truth() -> None:
    scene = simulate_scene(rng=np.random.default_rng(0), size=48)
    assert scene.cube.shape == scene.cover.shape == (48, 48)
    assert scene.cube.crs == "EPSG:32632"
    assert scene.cover.max() < len(scene.cover_names)
    assert 0.7 < scene.cube.valid.mean() < 1
    lat = scene.cube.pixel_series().lat_deg
    assert abs(lat.mean() - 47.5) < 0.1


def test_bad_requests_are_refused() -> None:
    assert cover_weights().sum() == pytest.approx(1.0)
    with pytest.raises(InputError, match="Unknown cover"):
        simulate_series(3, rng=np.random.default_rng(0), covers=["moon"])
