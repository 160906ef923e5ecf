"""What stands between the ground and a monthly composite."""

from __future__ import annotations

import numpy as np
import pytest

from timesenclip.bands import band_index
from timesenclip.simulate.covers import Pixels, draw_pixels
from timesenclip.simulate.sensor import observe, to_top_of_atmosphere

DAY = np.broadcast_to(np.arange(12) * 30.0 + 15, (300, 12))
SURFACE = np.full((300, 12, 10), 0.2)


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    return draw_pixels("maize", 300, rng=np.random.default_rng(1), climate="temperate")


def test_without_cloud_nothing_is_missing_and_little_is_changed(pixels: Pixels) -> None:
    seen, valid = observe(pixels, SURFACE, DAY, rng=np.random.default_rng(0), cloud=0.0)
    assert valid.all()
    assert abs(np.median(seen) - 0.2) < 0.01


def test_cloud_takes_months_and_adds_noise_but_leaves_one_month(pixels: Pixels) -> None:
    spread = []
    share = []
    for cloud in (0.0, 1.0, 4.0):
        seen, valid = observe(pixels, SURFACE, DAY, rng=np.random.default_rng(0), cloud=cloud)
        assert valid.any(axis=1).all()
        assert seen.min() > 0
        assert seen.max() <= 1.2
        spread.append(seen.std())
        share.append(valid.mean())
    assert spread == sorted(spread)
    assert share == sorted(share, reverse=True)


def test_the_atmosphere_brightens_blue_most() -> None:
    dark = np.full((50, 12, 10), 0.02)
    top = to_top_of_atmosphere(dark, rng=np.random.default_rng(0))
    gain = np.median(top - dark, axis=(0, 1))
    assert gain[band_index("blue")] > gain[band_index("red")] > gain[band_index("swir16")] > -0.01
    bright = to_top_of_atmosphere(np.full((50, 12, 10), 0.9), rng=np.random.default_rng(0))
    assert np.median(bright[..., band_index("blue")]) < 0.9  # transmittance takes more than the path adds
