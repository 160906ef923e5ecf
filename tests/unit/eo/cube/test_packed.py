from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.cube.open import open_cube
from timesenclip.eo.cube.packed import unpacked_bytes
from timesenclip.errors import DataNotFoundError
from timesenclip.testing import random_cube, write_zarr_cube

CODECS = {
    "zstd": numcodecs.Zstd(),
    "blosc": numcodecs.Blosc(),
    "lz4": numcodecs.LZ4(),
    "gzip": numcodecs.GZip(),
}


@pytest.mark.parametrize("size", [0, 1, 200, 300, 70_000, 5_000_000])
@pytest.mark.parametrize("codec", CODECS)
def test_frames_say_what_they_unpack_to(codec: str, size: int) -> None:
    said = unpacked_bytes(bytes(CODECS[codec].encode(b"x" * size)), codec)
    assert said == size or (size < 100 and said < 100)


def test_a_zstd_frame_without_a_size_is_judged_by_its_blocks() -> None:
    blocks = (1_000_000 << 3 | 0b010).to_bytes(3, "little") + b"x"
    last = (5 << 3 | 0b001).to_bytes(3, "little") + b"hello"
    assert unpacked_bytes(b"\x28\xb5\x2f\xfd\x00\x58" + blocks * 9 + last, "zstd") == 9_000_005


@pytest.mark.parametrize("data", [b"", b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"no frame at all, but a text"])
def test_what_is_no_frame_says_nothing_or_little(data: bytes) -> None:
    for codec in ("zstd", "gzip", "bytes"):
        assert unpacked_bytes(data, codec) < 40_000


def test_a_chunk_that_unpacks_to_more_than_declared_is_refused(tmp_path: Path) -> None:
    path = write_zarr_cube(random_cube((8, 12)), tmp_path / "cube.zarr")
    opened = open_cube(path)
    expected = opened.read(every=None)
    chunks: list[Any] = [
        p for p in (path / "B04").rglob("*") if p.is_file() and p.suffix != ".json" and p.name[0] != "."
    ]
    assert chunks
    for chunk in chunks:
        chunk.write_bytes(bytes(numcodecs.Zstd().encode(b"\0" * (64 << 20))))
    with pytest.raises(DataNotFoundError, match=r"unpacks to 67,108,864 bytes, but its array declares"):
        open_cube(path).read(every=None)
    assert expected.reflectance.shape[1] == len(BAND_NAMES)


def test_a_cube_in_zarr_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    source = open_cube(write_zarr_cube(random_cube((8, 12)), tmp_path / "cube.zarr"))
    sent = pickle.loads(pickle.dumps(source))
    assert np.array_equal(sent.read(every=None).reflectance, source.read(every=None).reflectance)
