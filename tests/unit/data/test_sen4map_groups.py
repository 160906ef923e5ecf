from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES
from timesenclip.data.sen4map import convert_sen4map
from timesenclip.data.sen4map_groups import (
    open_group,
    open_image,
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


@pytest.mark.parametrize("trick", ["external link", "soft link", "virtual", "external storage", "text", "long", "ids"])
def test_what_leads_to_another_file_or_is_no_array_is_refused(trick: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as other:
        other["x"] = np.ones((3, 9, 9), dtype=np.uint16)
    (tmp_path / "secret.bin").write_bytes(b"\1" * 3 * 9 * 9 * 2)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("Lucas_Point_1")
        for name in (*BAND_NAMES, "SCL"):
            group[name.replace("B0", "B")] = np.ones((3, 9, 9), dtype=np.uint16)
        group["Image_ID"] = [b"20180101", b"20180201", b"20180301"]
        name = "Image_ID" if trick == "ids" else "B4"
        del group[name]
        if trick == "external link":
            group["B4"] = h5py.ExternalLink("secret.h5", "x")
        elif trick == "soft link":
            file["out"] = h5py.ExternalLink("secret.h5", "/")
            group["B4"] = h5py.SoftLink("/out/x")
        elif trick == "virtual":
            layout = h5py.VirtualLayout((3, 9, 9), np.uint16)
            layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "x", (3, 9, 9))
            group.create_virtual_dataset("B4", layout)
        elif trick == "external storage":
            external = [(str(tmp_path / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
            group.create_dataset("B4", (3, 9, 9), np.uint16, external=external)
        elif trick == "text":
            group["B4"] = np.full((3, 9, 9), b"text")
        elif trick == "long":
            group.create_dataset("B4", (10**9, 9, 9), np.uint16, chunks=(1, 9, 9))
        else:
            group.create_dataset("Image_ID", (10**12,), "S8", chunks=(1000,))
    with open_sen4map(tmp_path / "a.h5") as source:
        group = open_group(source, "Lucas_Point_1")
        assert open_image("Lucas_Point_1", group) is None
        with pytest.raises(InputError, match=r"never (followed|read)|expected|Image_IDs for 3"):
            read_full_patch("Lucas_Point_1", group, np.memmap(tmp_path / "a.h5", mode="r", dtype=np.uint8), 1, 2)


def test_a_point_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as other:
        other["g/image"] = np.ones((12, 10, 3, 3), dtype=np.uint16)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["Lucas_Point_1"] = h5py.ExternalLink("secret.h5", "g")
        file["Lucas_Point_2"] = h5py.SoftLink("/")
        file["Lucas_Point_3/image"] = h5py.ExternalLink("secret.h5", "g/image")
    with open_sen4map(tmp_path / "a.h5") as source:
        for key in ("Lucas_Point_1", "Lucas_Point_2"):
            with pytest.raises(InputError, match="never followed"):
                open_group(source, key)
        with pytest.raises(InputError, match="never followed"):
            open_image("Lucas_Point_3", open_group(source, "Lucas_Point_3"))
