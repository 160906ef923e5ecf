from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from timesenclip.data.store import SeriesStore, bits_of_bands, seen_bands, stored_reflectance
from timesenclip.data.store_writer import store_points
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.series import PixelSeries
from timesenclip.testing import random_series


@pytest.fixture
def store(tmp_path: Path) -> SeriesStore:
    return store_points([random_series(9, year=2019)], tmp_path / "s", source="test")


def test_places_are_read_in_the_order_asked(store: SeriesStore) -> None:
    dn, observations = store.arrays()
    for rows in (np.array([7, 2, 2]), slice(3, 6), np.array([4])):
        some, seen = store.arrays(rows)
        assert np.array_equal(some, dn[rows])
        assert np.array_equal(seen, observations[rows])
    chosen = store.series(np.array([7, 2]))
    assert chosen.sample_id == ("point-7", "point-2")
    assert np.array_equal(chosen.reflectance, store.series().reflectance[[7, 2]])


def test_rows_that_are_left_out_of_the_index_are_not_read(store: SeriesStore) -> None:
    dn, _ = store.arrays()
    fewer = SeriesStore(store.folder, store.index.iloc[[0, 3, 8]].reset_index(drop=True), store.attributes)
    assert np.array_equal(fewer.arrays()[0], dn[[0, 3, 8]])
    assert np.array_equal(fewer.arrays(slice(1, 3))[0], dn[[3, 8]])


def test_each_place_starts_in_its_own_month(store: SeriesStore) -> None:
    assert (store.first_month() == np.datetime64("2019-01")).all()
    later = store.index.assign(first_month=np.datetime64("2020-11-01"))
    series = SeriesStore(store.folder, later, store.attributes).series(slice(0, 1))
    assert [str(day) for day in series.start[0, :3]] == ["2020-11-01", "2020-12-01", "2021-01-01"]
    assert str(series.end[0, -1]) == "2021-11-01"


def test_dn_are_ten_thousand_times_the_reflectance_and_missing_is_zero() -> None:
    dn = np.array([[[10_000, 1], [65535, 65535]]], dtype=np.uint16)
    found = stored_reflectance(dn, np.array([[True, False]]))
    assert found.dtype == np.float32
    assert found.tolist() == [[[1.0, pytest.approx(1e-4)], [0.0, 0.0]]]


def test_what_is_no_store_or_of_another_version_is_refused(store: SeriesStore, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="No training store at"):
        SeriesStore.open(tmp_path / "none")
    zarr.open_group(str(store.folder), mode="r+").attrs["format_version"] = 99
    with pytest.raises(InputError, match="format_version 99; this version reads 1 and 2"):
        SeriesStore.open(store.folder)


@pytest.mark.parametrize("name", ["zarr.json", "index.parquet"])
@pytest.mark.parametrize("junk", [b"", b"\0" * 100, b"\xff\xe9", b"[]"])
def test_a_store_with_a_broken_file_is_refused(name: str, junk: bytes, store: SeriesStore) -> None:
    (store.folder / name).write_bytes(junk)
    with pytest.raises(DataNotFoundError, match="Cannot read the training store"):
        SeriesStore.open(store.folder)


def test_an_index_without_its_columns_is_refused(store: SeriesStore) -> None:
    store.index.drop(columns=["row", "lon"]).to_parquet(store.folder / "index.parquet")
    with pytest.raises(InputError, match="no column lon, row"):
        SeriesStore.open(store.folder)


@pytest.mark.parametrize(
    ("column", "value"),
    [("row", -1), ("row", "x"), ("sample_id", [1]), ("lon", "east"), ("lat", b"x"), ("first_month", "soon")],
)
def test_an_index_whose_columns_cannot_be_is_refused(column: str, value: object, store: SeriesStore) -> None:
    table = store.index.assign(**{column: [value] * len(store.index)})
    table.to_parquet(store.folder / "index.parquet")
    with pytest.raises(InputError, match=f"column {column} of index.parquet"):
        SeriesStore.open(store.folder)
    store.index.iloc[:0].to_parquet(store.folder / "index.parquet")
    with pytest.raises(InputError, match="names no place"):
        SeriesStore.open(store.folder)


def test_arrays_that_are_not_those_of_the_store_are_refused_before_they_are_read(store: SeriesStore) -> None:
    far = SeriesStore(store.folder, store.index.assign(row=10**9), store.attributes)
    with pytest.raises(InputError, match="with more than 1000000000 rows"):
        far.arrays()
    longer = SeriesStore(store.folder, store.index, {**store.attributes, "steps": 13})
    with pytest.raises(InputError, match=r"no array of uint16 .* of \(13, 10\)"):
        longer.arrays()
    chunk = next(path for path in (store.folder / "dn" / "c").rglob("*") if path.is_file())
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged chunk"):
        SeriesStore.open(store.folder).arrays()
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(InputError, match="symbolic link, pipe, socket or device"):
        SeriesStore.open(store.folder).arrays()


@pytest.mark.parametrize(("name", "value"), [("bands", []), ("steps", 10**6), ("patch_size", "x")])
def test_attributes_that_cannot_be_are_refused(name: str, value: object, store: SeriesStore) -> None:
    zarr.open_group(str(store.folder), mode="r+").attrs[name] = value
    with pytest.raises(InputError, match=f"has the {name}"):
        SeriesStore.open(store.folder)


def _partial(seed: int = 0) -> PixelSeries:
    series, rng = random_series(9), np.random.default_rng(seed)
    bands = rng.random(series.reflectance.shape) < 0.7
    bands[..., 3] = False  # never seen
    bands[..., 0] |= ~bands.any(axis=2)
    seen = bands & series.valid[..., None]
    return replace(series, band_valid=bands, reflectance=np.where(seen, series.reflectance, 0).astype(np.float32))


def test_a_store_says_which_bands_are_there(tmp_path: Path) -> None:
    series = _partial()
    store = store_points([series], tmp_path / "s", source="test")
    back = store.series()
    assert np.array_equal(back.bands_seen(), series.bands_seen())
    assert np.array_equal(back.valid, series.valid)
    assert np.abs(back.reflectance - series.reflectance).max() < 1e-4
    assert store.attributes["format_version"] == 2
    some = store.band_bits(np.array([7, 2]))
    assert some is not None
    assert np.array_equal(seen_bands(some), series.bands_seen()[[7, 2]])


def test_a_store_of_complete_series_is_as_it_was(store: SeriesStore, tmp_path: Path) -> None:
    series = random_series(9, year=2019)
    told = replace(series, band_valid=np.ones(series.reflectance.shape, dtype=np.bool_))
    again = store_points([told], tmp_path / "again", source="test")
    for one in (store, again):
        assert one.band_bits() is None
        assert one.series().band_valid is None
        assert not (one.folder / "bands").exists()
        assert one.attributes["format_version"] == 1


def test_a_store_whose_bands_are_gone_is_refused(tmp_path: Path) -> None:
    store = store_points([_partial()], tmp_path / "s", source="test")
    shutil.rmtree(store.folder / "bands")
    with pytest.raises(InputError, match=r"bands' .* is no array of uint16"):
        SeriesStore.open(store.folder).series()


def test_bits_of_bands_and_back() -> None:
    bits = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    seen = seen_bands(bits)
    assert np.array_equal(bits_of_bands(seen), bits)
    assert seen.sum() == 5 * 1024  # every band in half of all sets
    assert seen[0, 9].tolist() == [i in (0, 3) for i in range(10)]
