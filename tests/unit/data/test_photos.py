from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from timesenclip.data.photos import find_photos
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.testing.training import write_lucas_photos


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    names = [f"4100000{i}{view}" for i in range(3) for view in "NESWP"][:-2]
    photos = {name: rng.integers(0, 255, (40, 60, 3), dtype=np.uint8) for name in names}
    return write_lucas_photos(tmp_path / "photos", photos)


def test_the_tree_is_found_whatever_is_missing(tree: Path) -> None:
    (tree / "BE" / "readme.jpg").write_bytes(b"x")
    found = find_photos(tree)
    assert len(found.photos) == 13
    assert {p.direction for p in found.photos if p.point_id == "41000002"} == {"N", "E", "S"}
    assert len(found.ignored) == 1


@pytest.mark.parametrize("name", ["46862690N", "46862690_n", "FR_46862690W", "2018_46862690P", "FR_46862690E_1"])
def test_usual_names_are_understood(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.jpg")
    assert find_photos(tmp_path).photos[0].point_id == "46862690"


def test_what_is_no_photo_tree_is_refused(tmp_path: Path, tree: Path) -> None:
    with pytest.raises(DataNotFoundError, match="No photographs"):
        find_photos(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no photograph named like"):
        find_photos(tmp_path / "empty")
    double = tree / "41000000N.jpg"
    Image.new("RGB", (4, 4)).save(double)
    with pytest.raises(InputError, match="same view of one point"):
        find_photos(tree)


def test_a_table_of_paths_is_photographs_too(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("photo,point_id,direction\na.png,7,n\n")
    photo = find_photos(tmp_path / "t.csv").photos[0]
    assert (photo.photo_id, photo.point_id, photo.direction) == ("a.png", "7", "N")
    (tmp_path / "t.csv").write_text("photo,point_id\na.png,7\n,8\n")
    with pytest.raises(InputError, match="row 2: the photo is empty"):
        find_photos(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("path\na.png\n")
    with pytest.raises(InputError, match="no column photo"):
        find_photos(tmp_path / "t.csv")


def test_tables_that_are_empty_or_no_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("photo,point_id\n")
    with pytest.raises(InputError, match="has no row"):
        find_photos(tmp_path / "a.csv")
    for name in ("b.csv", "c.parquet"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(DataNotFoundError, match="as a table"):
            find_photos(tmp_path / name)
