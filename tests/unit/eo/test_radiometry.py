from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from timesenclip.eo.radiometry import (
    clean_dn,
    clean_reflectance,
    decide_offset,
    landsat_reflectance,
    offset_for,
    offsets_for,
    to_reflectance,
    usable_reflectance,
)
from timesenclip.errors import InputError

DAY = np.datetime64("2023-06-01")
DN = hnp.arrays(np.uint16, st.integers(1, 40), elements=st.integers(0, 65535))


@given(dn=DN, offset=st.sampled_from([0, 1000]))
@settings(max_examples=200, deadline=None)
def test_no_underflow_and_valid_never_becomes_nodata(dn: np.ndarray, offset: int) -> None:
    reflectance, valid = to_reflectance(dn, offset_dn=offset)
    assert np.array_equal(valid, (dn != 0) & (dn != 65535))  # a dark pixel (DN 1..1000) stays valid
    expected = np.maximum(dn.astype(np.float64) - offset, 0) / 10_000
    assert np.allclose(reflectance[valid], expected[valid], atol=1e-6)
    assert (reflectance[~valid] == 0).all()
    assert reflectance.dtype == np.float32


def test_nan_is_missing() -> None:
    reflectance, valid = to_reflectance(np.array([np.nan, 500.0]))
    assert valid.tolist() == [False, True]
    assert reflectance.tolist() == pytest.approx([0.0, 0.05])


@pytest.mark.parametrize(
    ("provider", "collection", "baseline", "offset"),
    [
        ("planetary-computer", "sentinel-2-l2a", "03.01", 0),
        ("planetary-computer", "sentinel-2-l2a", "04.00", 1000),
        ("cdse", "sentinel-2-l2a", "05.09", 1000),
        ("earth-search", "sentinel-2-l2a", "05.09", 0),
        ("earth-search", "sentinel-2-l2a", None, 0),
        ("earth-search", "sentinel-2-c1-l2a", "05.00", 1000),
        ("Earth-Engine", "S2-SR-Harmonized", None, 0),
    ],
)
def test_the_offset_depends_on_provider_collection_and_baseline(
    provider: str, collection: str, baseline: str | None, offset: int
) -> None:
    assert offset_for(provider, collection, baseline) == offset


def test_what_cannot_be_decided_is_asked_for() -> None:
    with pytest.raises(InputError, match="known: planetary-computer/sentinel-2-l2a"):
        offset_for("nobody", "nothing", "04.00")
    with pytest.raises(InputError, match=r"expected one such as '04\.00'"):
        offset_for("cdse", "sentinel-2-l2a", None)


def test_fill_values_are_missing_and_the_darkest_harmonised_pixel_is_not() -> None:
    reflectance, valid = to_reflectance(np.array([-32768, -9999, -1000, -999, 1], dtype=np.int16))
    assert valid.tolist() == [False, False, False, True, True]
    assert reflectance.tolist() == pytest.approx([0, 0, 0, 0, 1e-4])
    reflectance, valid = clean_reflectance(np.array([np.nan, np.inf, -9999.0, -0.05, 0.3, 65535.0]))
    assert valid.tolist() == [False, False, False, True, True, False]
    assert reflectance.tolist() == pytest.approx([0, 0, 0, 0, 0.3, 0])


def test_each_image_has_its_own_offset() -> None:
    offsets = offsets_for("cdse", "sentinel-2-l2a", ["03.01", "04.00"], count=2)
    assert offsets == (0, 1000)
    reflectance, _ = to_reflectance(np.full((2, 3), 1500, dtype=np.uint16), offset_dn=np.array(offsets)[:, None])
    assert reflectance[:, 0].tolist() == pytest.approx([0.15, 0.05])
    with pytest.raises(InputError, match="2 baselines for 3 images"):
        offsets_for("cdse", "sentinel-2-l2a", ["03.01", "04.00"], count=3)


def test_the_users_offset_overrules_the_provider_and_without_either_there_is_none() -> None:
    assert offsets_for("cdse", "sentinel-2-l2a", "04.00", count=2, given=0) == (0, 0)
    assert offsets_for(None, "sentinel-2-l2a", ["03.01"], count=2, given=1000) == (1000, 1000)
    assert offsets_for(None, "sentinel-2-l2a", "04.00", count=2) == (0, 0)


@pytest.mark.parametrize("offset", [0, 1000])
def test_whole_numbers_and_reflectance_are_guarded_alike(offset: int) -> None:
    dn = np.array([0, 1, 999, 1000, 1001, 20_000, 20_001, 21_000, 21_001, 65_535], dtype=np.uint16)
    reflectance, seen = usable_reflectance(dn, units="dn", offset_dn=offset)
    kept, seen_as_dn = clean_dn(dn, offset_dn=np.array([offset]))
    assert kept.dtype == np.uint16
    assert seen.tolist() == seen_as_dn.tolist()
    assert seen.tolist() == [False, *[True] * 5, *[offset > 0] * 2, False, False]
    assert reflectance[seen].tolist() == pytest.approx((kept[seen] / 10_000).tolist())
    given, seen_as_reflectance = usable_reflectance(np.array([0.3, 2.5, np.nan]), units="reflectance", offset_dn=1000)
    assert seen_as_reflectance.tolist() == [True, False, False]
    assert given[0] == pytest.approx(0.3)


OFFSETS = [
    ("planetary-computer", "sentinel-2-l2a", "03.01", 0),
    ("planetary-computer", "sentinel-2-l2a", "04.00", 1000),
    ("planetary-computer", "sentinel-2-l2a", "05.11", 1000),
    ("earth-search", "sentinel-2-l2a", "05.11", 0),
    ("earth-search", "sentinel-2-l2a", None, 0),
    ("earth-search", "sentinel-2-c1-l2a", "05.00", 1000),
    ("earth-search", "sentinel-2-pre-c1-l2a", "05.00", 1000),
    ("cdse", "sentinel-2-l2a", "02.14", 0),
    ("cdse", "sentinel-2-l2a", "05.10", 1000),
    ("esa", "whatever", "05.10", 1000),
    ("esa", "whatever", None, 1000),
]


@pytest.mark.parametrize(("name", "collection", "baseline", "expected"), OFFSETS)
def test_offsets(name: str, collection: str, baseline: str | None, expected: int):
    decided = decide_offset(name, collection, baseline=baseline, day=DAY)
    assert decided.offset_dn == expected
    assert not decided.assumed


def test_what_overrules_the_table():
    pc = "planetary-computer"
    assert decide_offset(pc, "x", baseline="05.00", day=DAY, given=0).offset_dn == 0
    assert decide_offset(pc, "x", baseline="03.00", day=DAY, declared=-1000).offset_dn == 1000
    early = decide_offset(pc, "x", baseline=None, day=np.datetime64("2019-01-01"))
    assert early.reason == "no baseline; acquired before 2022-01-25"
    late = decide_offset(pc, "x", baseline=None, day=DAY)
    assert late.reason == "no baseline; acquired from 2022-01-25 on"
    assert (early.offset_dn, early.assumed) == (0, True)  # it may have been reprocessed since: said, not hidden


def test_numbers_of_landsat_become_reflectance_and_fill_is_missing() -> None:
    reflectance, seen = landsat_reflectance(np.array([0, 1, 7273, 20_000, 43_636, 65_535, np.nan]))
    assert seen.tolist() == [False, True, True, True, True, False, False]
    assert np.allclose(reflectance, [0, 0, 0, 0.35, 1, 0, 0], atol=1e-4)
