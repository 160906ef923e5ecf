"""Fewer bands, cloudy months, and series that show nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.train.field_notes.small_world import series_of
from timesenclip.bands import SENSORS, band_index
from timesenclip.eo.outliers import OUTLYING_STEPS, series_without_outliers
from timesenclip.series import PixelSeries
from timesenclip.train.field_notes.conditions import NO_PLACES, SENSOR_TITLES, no_place, with_clouds, without_bands


@pytest.fixture(scope="module")
def series() -> PixelSeries:
    made = series_of({"tropical rainforest": 40})
    return replace(made, provenance={"source": "t", OUTLYING_STEPS: "kept"})


def test_sensors_that_are_compared_exist() -> None:
    assert set(SENSOR_TITLES) <= set(SENSORS)


def test_a_sensor_has_its_own_bands_only(series: PixelSeries) -> None:
    seen = without_bands(series, "rgb").bands_seen()
    assert seen[..., :3].all()
    assert not seen[..., 3:].any()
    assert not without_bands(series, "rgb").reflectance[..., 3:].any()


def test_about_15_percent_of_the_steps_get_cloudy_and_the_filter_finds_most(series: PixelSeries) -> None:
    clouded = with_clouds(series, rng=np.random.default_rng(0))
    hit = (clouded.reflectance != series.reflectance).any(axis=2)
    assert 0.1 < hit.mean() < 0.2
    blue = band_index("B02")
    assert (clouded.reflectance[hit][:, blue] > series.reflectance[hit][:, blue]).all()
    left = series_without_outliers(clouded)  # although the series themselves were judged before
    assert (hit & ~left.valid).sum() > 0.8 * hit.sum()


def test_a_band_that_is_not_there_gets_no_cloud(series: PixelSeries) -> None:
    clouded = with_clouds(without_bands(series, "landsat"), rng=np.random.default_rng(0))
    assert not clouded.reflectance[..., band_index("B05")].any()


@pytest.mark.parametrize("kind", NO_PLACES)
def test_no_place_keeps_dates_and_looks_like_no_land(series: PixelSeries, kind: str) -> None:
    made = no_place(series, kind, rng=np.random.default_rng(0))
    assert (made.start == series.start).all()
    assert made.reflectance.shape == series.reflectance.shape
    assert made.reflectance.min() >= 0
    assert not np.allclose(made.reflectance, series.reflectance, atol=0.05)
