from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import zarr

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.mapping.embed_area import StoreResult
from timesenclip.mapping.store.arrays import check_files, open_arrays, open_basis, read_window


@pytest.fixture
def copy(embedded: StoreResult, tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedded.store.path, tmp_path / "copy.zarr"))


def _chunk(store: Path, name: str) -> Path:
    return next(path for path in sorted((store / name / "c").rglob("*")) if path.is_file())


def test_arrays_of_another_shape_or_type_are_refused(embedded: StoreResult, copy: Path) -> None:
    info = embedded.store.info
    assert set(open_arrays(copy, info, info.shape)) == {"vectors", "scale", "clear", "colour"}
    assert open_basis(copy, info).shape == (info.full_dims, info.dims)
    with pytest.raises(InputError, match=r"'.*vectors' is int8 of shape"):
        open_arrays(copy, info, (64, 64))
    with pytest.raises(InputError, match=r"'.*basis' is float32 of shape"):
        open_basis(copy, info.model_copy(update={"dims": 3}))
    shutil.rmtree(copy / "scale")
    with pytest.raises(DataNotFoundError, match=r"'.*scale' cannot be opened"):
        open_arrays(copy, info, info.shape)


@pytest.mark.parametrize(("name", "content"), [("scale", b"random bytes"), ("vectors", b"")])
def test_a_damaged_chunk_is_named(name: str, content: bytes, copy: Path) -> None:
    _chunk(copy, name).write_bytes(content)
    with pytest.raises(InputError, match=rf"'.*{name}' has a damaged chunk"):
        read_window(zarr.open_array(copy / name, mode="r"), copy / name, None)


def test_a_chunk_that_is_a_pipe_is_refused_before_it_is_read(copy: Path) -> None:
    check_files(copy)
    chunk = _chunk(copy, "clear")
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(InputError, match="symbolic link, pipe, socket or device"):
        check_files(copy)
    shutil.rmtree(copy / "clear")
    with pytest.raises(DataNotFoundError, match="cannot be listed"):
        check_files(copy)
