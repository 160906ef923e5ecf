"""Headers of netCDF-4 files and Zarr stores, looked at before xarray opens them.

xarray loads coordinates when it opens a file, and its libraries follow what a header names: HDF5 reads other files of
this machine (external links, virtual datasets, external storage), and a codec of Zarr version 2 unpickles chunks. Such
headers are refused here, with sizes that nobody can mean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from timesenclip.eo.cube.files_read import zarr_entries
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.messages import list_some

__all__ = ["check_hdf5", "check_zarr", "declared_chunks"]

_MOST_VALUES = 10_000_000
"""Values of a variable with fewer than three axes: such variables are loaded whole, and 10 million are a cube of
100,000 km from north to south."""
_MOST_CHUNK_BYTES = 2 << 30
"""A chunk is unpacked whole, whatever window is read."""
_MOST_VARIABLES = 2_000
"""xarray takes minutes to open a file of 10,000."""
_MOST_METADATA_BYTES = 64 << 20
_CODECS = {
    *("bytes", "transpose", "blosc", "gzip", "zstd", "crc32c", "sharding_indexed", "vlen-utf8", "vlen-bytes"),
    *("zlib", "lz4", "bz2", "lzma", "shuffle", "delta", "fixedscaleoffset", "bitround", "quantize", "astype"),
    *("packbits", "crc32", "adler32", "fletcher32", "endian", "cast_value", "scale_offset"),
}
"""Codecs that turn bytes into numbers and do nothing else. `pickle`, above all, is none of them."""


def check_hdf5(file: Path) -> None:
    """Refuse an HDF5 file that reads from other files, or declares sizes that nobody can mean.

    Raises:
        InputError: it does.
        OSError: it is no HDF5 file, or is damaged.
    """
    import h5py

    with h5py.File(file, "r") as opened:
        names: list[bytes] = []
        outside: list[bytes] = []

        def visit(name: bytes, info: Any) -> None:
            (outside if info.type not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT) else names).append(name)

        opened.id.links.visit(visit, info=True)
        if outside:
            raise InputError(
                f"'{file}': {list_some([_shown(name) for name in outside])} is a link to another file, which is not "
                "followed; copy the data into one file (h5repack, or ncks)."
            )
        if len(names) > _MOST_VARIABLES:
            raise InputError(
                f"'{file}' holds {len(names):,} variables; at most {_MOST_VARIABLES:,} are read. Keep the bands only."
            )
        for name in names:
            if opened.get(name, getlink=True, getclass=True) is h5py.HardLink:
                _check_dataset(file, _shown(name), h5py.h5o.open(opened.id, name))


def _check_dataset(file: Path, name: str, found: Any) -> None:
    import h5py

    if not isinstance(found, h5py.h5d.DatasetID):
        return
    how = found.get_create_plist()
    if how.get_external_count() or how.get_layout() == h5py.h5d.VIRTUAL:
        raise InputError(
            f"'{file}': {name} takes its values from other files, which are not read; copy the data into one file."
        )
    _check_size(file, name, found.shape)
    if how.get_layout() == h5py.h5d.CHUNKED:
        _check_chunk(file, name, math.prod(how.get_chunk()) * found.dtype.itemsize)


def check_zarr(store: Path) -> None:
    """Refuse a Zarr store whose metadata name codecs that could run code, files elsewhere, or sizes nobody can mean.

    Raises:
        InputError: it does, or it holds symbolic links, pipes or devices.
        DataNotFoundError: metadata are no JSON or too long.
    """
    for name, about in _zarr_arrays(store):
        if ".." in name.split("/") or name.startswith("/"):
            raise InputError(f"'{store}' names an array '{name}', outside the store; expected names within it.")
        codecs = [*_codecs(about.get("codecs")), *_codecs([about.get("compressor"), *_listed(about.get("filters"))])]
        unknown = [codec for codec in codecs if codec.removeprefix("numcodecs.") not in _CODECS]
        if unknown:
            raise InputError(
                f"'{store}': {name} is stored by the codec '{unknown[0]}', which is not read; expected one that packs "
                "numbers, such as zstd, blosc or gzip. Write it again without it."
            )
        shape = _numbers(about.get("shape"), store, name, least=0)
        _check_size(store, name, shape)
        chunk = _chunk_shape(about)
        if chunk is not None:
            if not shape and not chunk:
                continue
            sides = _numbers(chunk, store, name, least=1)
            if len(sides) != len(shape):
                raise InputError(f"'{store}': {name} has {len(shape)} axes and chunks of {len(sides)}; write it again.")
            _check_chunk(store, name, math.prod(sides) * _item_bytes(about))
        if (store / name).is_dir():
            for _ in zarr_entries(str(store / name)):
                pass  # raises where an entry is no plain file


def declared_chunks(store: Path) -> dict[str, tuple[str, int]]:
    """Array of a checked store -> the outermost codec and the bytes of a chunk; those of no fixed size are left out.

    Args:
        store: what `check_zarr` has accepted.
    """
    found = {}
    for name, about in _zarr_arrays(store):
        kind, chunk = str(about.get("data_type", about.get("dtype", ""))), _chunk_shape(about)
        last = about.get("compressor") or ([None, *_innermost(about.get("codecs"))])[-1]
        if chunk and last and any(map(str.isdigit, kind)):
            codec = next(_codecs([last])).removeprefix("numcodecs.")
            wide = 4 if "U" in kind else 1  # four bytes a character
            found[name] = codec, math.prod(chunk) * _item_bytes(about) * wide
    return found


def _innermost(codecs: Any) -> list[Any]:
    """The codecs of an array, or of the chunks within its shards."""
    for codec in _listed(codecs):
        if isinstance(codec, dict) and codec.get("name") == "sharding_indexed":
            return _innermost((codec.get("configuration") or {}).get("codecs"))
    return _listed(codecs)


def _zarr_arrays(store: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and metadata of every array that xarray finds: in files of their own, and as the root repeats them."""
    for entry in zarr_entries(str(store), deep=False):
        about = _metadata(Path(entry.path))
        if entry.name == "zarr.json":
            inside = (about.get("consolidated_metadata") or {}).get("metadata") or {}
            yield from ((name, each) for name, each in inside.items() if each.get("node_type") == "array")
        elif entry.name == ".zmetadata":
            inside = about.get("metadata") or {}
            yield from (
                (name.removesuffix("/.zarray"), each) for name, each in inside.items() if name.endswith("/.zarray")
            )
    for folder in store.iterdir():
        for file in (folder / "zarr.json", folder / ".zarray"):
            if file.is_file():
                about = _metadata(file)
                if file.name == ".zarray" or about.get("node_type") == "array":
                    yield folder.name, about


def _metadata(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _MOST_METADATA_BYTES:
        raise DataNotFoundError(f"'{file}' is longer than {_MOST_METADATA_BYTES >> 20} MB; expected Zarr's metadata.")
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataNotFoundError(f"Cannot read '{file}' as Zarr ({type(error).__name__}); it is damaged.") from error
    if not isinstance(content, dict):
        raise DataNotFoundError(f"Cannot read '{file}' as Zarr: it holds a {type(content).__name__}.")
    return content


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _codecs(value: Any) -> Iterator[str]:
    """Names of codecs, and of those inside a shard."""
    for codec in _listed(value):
        if not isinstance(codec, dict):
            if codec is not None:
                yield str(codec)
            continue
        yield str(codec.get("name", codec.get("id")))
        inner = codec.get("configuration")
        if isinstance(inner, dict):
            yield from _codecs([*_listed(inner.get("codecs")), *_listed(inner.get("index_codecs"))])


def _chunk_shape(about: Mapping[str, Any]) -> Any:
    """Sides of what is unpacked at once: of a chunk, or of one inside a shard."""
    for codec in _listed(about.get("codecs")):
        if isinstance(codec, dict) and codec.get("name") == "sharding_indexed":
            return (codec.get("configuration") or {}).get("chunk_shape")
    if "chunks" in about:
        return about["chunks"]
    grid = about.get("chunk_grid")
    inner = grid.get("configuration") if isinstance(grid, dict) else None
    return inner.get("chunk_shape") if isinstance(inner, dict) else None


def _item_bytes(about: Mapping[str, Any]) -> int:
    kind = str(about.get("data_type", about.get("dtype", "")))
    digits = "".join(char for char in kind if char.isdigit())
    return max(1, int(digits[:4]) // (8 if "data_type" in about else 1)) if digits else 1


def _numbers(value: Any, store: Path, name: str, *, least: int) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(side) is int and side >= least for side in value):
        raise InputError(f"'{store}': {name} declares the sides {str(value)[:80]}; expected whole numbers.")
    return tuple(value)


def _check_size(source: Path, name: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 3 and math.prod(shape) > _MOST_VALUES:
        raise InputError(
            f"'{source}': {name} declares {' x '.join(map(str, shape))} values; at most {_MOST_VALUES:,} are read of "
            "coordinates and other variables without the three axes of a band."
        )


def _check_chunk(source: Path, name: str, size: int) -> None:
    if size > _MOST_CHUNK_BYTES:
        raise InputError(
            f"'{source}': {name} is stored in chunks of {size:,} bytes, and each must be unpacked whole; write it in "
            f"chunks below {_MOST_CHUNK_BYTES >> 30} GiB, such as 1 x 512 x 512."
        )


def _shown(name: bytes) -> str:
    return f"'{name.decode('utf-8', 'replace')}'"
