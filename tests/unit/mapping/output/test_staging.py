"""Files of a map take their names together, or the older map stays whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from timesenclip.errors import InputError
from timesenclip.mapping.output.staging import check_map_folder, map_folder, staged

NAMES = ("a.tif", "b.csv", "provenance.json")


def write(folder: Path, *names: str) -> None:
    with map_folder(folder, "map", NAMES) as out, staged(out, "map", NAMES) as stage:
        for name in names:
            (stage / name).write_text("new")


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".timesenclip.json"}


def test_a_second_map_removes_what_only_the_first_has(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path, *NAMES)
    write(tmp_path, "a.tif", "provenance.json")
    assert names_in(tmp_path) == {"a.tif", "provenance.json", "notes.txt"}


def test_after_an_error_the_older_map_is_whole(tmp_path: Path) -> None:
    write(tmp_path, *NAMES)
    (tmp_path / "a.tif").write_text("old")

    def half() -> None:
        with map_folder(tmp_path, "map", NAMES) as out, staged(out, "map", NAMES) as stage:
            (stage / "a.tif").write_text("new")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        half()
    assert names_in(tmp_path) == set(NAMES)
    assert (tmp_path / "a.tif").read_text() == "old"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def intrude() -> None:
        with map_folder(tmp_path, "map", NAMES) as out, staged(out, "map", NAMES) as stage:
            (stage / "a.tif").write_text("new")
            (tmp_path / "b.csv").write_text("mine")

    with pytest.raises(InputError, match=r"b\.csv' was made by another program"):
        intrude()
    assert names_in(tmp_path) == {"b.csv"}


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    stage = tmp_path / ".new.timesenclip-part"
    stage.mkdir()
    (stage / "a.tif").write_text("torn")
    (stage / ".b.csv.timesenclip-part").write_text("torn")
    write(tmp_path, "provenance.json")
    assert names_in(tmp_path) == {"provenance.json"}


def test_maps_are_not_written_into_a_zarr_store(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text("{}")
    with pytest.raises(InputError, match="is a Zarr store, and maps must not be written into it"):
        check_map_folder(tmp_path, "map", NAMES)
