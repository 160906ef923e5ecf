from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from timesenclip.data.sen4map import convert_sen4map
from timesenclip.data.sen4map_groups import (
    open_sen4map,
    read_full_patch,
    read_labels,
    read_small_crop,
    sen4map_keys,
)
from timesenclip.errors import InputError
from timesenclip.testing import random_series
from timesenclip.testing.training import write_sen4map, write_sen4map_crops

IDS = ["46862690", "46862691", "46862692", "46862693"]


def test_small_crops_are_read_and_nothing_seen_is_missing(tmp_path: Path) -> None:
    series = random_series(4, missing=0.4, year=2018)
    file = write_sen4map_crops(tmp_path / "crops.h5", IDS, series=series, patch_size=5)
    store = convert_sen4map([file], tmp_path / "store").store
    dn, observations = store.arrays()
    assert np.array_equal(observations > 0, series.valid)
    assert np.array_equal(dn[series.valid], np.rint(series.reflectance[series.valid] * 10_000) + 1)
    theirs = convert_sen4map([file], tmp_path / "theirs", compositing="authors").store.arrays()[0]
    assert (theirs[~series.valid] == 1).all()  # as they are in the file


def test_groups_are_listed_in_order(tmp_path: Path) -> None:
    file = write_sen4map_crops(tmp_path / "crops.h5", IDS[::-1])
    assert sen4map_keys(file) == [f"Lucas_Point_{point}" for point in IDS]


def test_labels_and_coordinates_are_read_whatever_their_type(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("Lucas_Point_7")
        group.attrs["lc1"] = np.bytes_("B11")
        group.attrs["bioregion_class_code"] = np.int64(3)
        group.attrs["Coordinates"] = "POINT (4.5 50.8)"
        assert read_labels("Lucas_Point_7", group) == {
            "sample_id": "7",
            "lc1": "B11",
            "bioregion": "3",
            "lon": 4.5,
            "lat": 50.8,
        }
        assert np.isnan(read_labels("x", file.create_group("x"))["lon"])


def test_a_patch_is_cut_from_the_middle_and_its_scl_with_a_margin(tmp_path: Path) -> None:
    file = write_sen4map(tmp_path / "s.h5", IDS[:1], side=24, acquisitions=8)
    key = f"Lucas_Point_{IDS[0]}"
    with open_sen4map(file) as source:
        patch = read_full_patch(key, source[key], np.memmap(file, mode="r", dtype=np.uint8), 3, 2)
        assert np.array_equal(patch.values[:, 0], source[key]["B2"][:, 11:14, 11:14])
        assert np.array_equal(patch.scl, source[key]["SCL"][:, 9:16, 9:16])
        assert patch.month.tolist() == sorted(patch.month.tolist())
        with pytest.raises(InputError, match="at least 27 x 27 px"):
            read_full_patch(key, source[key], np.memmap(file, mode="r", dtype=np.uint8), 23, 2)


def test_compressed_bands_under_other_names_are_read_too(tmp_path: Path) -> None:
    file = write_sen4map(tmp_path / "s.h5", IDS[:1], side=24, acquisitions=8)
    key = f"Lucas_Point_{IDS[0]}"
    with h5py.File(file) as source, h5py.File(tmp_path / "c.h5", "w") as target:
        group = target.create_group(key)
        for name in source[key]:
            group.create_dataset(name.replace("B2", "B02"), data=source[key][name][:], chunks=True, compression="gzip")
        group.attrs["Image_ID"] = source[key].attrs["Image_ID"]
        plain = read_full_patch(key, source[key], np.memmap(file, mode="r", dtype=np.uint8), 1, 2)
    with open_sen4map(tmp_path / "c.h5") as source:
        packed = read_full_patch(key, source[key], np.memmap(tmp_path / "c.h5", mode="r", dtype=np.uint8), 1, 2)
    assert np.array_equal(packed.values, plain.values)
    assert np.array_equal(packed.scl, plain.scl)


def test_a_crop_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"k: 'image' has shape \(11, 10, 5, 5\)"):
        read_small_crop("k", np.zeros((11, 10, 5, 5), dtype=np.uint16), 1, "clear")
