from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip.data.splits import check_apart, named_split, read_ids
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, InputError, LeakageError


def test_places_too_close_are_refused_or_warned_of() -> None:
    lon, lat, part = np.array([4.0, 4.001]), np.array([50.0, 50.0]), np.array(["train", "test"])
    with pytest.raises(LeakageError, match=r"1 of 1 held-out places are closer than 500 m"):
        check_apart(part, lat_deg=lat, lon_deg=lon, min_distance_m=500)
    with pytest.warns(DegradedInputWarning, match="flatter"):
        check_apart(part, lat_deg=lat, lon_deg=lon, min_distance_m=500, refuse=False)
    assert check_apart(np.array(["train", "unused"]), lat_deg=lat, lon_deg=lon, min_distance_m=500) == float("inf")


def test_lists_of_ids_split_too(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array(["Lucas_Point_1", "dir/2.npy"]))
    assert read_ids(tmp_path / "a.npy") == ["1", "2"]
    np.save(tmp_path / "b.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="pickled"):
        read_ids(tmp_path / "b.npy")
    part = named_split(["1", "2", "3"], {"train": ["1"], "validation": ["2"]})
    assert part.tolist() == ["train", "validation", "unused"]
    with pytest.raises(InputError, match="in the lists 'train' and 'validation'"):
        named_split(["1"], {"train": ["1"], "validation": ["1"]})
    with pytest.raises(InputError, match="None of the 1 ids"):
        named_split(["1"], {"train": ["9"]})


def test_lists_are_read_from_every_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Lucas_Point_1\n/data/2.npy\n\n3\n")
    assert read_ids(tmp_path / "a.txt") == ["1", "2", "3"]
    (tmp_path / "a.json").write_text('["Lucas_Point_1", 2]')
    assert read_ids(tmp_path / "a.json") == ["1", "2"]
    with pytest.raises(DataNotFoundError, match="No list of ids"):
        read_ids(tmp_path / "none.txt")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(InputError, match="is not a list of ids"):
        read_ids(tmp_path / "b.json")


def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    from numpy.lib import format as npy

    with (tmp_path / "a.npy").open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "<i8", "fortran_order": False, "shape": (10**13,)})
    (tmp_path / "b.npy").write_bytes(b"")
    for name in ("a.npy", "b.npy"):
        with pytest.raises(InputError, match="is not a list of ids"):
            read_ids(tmp_path / name)


@pytest.mark.parametrize("name", ["ids.txt", "ids.npy", "ids.json"])
def test_a_list_of_gigabytes_is_refused_before_it_is_read(name: str, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(3 << 30)  # a sparse file
    with pytest.raises(InputError, match=r"too large|at most"):
        read_ids(tmp_path / name)
