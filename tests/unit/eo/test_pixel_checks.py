from __future__ import annotations

import numpy as np
import pytest

from timesenclip.eo.pixel_checks import check_dark_level, contradicts_offset, detect_units, tell_collection_2
from timesenclip.eo.sensors import READABLE
from timesenclip.errors import DegradedInputWarning, UnitsError


def test_units_are_seen_and_a_wrong_declaration_refused() -> None:
    dn, reflectance = np.array([300, 2500, 65535]), np.array([0.03, 0.25, np.nan])
    assert detect_units(dn, declared="auto", source_name="t") == "dn"
    assert detect_units(reflectance, declared="auto", source_name="t") == "reflectance"
    with pytest.raises(UnitsError, match="values reach"):
        detect_units(dn, declared="reflectance", source_name="t")
    with pytest.raises(UnitsError, match=r"only 0\.2"):
        detect_units(reflectance, declared="dn", source_name="t")


def test_an_offset_left_in_the_data_is_noticed() -> None:
    rng = np.random.default_rng(0)
    clean = rng.uniform(0.01, 0.4, 1000).astype(np.float32)
    check_dark_level(clean, np.ones(1000, dtype=bool), source_name="t")
    with pytest.warns(DegradedInputWarning, match="offset"):
        check_dark_level(clean + np.float32(0.1), np.ones(1000, dtype=bool), source_name="t")


def test_integers_are_dn_however_dark() -> None:
    assert detect_units(np.array([1, 2, 3], dtype=np.uint16), declared="auto", source_name="t") == "dn"


def test_an_offset_that_begins_with_baseline_04_is_noticed() -> None:
    rng = np.random.default_rng(0)
    dates = np.array(["2021-11-01", "2021-12-01", "2022-02-01", "2022-03-01"], dtype="datetime64[D]")
    clean = rng.uniform(0.01, 0.4, (4, 500)).astype(np.float32)
    seen = np.ones(clean.shape, dtype=bool)
    check_dark_level(clean, seen, source_name="t", dates=dates)
    late = clean + np.array([0, 0, 0.1, 0.1], dtype=np.float32)[:, None]
    with pytest.warns(DegradedInputWarning, match="rises by 0"):
        check_dark_level(late, seen, source_name="t", dates=dates)


def test_pixels_that_contradict_a_decision():
    random = np.random.default_rng(0)
    dark = random.integers(150, 1500, 5000).astype(np.float32)
    assert contradicts_offset(dark, 0) is None
    assert contradicts_offset(dark + 1000, 1000) is None
    assert "may still be in them" in contradicts_offset(dark + 1000, 0)
    assert "removed already" in contradicts_offset(dark, 1000)
    assert contradicts_offset(dark[:50], 1000) is None
    noisy_water = random.normal(1010, 60, 5000).astype(np.float32)  # a little below zero is noise, not a mistake
    assert contradicts_offset(noisy_water, 1000) is None


def _table(rng: np.random.Generator, low: float, high: float, bands: list[int]) -> np.ndarray:
    values = np.full((40, 12, 10), np.nan, dtype=np.float32)
    values[..., bands] = rng.uniform(low, high, (40, 12, len(bands)))
    return values


_SIX = [0, 1, 2, 7, 8, 9]


@pytest.mark.parametrize(
    ("low", "high", "bands", "sensor", "found"),
    [
        (7300, 22_000, _SIX, "landsat", "landsat-c2"),
        (7300, 9_000, _SIX, "landsat", "landsat-c2"),  # water
        (7300, 22_000, [0, 1, 2], "landsat", "landsat-c2"),
        (150, 5_000, _SIX, "landsat", "dn"),
        (150, 5_000, _SIX, "sentinel-2", "dn"),
        (7300, 22_000, list(range(10)), "sentinel-2", "dn"),  # Landsat has no red edge
    ],
)
def test_numbers_of_collection_2_are_told_from_reflectance_times_10000(
    low: float, high: float, bands: list[int], sensor: str, found: str
) -> None:
    values = _table(np.random.default_rng(0), low, high, bands)
    assert tell_collection_2(values, sensor=READABLE[sensor], source_name="t") == found


@pytest.mark.parametrize(
    ("low", "high", "bands", "sensor"),
    [(7300, 22_000, _SIX, "sentinel-2"), (7300, 9_000, [0, 1, 2], "landsat"), (7300, 22_000, _SIX, "hls-l30")],
)
def test_numbers_that_may_be_of_either_are_refused(low: float, high: float, bands: list[int], sensor: str) -> None:
    values = _table(np.random.default_rng(0), low, high, bands)
    with pytest.raises(UnitsError, match=r"t: 95 % of values are above 7\d+, .* Say units 'landsat-c2', or 'dn'"):
        tell_collection_2(values, sensor=READABLE[sensor], source_name="t")


def test_a_wrong_declaration_of_collection_2_is_refused() -> None:
    rng = np.random.default_rng(0)
    assert detect_units(_table(rng, 7300, 22_000, _SIX), declared="landsat-c2", source_name="t") == "landsat-c2"
    with pytest.raises(UnitsError, match=r"half of the values are below .* expected 7273.*Say units 'dn'"):
        detect_units(_table(rng, 150, 5_000, _SIX), declared="landsat-c2", source_name="t")
    with pytest.raises(UnitsError, match="Say units 'reflectance'"):
        detect_units(_table(rng, 0, 0.6, _SIX), declared="landsat-c2", source_name="t")
