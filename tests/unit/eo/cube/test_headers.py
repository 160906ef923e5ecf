from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from timesenclip.eo.cube.headers import check_hdf5, check_zarr
from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.testing import random_cube, write_netcdf_cube, write_zarr_cube


@pytest.fixture
def netcdf(tmp_path: Path) -> Path:
    return write_netcdf_cube(random_cube(), tmp_path / "cube") / "S2_10m.nc"


@pytest.fixture
def zarr(tmp_path: Path) -> Path:
    return write_zarr_cube(random_cube(), tmp_path / "cube.zarr")


def external_link(opened: h5py.File) -> None:
    del opened["B02"]
    opened["B02"] = h5py.ExternalLink("secret.nc", "/B03")


def link_in_a_group(opened: h5py.File) -> None:
    opened.create_group("deep")["B02"] = h5py.ExternalLink("secret.nc", "/B03")
    del opened["B02"]
    opened["B02"] = h5py.SoftLink("/deep/B02")


def external_storage(opened: h5py.File) -> None:
    shape = opened["B02"].shape
    del opened["B02"]
    opened.create_dataset("B02", shape=shape, dtype="u2", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def virtual(opened: h5py.File) -> None:
    shape = opened["B02"].shape
    del opened["B02"]
    layout = h5py.VirtualLayout(shape=shape, dtype="u2")
    layout[:] = h5py.VirtualSource("secret.nc", "B03", shape=shape)
    opened.create_virtual_dataset("B02", layout)


def long_coordinate(opened: h5py.File) -> None:
    opened.create_dataset("long", shape=(10**9,), dtype="f8", chunks=(1000,))


def long_chunk(opened: h5py.File) -> None:
    opened.create_dataset("B07", shape=(4, 40_000, 40_000), dtype="u2", chunks=(1, 40_000, 40_000))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (external_link, "is a link to another file"),
        (link_in_a_group, "is a link to another file"),
        (external_storage, "takes its values from other files"),
        (virtual, "takes its values from other files"),
        (long_coordinate, "declares 1000000000 values"),
        (long_chunk, "is stored in chunks of 3,200,000,000 bytes"),
    ],
)
def test_hdf5_that_reads_elsewhere_or_is_too_large_is_refused(
    change: Callable[[h5py.File], None], words: str, netcdf: Path
) -> None:
    check_hdf5(netcdf)
    with h5py.File(netcdf, "a") as opened:
        change(opened)
    with pytest.raises(InputError, match=words) as caught:
        open_cube(netcdf.parent)
    assert str(netcdf) in str(caught.value)
    assert "\n" not in str(caught.value)


def edit(array: str, **values: Any) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        file = store / array / "zarr.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return change


def version_2(store: Path) -> None:
    """The first bytes of a chunk would be unpickled when xarray loads the coordinate."""
    for file in store.rglob("zarr.json"):
        file.unlink()
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    about = {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "|O", "order": "C", "fill_value": None}
    (store / "time" / ".zarray").write_text(json.dumps(about | {"compressor": None, "filters": [{"id": "pickle"}]}))
    (store / "time" / ".zattrs").write_text('{"_ARRAY_DIMENSIONS": ["time"]}')
    (store / "time" / "0").write_bytes(b"cos\nsystem\n(S'touch /tmp/unpickled'\ntR.")


def grid(*sides: Any) -> dict[str, Any]:
    return {"name": "regular", "configuration": {"chunk_shape": list(sides)}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (version_2, "is stored by the codec 'pickle'"),
        (edit("B02", codecs=[{"name": "bytes"}, {"name": "numcodecs.pickle"}]), "the codec 'numcodecs.pickle'"),
        (edit("B02", codecs=[{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "x"}]}}]), "codec 'x'"),
        (edit("B02", chunk_grid=grid(0, 8, 12)), "declares the sides"),
        (edit("B02", chunk_grid=grid(1, "8", 12)), "declares the sides"),
        (edit("B02", chunk_grid=grid(1, 12)), "has 3 axes and chunks of 2"),
        (edit("B02", chunk_grid=grid(10**4, 10**4, 10**4)), "stored in chunks of 2,000,000,000,000 bytes"),
        (edit("B02", shape=[6, -8, 12]), "declares the sides"),
        (edit("x", shape=[10**9]), "declares 1000000000 values"),
    ],
)
def test_zarr_that_runs_code_or_cannot_be_meant_is_refused(
    change: Callable[[Path], None], words: str, zarr: Path
) -> None:
    check_zarr(zarr)
    change(zarr)
    with pytest.raises(InputError, match=words) as caught:
        open_cube(zarr)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", "[" * 100_000, "\xff"])
def test_damaged_metadata_are_named(text: str, zarr: Path) -> None:
    (zarr / "B02" / "zarr.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataNotFoundError, match=r"zarr\.json' as Zarr"):
        open_cube(zarr)


def test_names_outside_the_store_are_refused(zarr: Path) -> None:
    about = json.loads((zarr / "B02" / "zarr.json").read_text())
    root = json.loads((zarr / "zarr.json").read_text())
    root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": {"../B02": about}}
    (zarr / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(InputError, match=r"names an array '\.\./B02', outside the store"):
        open_cube(zarr)


def test_a_store_of_numbers_and_text_passes(zarr: Path) -> None:
    check_zarr(zarr)
    assert np.isfinite(open_cube(zarr).read().reflectance).all()
