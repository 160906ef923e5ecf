"""Read the tensors of a weights file without running code that the file may hold.

A `.pt` or `.ckpt` is a pickle, which can call any function while it is read. torch's own reader is not used on it:
also with `weights_only=True` it makes real objects, of the size that the pickle asks for. Here the pickle is read as
plain values and notes (`timesenclip.inert_pickle`), and the tensors are views of the file itself. Both forms of
`torch.save` are read: the zip archive of today, and the older sequence of pickles and numbers.
"""

from __future__ import annotations

import io
import math
import os
import struct
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timesenclip.errors import CheckpointError, DataNotFoundError
from timesenclip.inert_pickle import (
    LONGEST_PICKLE,
    Placeholder,
    StorageNote,
    TensorNote,
    read_inert_pickle,
)
from timesenclip.messages import shorten_error
from timesenclip.weights_files import check_names, read_safetensors_header

__all__ = ["read_tensors"]

_NESTED = ("state_dict", "model_state_dict", "model")
"""Where the tensors stand in a training checkpoint: Lightning and open_clip, plain torch loops."""

_DTYPES: dict[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
}
_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of the older form."""
_LONGEST_DIRECTORY = 8 * 2**20
_SMALL = 2**20


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read every tensor of a file by name; of a training checkpoint (Lightning, open_clip) those of its `state_dict`.

    Args:
        path: `.safetensors`, or a file of `torch.save`. Tensors of the latter are views of the file until they are
            changed.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: it cannot be read, asks for something that no weights need, is a TorchScript archive, or holds
            no tensors.
    """
    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No weights at '{file}'; give a .pt, .ckpt or .safetensors file.")
    if file.suffix == ".safetensors":
        return _read_safetensors(file)
    try:
        with file.open("rb") as stream:
            source = _Zip(stream, file) if stream.read(4) == b"PK\x03\x04" else _Legacy(stream, file)
            notes = _tensor_notes(source.content, file)
            return _build(notes, source, file)
    except CheckpointError as error:
        if str(file) in str(error):
            raise
        raise CheckpointError(f"'{file}' cannot be read: {error}.") from error  # of the pickle, which has no name
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError, KeyError, struct.error) as error:
        raise CheckpointError(f"'{file}' cannot be read ({shorten_error(error)}); fetch it again.") from error


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    read_safetensors_header(file)
    try:
        return load_file(file)
    except SafetensorError as error:
        raise CheckpointError(
            f"'{file}' is cut short or no safetensors file ({shorten_error(error)}); fetch it again."
        ) from error


def _tensor_notes(content: Any, file: Path) -> dict[str, TensorNote]:
    """The notes of the tensors of a model by name."""
    if isinstance(content, Mapping):
        content = next((content[key] for key in _NESTED if isinstance(content.get(key), Mapping)), content)
    if isinstance(content, Placeholder):
        raise CheckpointError(
            f"'{file}' holds an object ({content.kind}), which only code can read; where you trust it, load it with "
            "its own code and write torch.save(model.state_dict(), 'weights.pt')."
        )
    if not isinstance(content, Mapping):
        kind = "Tensor" if isinstance(content, TensorNote) else type(content).__name__
        raise CheckpointError(f"'{file}' holds a {kind}; expected a dictionary of tensors.")
    notes = {key: value for key, value in content.items() if isinstance(value, TensorNote)}
    if not notes:
        raise CheckpointError(f"'{file}' holds no tensors; expected the weights of a model.")
    check_names(notes, file)
    return notes


class _Zip:
    """A file of `torch.save` that is a zip archive: NAME/data.pkl, NAME/data/KEY, NAME/byteorder."""

    def __init__(self, stream: BinaryIO, file: Path) -> None:
        self._bytes = np.memmap(file, dtype=np.uint8, mode="c")
        with zipfile.ZipFile(_Bounded(stream)) as archive:
            listed = archive.infolist()
        self._members = {member.filename: member for member in listed}
        if any(name.endswith("/constants.pkl") for name in self._members):
            raise CheckpointError(
                f"'{file}' is a TorchScript archive, which is a program and is not run; take the same model as a state "
                "dictionary or as a folder of transformers (OpenAI's own: openai/clip-vit-base-patch32)."
            )
        if len(self._members) < len(listed):
            raise ValueError("two parts have one name")
        if sum(member.file_size for member in listed) > len(self._bytes):
            raise ValueError("its parts are larger than the file")
        roots = [name.removesuffix("data.pkl") for name in self._members if name.split("/")[1:] == ["data.pkl"]]
        if len(roots) != 1:
            raise ValueError("an archive without the file data.pkl of torch.save")
        self._root = roots[0]
        _check_byte_order(self._read("byteorder", most=16) if self._root + "byteorder" in self._members else b"little")
        self.content = read_inert_pickle(io.BytesIO(self._read("data.pkl", most=LONGEST_PICKLE)))

    def storage(self, note: StorageNote) -> NDArray[np.uint8]:
        """The bytes of a storage."""
        return self._member(f"data/{note.key}")

    def _read(self, name: str, *, most: int) -> bytes:
        member = self._member(name)
        if len(member) > most:
            raise ValueError(f"{name} has {len(member):,} bytes, expected at most {most:,}")
        return member.tobytes()

    def _member(self, name: str) -> NDArray[np.uint8]:
        """The bytes of a part, which must be stored as they are."""
        if self._root + name not in self._members:
            raise ValueError("a part of the archive is missing")
        member = self._members[self._root + name]
        if (
            member.compress_type != zipfile.ZIP_STORED
            or member.flag_bits & 1
            or member.compress_size != member.file_size
        ):
            raise ValueError("a part of the archive is compressed, which torch.save does not do")
        head = self._bytes[member.header_offset : member.header_offset + 30].tobytes()
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise ValueError("the archive is damaged")
        start = member.header_offset + 30 + sum(struct.unpack("<HH", head[26:]))
        found = self._bytes[start : start + member.file_size]
        if len(found) < member.file_size:
            raise ValueError("the file is cut short")
        return found


class _Legacy:
    """A file of the older form: five pickles (magic number, version, system, content, keys), then the storages."""

    def __init__(self, stream: BinaryIO, file: Path) -> None:
        stream.seek(0)
        head = io.BytesIO(stream.read(LONGEST_PICKLE))
        self._bytes = np.memmap(file, dtype=np.uint8, mode="c") if head.getbuffer().nbytes else np.zeros(0, np.uint8)
        magic = read_inert_pickle(head)
        if magic != _MAGIC:
            raise ValueError("no file of torch.save")
        version, system = read_inert_pickle(head), read_inert_pickle(head)
        if version != 1001 or not isinstance(system, dict):
            raise ValueError("another version of torch.save")
        _check_byte_order(b"little" if system.get("little_endian") is True else b"big")
        storages: dict[str, StorageNote] = {}
        self.content = read_inert_pickle(head, storages=storages)
        self._keys = read_inert_pickle(head)
        if not isinstance(self._keys, list) or not all(type(key) is str for key in self._keys):
            raise ValueError("the list of storages is damaged")
        self._position, self._found = head.tell(), dict[str, NDArray[np.uint8]]()
        self._sizes = {key: _dtype(note.kind).itemsize for key, note in storages.items()}

    def storage(self, note: StorageNote) -> NDArray[np.uint8]:
        """The bytes of a storage; each stands after a count, in the order of the keys."""
        while note.key not in self._found and len(self._found) < len(self._keys):
            self._next(self._keys[len(self._found)])
        if note.key not in self._found:
            raise ValueError("a storage is missing")
        return self._found[note.key]

    def _next(self, key: str) -> None:
        size = self._sizes.get(key)
        if size is None or key in self._found:
            raise ValueError("the list of storages is damaged")
        count, start = (
            struct.unpack("<q", self._bytes[self._position : self._position + 8].tobytes())[0],
            self._position + 8,
        )
        if count < 0 or start + count * size > len(self._bytes):
            raise ValueError("the file is cut short")
        self._position = start + count * size
        self._found[key] = self._bytes[start : self._position]


class _Bounded:
    """A file for `zipfile`, which would read a directory of any length; a long one is refused."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell
        self._size = os.fstat(stream.fileno()).st_size

    def seekable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        """As `BinaryIO.read`.

        Raises:
            ValueError: more is asked for than a directory may have.
        """
        left = max(0, self._size - self.tell())
        if (left if count is None or count < 0 else min(count, left)) > _LONGEST_DIRECTORY:
            raise ValueError("the list of its parts is too long")
        return self._stream.read(count)


def _check_byte_order(order: bytes) -> None:
    if order.decode("latin-1") != sys.byteorder:
        raise ValueError(f"its numbers are stored for a {order.decode('latin-1')!r}-endian machine")


def _dtype(kind: str) -> torch.dtype:
    if kind not in _DTYPES:
        raise ValueError(f"numbers of the type {kind[:40]!r} are not read")
    return _DTYPES[kind]


def _build(notes: Mapping[str, TensorNote], source: _Zip | _Legacy, file: Path) -> dict[str, Tensor]:
    """The tensors that notes describe."""
    storages: dict[tuple[str, torch.dtype], Tensor] = {}
    tensors: dict[str, Tensor] = {}
    left = 4 * file.stat().st_size + _SMALL
    for name, note in notes.items():
        dtype = _dtype(note.storage.kind) if note.dtype is None else getattr(torch, note.dtype, None)
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"tensor '{name}' has an unknown data type")
        key = (note.storage.key, dtype)
        if key not in storages:
            storages[key] = _numbers(note.storage, source.storage(note.storage), dtype)
        tensors[name] = _view(note, storages[key], name)
        left -= tensors[name].numel() * dtype.itemsize
        if left < 0:
            raise ValueError("its tensors hold more numbers than the file")
    return tensors


def _numbers(note: StorageNote, found: NDArray[np.uint8], dtype: torch.dtype) -> Tensor:
    """All numbers of a storage, (N,)."""
    if note.count * _dtype(note.kind).itemsize != len(found) or len(found) % dtype.itemsize:
        raise ValueError("a storage has another length than the pickle says")
    if not len(found):
        return torch.empty(0, dtype=dtype)
    if dtype == torch.bool:  # a byte that is neither 0 nor 1 is no bool
        return torch.frombuffer(found, dtype=torch.uint8) != 0
    if found.ctypes.data % dtype.itemsize:
        found = found.copy()
    return torch.frombuffer(found, dtype=dtype)


def _view(note: TensorNote, numbers: Tensor, name: str) -> Tensor:
    """The tensor, after its size and place were compared with the numbers that there are."""
    count = math.prod(note.size)
    last = note.offset + sum((side - 1) * step for side, step in zip(note.size, note.stride, strict=True))
    if count and last >= numbers.numel():
        raise ValueError(f"tensor '{name}' reaches beyond its numbers")
    if count > max(numbers.numel(), _SMALL // numbers.itemsize):
        raise ValueError(f"tensor '{name}' has more elements than its storage has numbers")
    if not count:
        return torch.empty(note.size, dtype=numbers.dtype)
    return numbers.as_strided(note.size, note.stride, note.offset)
