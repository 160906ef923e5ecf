from __future__ import annotations

import numpy as np

from timesenclip.bands import band_index
from timesenclip.simulate.series import simulate_series


def _ndvi(reflectance: np.ndarray) -> np.ndarray:
    red, nir = reflectance[..., band_index("red")], reflectance[..., band_index("nir")]
    return (nir - red) / (nir + red)


def test_the_same_seed_gives_the_same_series() -> None:
    first, second, third = (simulate_series(50, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.series.reflectance, second.series.reflectance)
    assert first.cover == second.cover
    assert not np.array_equal(first.series.reflectance, third.series.reflectance)


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
