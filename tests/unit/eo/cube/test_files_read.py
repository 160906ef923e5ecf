from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from timesenclip.eo.cube.files_read import check_regular, file_states, zarr_entries
from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.series import Cube
from timesenclip.testing import random_cube, write_geotiff_stack, write_netcdf_cube, write_zarr_cube

WRITERS: dict[str, Callable[[Cube, Path], Path]] = {
    "netcdf": write_netcdf_cube,
    "zarr": write_zarr_cube,
    "geotiff": write_geotiff_stack,
}


def edit(file: Path) -> None:
    """Write a file again, with the same size."""
    state = file.stat()
    file.write_bytes(file.read_bytes())
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 1))


def inner_file(path: Path) -> Path:
    """A file that is read: for Zarr a chunk of a band."""
    inner = path / "B12" / "c" if path.suffix == ".zarr" else path
    return sorted(file for file in inner.rglob("*") if file.suffix in ("", ".nc", ".tif") and file.is_file())[-1]


@pytest.mark.parametrize("kind", WRITERS)
def test_the_identity_follows_what_is_read_and_nothing_else(kind: str, tmp_path: Path) -> None:
    path = WRITERS[kind](random_cube(), tmp_path / f"cube.{kind}")
    before = open_cube(path).identity
    (path / "README.md").write_text("text")
    (path / ".hidden.tif").write_text("text")
    (path / "out" / ".map.partial").mkdir(parents=True)
    (path / "out" / ".map.partial" / "0-0.npz").write_text("text")
    assert open_cube(path).identity == before
    moved = tmp_path / "elsewhere" / path.name
    moved.parent.mkdir()
    path.rename(moved)
    assert open_cube(moved).identity == before
    source = open_cube(moved)
    source.check_unchanged()
    edit(inner_file(moved))
    with pytest.raises(InputError, match="was changed while it was read"):
        source.check_unchanged()
    assert open_cube(moved).identity != before


def test_images_in_folders_of_folders_count(tmp_path: Path) -> None:
    path = write_geotiff_stack(random_cube(), tmp_path / "cube")
    for file in sorted(path.glob("*_B04.tif")):
        deep = path / f"{file.stem}.SAFE" / "GRANULE" / "IMG_DATA"
        deep.mkdir(parents=True)
        file.rename(deep / file.name)
    before = open_cube(path).identity
    edit(next(path.rglob("*_B04.tif")))
    middle = open_cube(path).identity
    assert middle != before
    image = next(path.rglob("*_B04.tif"))
    image.with_name(f"{image.name}.aux.xml").write_text("<PAMDataset></PAMDataset>")  # GDAL reads it, too
    assert open_cube(path).identity != middle


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    path = write_netcdf_cube(random_cube(), tmp_path / "cube")
    source = open_cube(path)
    before = source.identity
    (path / "S2_20m.nc").unlink()
    assert before
    with pytest.raises(DataNotFoundError, match="changed while it was used"):
        source.check_unchanged()


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(InputError, match="is no regular file"):
            check_regular(tmp_path / name)
    for name in ("none", "a\0b"):
        with pytest.raises(DataNotFoundError, match="Cannot read"):
            check_regular(tmp_path / name)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_pipe_among_the_files_does_not_hang(kind: str, tmp_path: Path) -> None:
    path = WRITERS[kind](random_cube(), tmp_path / f"cube.{kind}")
    file = inner_file(path)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(InputError, match="pipe"):
        open_cube(path)


@pytest.mark.parametrize("name", ["pipe", "pipe.nc", "pipe.zarr", "pipe.tif"])
def test_a_pipe_as_a_cube_does_not_hang(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="is no regular file"):
        open_cube(tmp_path / name)


def test_a_store_with_links_is_refused(tmp_path: Path) -> None:
    path = write_zarr_cube(random_cube(), tmp_path / "cube.zarr")
    chunk = inner_file(path)
    shutil.copy(chunk, tmp_path / "secret")
    chunk.unlink()
    chunk.symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="is a symbolic link"):
        open_cube(path)


def test_states_are_sorted_and_relative(tmp_path: Path) -> None:
    for name in ("c/1/0", "c/0/0", "c/10/0"):
        (tmp_path / "B02" / name).parent.mkdir(parents=True)
        (tmp_path / "B02" / name).write_text("x")
    (tmp_path / "B02" / "zarr.json").write_text("{}")
    (tmp_path / "B02" / "notes.txt").write_text("x")
    names = [state[0] for state in file_states(tmp_path, [tmp_path / "B02"])]
    assert names == ["B02/c/0/0", "B02/c/1/0", "B02/c/10/0", "B02/zarr.json"]
    assert [entry.name for entry in zarr_entries(str(tmp_path / "B02"), deep=False)] == ["zarr.json"]
