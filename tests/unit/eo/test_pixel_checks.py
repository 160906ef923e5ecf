from __future__ import annotations

import numpy as np
import pytest

from timesenclip.eo.pixel_checks import check_dark_level, contradicts_offset, detect_units
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
