"""Blocks, folds and parts: the same as in earlier versions, and swapped coordinates cannot pass."""

from __future__ import annotations

import hashlib
import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesenclip import spatial
from timesenclip.data.splits import check_apart
from timesenclip.errors import InputError
from timesenclip.spatial import nearest_m, spatial_blocks, spatial_choice, spatial_folds, spatial_parts

PARTS = ("train", "train", "calibrate", "test", "test")

Places = dict[str, Any]

places = st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=30).map(
    lambda found: {"lat_deg": np.array([lat for lat, _ in found]), "lon_deg": np.array([lon for _, lon in found])}
)
sides = st.sampled_from([0.1, 0.25, 0.5, 3.0])


def some_places(seed: int = 7, count: int = 2000) -> Places:
    rng = np.random.default_rng(seed)
    return {"lat_deg": rng.uniform(-80, 80, count), "lon_deg": rng.uniform(-180, 180, count)}


def digest(values: np.ndarray[Any, Any]) -> str:
    raw = " ".join(values.tolist()).encode() if values.dtype.kind == "U" else np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(raw).hexdigest()[:16]


def test_blocks_folds_and_parts_are_those_of_the_functions_before() -> None:
    """Digests of what `tasks.uncertainty`, `data.splits` and `train.real` gave when each had its own blocks."""
    here = some_places()
    assert digest(spatial_blocks(**here)) == "4bb941fd219fc245"
    assert digest(spatial_blocks(**here, block_deg=5)) == "c824b1b2fb256569"
    assert digest(spatial_folds(spatial_blocks(**here), folds=4)) == "3d0e2e1a41d900f1"
    assert digest(spatial_parts(**here)) == "cf8d51382483c444"
    shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
    assert digest(spatial_parts(**here, seed=5, block_deg=2, shares=shares, gap_m=30_000)) == "b2dfbaed379a6237"
    assert digest(spatial_choice(PARTS, **here)) == "8163ac0e3c7a3012"
    here["lat_deg"][::7], here["lon_deg"][::5] = np.nan, np.inf
    assert digest(spatial_blocks(**here, block_deg=3)) == "241a91b83c6b46a2"


def test_latitude_and_longitude_cannot_change_places() -> None:
    """Two functions of one name took them in opposite orders; now neither takes them by position."""
    lat, lon = np.array([50.1, 50.1, -33.9]), np.array([4.3, 5.9, 18.4])
    swapped = {"lat_deg": lon, "lon_deg": lat}
    straight = {"lat_deg": lat, "lon_deg": lon}
    assert spatial_choice(PARTS, **straight).tolist() != spatial_choice(PARTS, **swapped).tolist()  # it matters
    for call in (
        lambda: spatial_blocks(lat, lon),  # type: ignore[misc]
        lambda: spatial_parts(lon, lat),  # type: ignore[misc]
        lambda: spatial_choice(PARTS, lat, lon),  # type: ignore[misc]
        lambda: nearest_m(lon, lat, lon, lat),  # type: ignore[misc]
        lambda: check_apart(lon, lat, np.array(["train"] * 3), min_distance_m=1),  # type: ignore[misc]
    ):
        with pytest.raises(TypeError, match="positional argument"):
            call()


def test_every_coordinate_of_the_module_is_keyword_only() -> None:
    found = 0
    for name in spatial.__all__:
        function = getattr(spatial, name)
        if inspect.isfunction(function):
            for parameter in inspect.signature(function).parameters.values():
                if parameter.name.endswith(("lat_deg", "lon_deg")):
                    found += 1
                    assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{name}({parameter.name})"
    assert found >= 12


@given(places, sides)
def test_samples_share_a_block_where_they_share_a_cell(here: Places, side: float) -> None:
    block = spatial_blocks(**here, block_deg=side)
    assert set(block) == set(range(block.max() + 1))
    cell = list(zip(np.floor(here["lat_deg"] / side), np.floor(here["lon_deg"] / side), strict=True))
    for i in range(len(block)):
        for j in range(i):
            assert (block[i] == block[j]) == (cell[i] == cell[j])


def test_a_sample_of_unknown_place_is_a_block_of_its_own() -> None:
    lat, lon = np.array([50.1, 50.2, 50.3, np.nan, np.nan]), np.array([4.1, 4.2, 4.1, 4.1, 4.1])
    block = spatial_blocks(lat_deg=lat, lon_deg=lon)
    assert block[0] == block[1]
    assert len(set(block)) == 4


@given(places, sides, st.integers(2, 6))
def test_a_block_lies_in_one_fold(here: Places, side: float, folds: int) -> None:
    block = spatial_blocks(**here, block_deg=side)
    fold = spatial_folds(block, folds=folds)
    assert ((fold >= 0) & (fold < folds)).all()
    assert len(set(zip(block, fold, strict=True))) == len(set(block))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31 - 1))
def test_blocks_go_whole_to_one_part_and_the_gap_is_kept(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(0, 6, 300), rng.uniform(45, 50, 300)
    shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
    part = spatial_parts(lat_deg=lat, lon_deg=lon, block_deg=0.5, shares=shares, gap_m=3000)
    blocks = np.floor(lat / 0.5) * 1000 + np.floor(lon / 0.5)
    for block in np.unique(blocks):
        assert len(set(part[blocks == block]) - {"unused"}) <= 1
    if np.isin(part, ["validation", "test"]).any() and (part == "train").any():
        assert check_apart(part, lat_deg=lat, lon_deg=lon, min_distance_m=3000) >= 3000


@given(places, st.integers(0, 5), st.data())
def test_the_part_of_a_place_does_not_depend_on_the_others(here: Places, seed: int, data: st.DataObject) -> None:
    one = data.draw(st.integers(0, len(here["lat_deg"]) - 1))
    alone = {name: values[one : one + 1] for name, values in here.items()}
    shares = {"train": 0.4, "validation": 0.3, "test": 0.3}
    assert (
        spatial_parts(**here, seed=seed, shares=shares)[one] == spatial_parts(**alone, seed=seed, shares=shares).item()
    )
    assert spatial_choice(PARTS, **here)[one] == spatial_choice(PARTS, **alone).item()


def test_shares_are_kept_and_the_seed_decides() -> None:
    here = some_places(count=20_000)
    names, counts = np.unique(spatial_parts(**here), return_counts=True)
    share = dict(zip(names.tolist(), (counts / 20_000).tolist(), strict=True))
    assert share == pytest.approx({"train": 0.9, "validation": 0.05, "test": 0.05}, abs=0.01)
    assert not np.array_equal(spatial_parts(**here, seed=1), spatial_parts(**here))


def test_neighbours_share_a_part_and_a_name_given_twice_is_twice_as_likely() -> None:
    here = some_places(count=20_000)
    part = spatial_choice(PARTS, **here)
    names, counts = np.unique(part, return_counts=True)
    share = dict(zip(names.tolist(), (counts / 20_000).tolist(), strict=True))
    assert share == pytest.approx({"train": 0.4, "calibrate": 0.2, "test": 0.4}, abs=0.02)
    lat, lon = (np.floor(here[name] / 0.25) * 0.25 for name in ("lat_deg", "lon_deg"))
    assert np.array_equal(spatial_choice(PARTS, lat_deg=lat + 0.01, lon_deg=lon + 0.2), part)


def test_what_cannot_be_split_is_said() -> None:
    here = some_places(count=3)
    for call in (
        lambda: spatial_blocks(**here, block_deg=0),
        lambda: spatial_parts(**here, block_deg=-1),
        lambda: spatial_choice(PARTS, **here, block_deg=float("nan")),
    ):
        with pytest.raises(InputError, match="above 0"):
            call()
    with pytest.raises(InputError, match=r"sum to 1\.5"):
        spatial_parts(**here, shares={"train": 1.0, "test": 0.5})
    here["lon_deg"][1] = np.nan
    for call in (lambda: spatial_parts(**here), lambda: spatial_choice(PARTS, **here)):
        with pytest.raises(InputError, match=r"1 places have no coordinates .the first is number 2"):
            call()


def test_distances_are_those_of_the_globe() -> None:
    def distance(*, lat: float, lon: float, to_lat: float, to_lon: float) -> float:
        one = {"lat_deg": lat, "lon_deg": lon, "to_lat_deg": to_lat, "to_lon_deg": to_lon}
        return float(nearest_m(**{name: np.array([value]) for name, value in one.items()})[0][0])

    assert distance(lat=0, lon=0, to_lat=0, to_lon=90) == pytest.approx(10_007_557, rel=1e-3)
    assert distance(lat=0, lon=179.999, to_lat=0, to_lon=-179.999) == pytest.approx(222.4, rel=1e-2)
    assert distance(lat=60, lon=0, to_lat=60, to_lon=1) == pytest.approx(
        55_597, rel=1e-3
    )  # half a degree of the equator


@given(places, places)
def test_the_nearest_is_nearest_by_the_haversine_formula(here: Places, there: Places) -> None:
    distance, index = nearest_m(**here, to_lat_deg=there["lat_deg"], to_lon_deg=there["lon_deg"])
    lat, lon, to_lat, to_lon = (np.radians(v) for p in (here, there) for v in (p["lat_deg"], p["lon_deg"]))
    half = np.sin((lat[:, None] - to_lat) / 2) ** 2
    half = half + np.cos(lat)[:, None] * np.cos(to_lat) * np.sin((lon[:, None] - to_lon) / 2) ** 2
    every = 2 * spatial.EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(half, 0, 1)))  # (N, M)
    # Near the antipodes both formulas lose digits: a metre is far below any distance that matters.
    assert np.allclose(distance, every.min(axis=1), rtol=0, atol=1)
    assert np.allclose(every[np.arange(len(index)), index], every.min(axis=1), rtol=0, atol=1)
