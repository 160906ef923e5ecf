"""Forests that had labels from elsewhere or of the same region."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.train.field_notes.small_world import series_of
from timesenclip.bands import SENSORS, band_index
from timesenclip.evaluation.metrics import compute_metrics
from timesenclip.series import PixelSeries
from timesenclip.train.field_notes import forests as module
from timesenclip.train.field_notes.conditions import without_bands
from timesenclip.train.field_notes.forests import common_bands, elsewhere, same_region, with_bands

COUNT = 15


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TREES", 10)


@pytest.fixture(scope="module")
def here() -> PixelSeries:
    return series_of({"tropical pasture": COUNT, "tropical rainforest": COUNT})


TRUTH = np.repeat([0, 1], COUNT)


def accuracy(predicted: np.ndarray) -> float:
    return compute_metrics(TRUTH, predicted, names=["a", "b"]).accuracy


def test_landsat_and_sentinel_share_six_bands(here: PixelSeries) -> None:
    landsat = without_bands(here, "landsat")
    assert common_bands([here]) == SENSORS["sentinel-2"]
    assert common_bands([here, landsat]) == ("B02", "B03", "B04", "B08", "B11", "B12")
    assert common_bands([landsat]) == ("B02", "B03", "B04", "B08", "B11", "B12")
    assert common_bands([without_bands(here, "rgb"), landsat]) == ("B02", "B03", "B04")


def test_the_near_infrared_of_landsat_stands_as_that_of_sentinel(here: PixelSeries) -> None:
    landsat = with_bands(without_bands(here, "landsat"), ("B04", "B08"))
    narrow, wide, red = (band_index(name) for name in ("B8A", "B08", "B04"))
    assert (landsat.reflectance[..., wide] == here.reflectance[..., narrow]).all()
    assert (landsat.reflectance[..., red] == here.reflectance[..., red]).all()
    assert not np.delete(landsat.reflectance, [wide, red], axis=2).any()
    assert (with_bands(here, ("B08",)).reflectance[..., wide] == here.reflectance[..., wide]).all()


def test_labels_of_the_region_are_learned_from_other_blocks_of_land(here: PixelSeries) -> None:
    found = same_region(here, TRUTH, classes=2, seed=0)
    assert found is not None
    assert accuracy(found.predicted) > 0.9
    assert "blocks of 0.25 degrees" in found.how
    assert found.known == (0, 1)


def test_without_coordinates_the_folds_are_random_and_it_is_said(here: PixelSeries) -> None:
    nowhere = replace(here, lat_deg=np.full(len(here), np.nan), lon_deg=np.full(len(here), np.nan))
    found = same_region(nowhere, TRUTH, classes=2, seed=0)
    assert found is not None
    assert "random" in found.how


def test_places_that_are_not_asked_are_not_answered(here: PixelSeries) -> None:
    truth = np.where(np.arange(2 * COUNT) % 3 == 0, -1, TRUTH)
    found = same_region(here, truth, classes=2, seed=0)
    assert found is not None
    assert ((found.predicted < 0) == (truth < 0)).all()
    assert found.places == int((truth >= 0).sum())


def test_one_class_cannot_be_learned(here: PixelSeries) -> None:
    assert same_region(here, np.where(TRUTH == 0, 0, -1), classes=2, seed=0) is None
    assert elsewhere(here, TRUTH, [(here, np.zeros(2 * COUNT, np.int64))], seed=0) is None
    assert elsewhere(here, TRUTH, [], seed=0) is None


def test_labels_from_elsewhere_are_learned_with_the_bands_that_all_have(here: PixelSeries) -> None:
    there = without_bands(series_of({"tropical pasture": COUNT, "tropical rainforest": COUNT}, seed=5), "landsat")
    found = elsewhere(here, TRUTH, [(there, TRUTH), (there, np.full(2 * COUNT, -1))], seed=0)
    assert found is not None
    assert accuracy(found.predicted) > 0.9
    assert found.bands == ("B02", "B03", "B04", "B08", "B11", "B12")
    assert found.places == 2 * COUNT


def test_the_season_of_the_south_is_moved_by_half_a_year(here: PixelSeries) -> None:
    north = replace(here, lat_deg=-here.lat_deg, start=here.start + 183, end=here.end + 183)
    features = [module._features(part, ("B04", "B08")) for part in (here, north)]
    assert np.array_equal(*features)
