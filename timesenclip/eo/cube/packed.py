"""Chunks of a Zarr store that say they unpack to more than their array declares are refused before they are unpacked.

A frame of a few bytes can unpack to gigabytes, whatever the chunk's declared size. zstd, blosc and lz4 say the size at
the beginning of a frame, gzip at its end. What a gzip frame says can be wrong: it then unpacks to at most 1,032 times
its stored size, which must not exceed the limit either. Other codecs (zlib, bz2, lzma) say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zarr.storage import LocalStore, WrapperStore

from timesenclip.errors import InputError

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = ["BoundedStore", "unpacked_bytes"]

_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_BLOCK = 128 << 10
_TIMES = 4
"""How many times its declared size a chunk may take between two codecs: a filter may widen the type."""
_SLACK = 1 << 20


class BoundedStore(WrapperStore[LocalStore]):
    """A Zarr store on disk whose chunks unpack to about what their arrays declare."""

    def __init__(self, store: LocalStore, declared: Mapping[str, tuple[str, int]]) -> None:
        """Wrap a store.

        Args:
            store: the store.
            declared: array -> the codec that packs it, and the bytes of its chunks (or of those within a shard).
        """
        super().__init__(store)
        self.declared = dict(declared)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """As that of the store.

        Raises:
            InputError: the chunk says that it unpacks to far more than its array declares.
        """
        found = await super().get(key, prototype, byte_range)
        name = key.rpartition("/c/")[0] or key.rpartition("/")[0]
        if found is not None and name in self.declared and not key.endswith((".json", ".zarray", ".zattrs")):
            codec, size = self.declared[name]
            said = unpacked_bytes(found.to_bytes(), codec)
            most = _TIMES * size + _SLACK
            if said > most:
                raise InputError(f"chunk '{key}' unpacks to {said:,} bytes, but its array declares {size:,}")
        return found


def unpacked_bytes(data: bytes, codec: str) -> int:
    """Bytes that a frame says it unpacks to; 0 where it says nothing.

    Args:
        data: the frame.
        codec: `zstd`, `blosc`, `lz4` or `gzip`; others say nothing.
    """
    if codec == "zstd" and data.startswith(_ZSTD):
        return _zstd_bytes(data)
    if codec == "blosc" and len(data) >= 16:
        return _number(data[4:8])
    if codec == "lz4" and len(data) >= 4:
        return _number(data[:4])
    if codec == "gzip" and data.startswith(b"\x1f\x8b"):
        return max(_number(data[-4:]), len(data))
    return 0


def _zstd_bytes(data: bytes) -> int:
    """Of a frame without its size, the most that its blocks can unpack to. Source: RFC 8878, section 3.1.1."""
    about = data[4] if len(data) > 4 else 0
    single = about >> 5 & 1
    at = 5 + (1 - single) + (0, 1, 2, 4)[about & 3]
    width = (single, 2, 4, 8)[about >> 6]
    if width:
        return _number(data[at : at + width]) + (256 if width == 2 else 0)
    most = 0
    while at + 3 <= len(data):
        head = _number(data[at : at + 3])
        kind, size = head >> 1 & 3, head >> 3
        most += _ZSTD_BLOCK if kind == 2 else size
        at += 3 + (1 if kind == 1 else size)
        if head & 1:
            break
    return most


def _number(data: Any) -> int:
    return int.from_bytes(data, "little")
