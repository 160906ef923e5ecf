"""The one table of bands: names in every spelling, and the normalisation constants."""

from __future__ import annotations

import numpy as np
import pytest

from timesenclip.bands import (
    BAND_NAMES,
    BAND_SETS,
    BANDS,
    NORMALISATIONS,
    SCL_CLASSES,
    band_index,
    canonical_band,
    require_bands,
)
from timesenclip.errors import BandError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("B2", "B02"),
        ("b02", "B02"),
        ("blue", "B02"),
        ("S2-L2A-B8A", "B8A"),
        ("OPTICAL-B11", "B11"),
        ("rededge1", "B05"),
        (" nir08 ", "B8A"),
        ("B01", None),
        ("SCL", None),
        ("B022", None),
    ],
)
def test_a_band_is_known_in_every_spelling(name: str, expected: str | None) -> None:
    assert canonical_band(name) == expected


def test_every_name_of_the_table_means_its_own_band() -> None:
    for i, band in enumerate(BANDS):
        assert band_index(band.name) == band_index(band.common_name) == i
    assert len(set(BAND_NAMES)) == 10
    assert [band.centre_nm for band in BANDS] == sorted(band.centre_nm for band in BANDS)
    assert sorted(SCL_CLASSES) == list(range(12))


def test_sets_of_bands_hold_bands_of_the_table() -> None:
    assert BAND_SETS["all"] == BAND_NAMES
    assert BAND_SETS["10m"] == ("B02", "B03", "B04", "B08")
    assert all(set(names) <= set(BAND_NAMES) for names in BAND_SETS.values())


def test_an_unknown_band_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BandError, match=r"Unknown band 'blu': expected one of B02.*Did you mean B02\?"):
        band_index("blu")


def test_missing_bands_are_listed() -> None:
    require_bands(BAND_NAMES, source_name="cube")
    with pytest.raises(BandError, match=r"cube: missing band B11, B12 \(found: B02, B03"):
        require_bands(BAND_NAMES[:-2], source_name="cube")
    with pytest.raises(BandError, match="found: none"):
        require_bands([], source_name="cube")


@pytest.mark.parametrize("name", sorted(NORMALISATIONS))
@pytest.mark.parametrize("shape", [(2, 3, 10), (2, 3, 10, 4, 5)])
def test_normalisation_is_its_formula(name: str, shape: tuple[int, ...]) -> None:
    norm = NORMALISATIONS[name]
    reflectance = np.random.default_rng(0).uniform(0, 1.2, shape).astype(np.float32)
    given = reflectance.copy()
    found = norm(reflectance)
    axis = (1, 1, 10) + (1,) * (len(shape) - 3)
    low, scale = (np.reshape(values, axis) for values in (norm.low_dn, norm.scale_dn))
    expected = np.clip((reflectance.astype(np.float64) * 10_000 - low) / scale, 0, 1) ** norm.power
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)
    assert np.array_equal(reflectance, given)  # the input is not written to


def test_a_normalisation_of_some_bands_is_a_part_of_the_whole() -> None:
    norm = NORMALISATIONS["sen4map"]
    reflectance = np.random.default_rng(0).uniform(0, 1, (2, 3, 10)).astype(np.float32)
    index = [band_index(name) for name in BAND_SETS["rgb"]]
    assert np.array_equal(norm.of(BAND_SETS["rgb"])(reflectance[:, :, index]), norm(reflectance)[:, :, index])
    assert norm.of(None) is norm
