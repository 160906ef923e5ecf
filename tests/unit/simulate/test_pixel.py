"""What a ground surface reflects through the seasons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.bands import band_index
from timesenclip.simulate.covers import Pixels, draw_pixels
from timesenclip.simulate.pixel import render, solar_elevation


def drawn(cover: str, lat_deg: float = 48.0) -> Pixels:
    pixels = draw_pixels(cover, 60, rng=np.random.default_rng(2), climate="temperate", lat_deg=lat_deg)
    return replace(pixels, snow=np.zeros_like(pixels.snow))


def rendered(pixels: Pixels, days: list[float]) -> np.ndarray:
    day = np.broadcast_to(np.array(days), (60, len(days)))
    return render(pixels, day, rng=np.random.default_rng(0))


def ndvi(reflectance: np.ndarray) -> np.ndarray:
    red, nir = reflectance[..., band_index("red")], reflectance[..., band_index("nir")]
    return (nir - red) / (nir + red)


def test_the_sun_stands_where_it_does() -> None:
    """At the equinox, 10:30 local time: the sine is cos(latitude) times cos(22.5 degrees)."""
    lat = np.array([0.0, 45.0, -45.0])
    equinox = solar_elevation(lat, np.full((3, 1), 81.0))[:, 0]
    assert equinox == pytest.approx(np.cos(np.deg2rad(lat)) * np.cos(np.deg2rad(22.5)), abs=0.01)
    june, december = solar_elevation(lat, np.array([[172.0, 355.0]] * 3)).T
    assert june[1] == pytest.approx(december[2], abs=0.01)
    assert june[1] > equinox[1] > december[1]


def test_a_broadleaved_forest_is_green_in_its_summer_only() -> None:
    winter, summer = ndvi(rendered(drawn("oak and beech forest"), [20.0, 200.0])).T
    assert np.median(summer) > np.median(winter) + 0.2
    winter, summer = ndvi(rendered(drawn("oak and beech forest", -48.0), [200.0, 20.0])).T
    assert np.median(summer) > np.median(winter) + 0.2


def test_snow_brightens_what_it_covers() -> None:
    bare = drawn("hay meadow")
    snowed = replace(bare, snow=np.tile([1.0, 330.0, 60.0], (60, 1)))
    winter, summer = (rendered(snowed, [15.0, 200.0]) - rendered(bare, [15.0, 200.0])).transpose(1, 0, 2)
    assert np.median(winter[:, band_index("green")]) > 0.4
    assert np.abs(summer).max() < 0.05


def test_reflectance_is_repeatable_and_in_range() -> None:
    pixels = drawn("maize")
    first, second = rendered(pixels, [100.0, 200.0]), rendered(pixels, [100.0, 200.0])
    assert np.array_equal(first, second)
    assert first.shape == (60, 2, 10)
    assert first.min() >= 0.001
    assert first.max() <= 1.0
