"""The embedding store: a Zarr v3 group that holds one short vector for every pixel of an area.

    STORE.zarr/
      vectors (Y, X, d) int8       one shard a block, in it square chunks; pixels x d lie together, uncompressed
      scale   (Y, X)    float32    vector = int8 x scale; 0 = never seen clearly
      clear   (Y, X)    uint16     clear observations of the period
      colour  (Y, X, 3) uint8      sqrt(reflectance) of B04, B03, B02 x 255, median of the period; for people
      y, x, spatial_ref            pixel centres and CRS, as CF and xarray have them; `_CRS` as GDAL has it
      basis   (D, d)    float32    projects the vectors of words to d dimensions; absent where d = D
      level1/, level2/, ...        the same at half, a quarter, ... of the resolution
    STORE.zarr.manifest.jsonl      which blocks are done, when, and from what (timesenclip.manifest)
    STORE.zarr.item.json           a STAC item

With blocks of up to 128 pixels a shard would hold one chunk, so there are none: GDAL 3.12 then reads the vectors, too
(it reads the other arrays of every store).
Vectors of eight bits hardly compress (7 % with zstd), and reading them would take three times as long.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pydantic import ValidationError

from timesenclip.eo.area import block_windows
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.extras import require
from timesenclip.files import naming, plain, temporary_path
from timesenclip.grid import Window
from timesenclip.mapping.store.arrays import check_files, open_arrays, open_basis, read_window
from timesenclip.mapping.store.info import BLOCK_ARRAYS, FORMAT_VERSION, BlockData, StoreInfo
from timesenclip.mapping.store.layout import write_layout
from timesenclip.mapping.store.quantise import Projection, score_rows
from timesenclip.messages import shorten_error
from timesenclip.read_files import read_json

__all__ = ["EmbeddingStore", "foreign_in_store"]

_KEY, _STATUS = "timesenclip", "timesenclip_status"
_OWN = re.compile(
    r"(level\d+/)?((vectors|scale|clear|colour|basis|y|x|spatial_ref)/)?"
    r"(zarr\.json|zarr\.[0-9a-f]{32}\.partial|c(/\d+)*(\.[0-9a-f]{32}\.partial)?)"
)
"""Files of a store, relative to it, also under the temporary names of Zarr."""


def foreign_in_store(path: Path) -> str | None:
    """Name of a file in the folder of a store, relative to it, that no store of ours has; None if there is none."""
    for parent, folders, files in os.walk(path):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([*files, *links]):
            inside = Path(parent, name).relative_to(path).as_posix()
            if _OWN.fullmatch(inside) is None:
                return inside
    return None


@dataclass(frozen=True)
class EmbeddingStore:
    """An opened store."""

    path: Path
    """The Zarr group."""
    info: StoreInfo
    """What it is."""
    level: int = 0
    """0 is full resolution; each further level halves it."""

    @classmethod
    def open(cls, path: str | Path) -> EmbeddingStore:
        """Open a store.

        Raises:
            DataNotFoundError: there is none.
            InputError: it is no embedding store, or one of another version.
            MissingExtraError: zarr is not installed.
        """
        place = Path(path)
        if not (place / "zarr.json").is_file():
            raise DataNotFoundError(f"No embedding store at '{place}'; make one with `timesenclip embed-area`.")
        read_json(place / "zarr.json", what="zarr.json of a store", fix="give what `embed-area` wrote")
        try:
            attributes = dict(_zarr().open_group(place, mode="r").attrs)
        except (ValueError, TypeError, LookupError) as error:  # what Zarr raises for a broken zarr.json
            raise InputError(
                f"'{place}/zarr.json' cannot be read ({shorten_error(error)}); give what `embed-area` wrote."
            ) from error
        content: Any = attributes.get(_KEY)
        if not isinstance(content, dict) or "full_dims" not in content:
            raise InputError(f"'{place}' is a Zarr group, but no embedding store; give what `embed-area` wrote.")
        if content.get("format_version") != FORMAT_VERSION:
            raise InputError(
                f"'{place}' has format_version {content.get('format_version')!r}; this version of timesenclip reads "
                f"{FORMAT_VERSION}. Embed the area again."
            )
        try:
            return cls(place, StoreInfo.model_validate(content))
        except ValidationError as error:
            first = error.errors()[0]
            said = str(first["msg"]).removeprefix("Value error, ")
            raise InputError(f"'{place}': '{'.'.join(map(str, first['loc']))}': {said}.") from error

    @classmethod
    def create(cls, path: str | Path, info: StoreInfo, projection: Projection | None) -> EmbeddingStore:
        """Make an empty store, under another name until its metadata are complete."""
        place = Path(path)
        part = temporary_path(place)
        if part.is_symlink() or (part.exists() and foreign_in_store(part) is not None):
            raise InputError(f"'{part}' holds what timesenclip did not write; move it, or give another output.")
        shutil.rmtree(part, ignore_errors=True)  # left by a killed process
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            with naming(place):
                group = _zarr().open_group(part, mode="w", zarr_format=3)
                group.attrs.put({_KEY: plain(info.model_dump(mode="json")), _STATUS: {"complete": False}})
                write_layout(group, info, projection)
                part.rename(place)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return cls(place, info)

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) of this level."""
        return self.info.level_shapes[self.level]

    @property
    def crs(self) -> str:
        """Authority string or WKT."""
        return self.info.crs

    @property
    def transform(self) -> Affine:
        """Affine of this level's grid."""
        return self.info.level_transform(self.level)

    @property
    def period(self) -> str | None:
        """Period that was read, as area sources take it; None: all of the area's dates."""
        return None if self.info.period == "all" else self.info.period

    @property
    def status(self) -> dict[str, Any]:
        """`complete`, and once it is, `provenance`."""
        found: Any = _zarr().open_group(self.path, mode="r").attrs.get(_STATUS)
        if not isinstance(found, dict) or (found.get("complete") and not _has_input(found.get("provenance"))):
            raise InputError(f"'{self.path}' does not say how it was made ('{_STATUS}'); embed the area again.")
        return dict(found)

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands that the store was made of, as its provenance says; empty in early stores, which do not say it."""
        found = (self.status.get("provenance") or {}).get("input", {}).get("bands")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def require_complete(self) -> None:
        """Refuse a store with missing blocks, or with arrays that are not those of a store.

        Raises:
            InputError: it is not complete, or damaged.
            DataNotFoundError: an array is missing.
        """
        if not self.status.get("complete"):
            raise InputError(
                f"The store '{self.path}' is not complete; run the same `embed-area` command "
                "again, which computes the missing blocks."
            )
        check_files(self._folder)
        _ = self._arrays, self.projection  # opened now, before a command writes anything

    def finish(self, provenance: dict[str, Any]) -> None:
        """Mark the store as complete."""
        with naming(self.path / "zarr.json"):
            group = _zarr().open_group(self.path, mode="r+")
            group.attrs.update({_STATUS: {"complete": True, "provenance": plain(provenance)}})

    @cached_property
    def projection(self) -> Projection | None:
        """Projects vectors to the store's dimensions; None where all dimensions are kept."""
        if self.info.dims == self.info.full_dims:
            return None
        return Projection(open_basis(self.path, self.info), self.info.kept)

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        return open_arrays(self._folder, self.info, self.shape)

    @property
    def _folder(self) -> Path:
        return self.path if self.level == 0 else self.path / f"level{self.level}"

    def at_level(self, level: int) -> EmbeddingStore:
        """The same store at a coarser level."""
        return replace(self, level=level)

    def blocks(self) -> Iterator[Window]:
        """Windows of this level that are one shard each."""
        return block_windows(self.shape, self.info.block)

    def has(self, window: Window) -> bool:
        """Whether the last file of a block is there; a block in which nothing was seen has none."""
        row, _, column, _ = (edge // self.info.block for edge in window)
        return (self._folder / "scale" / "c" / str(row) / str(column)).is_file()

    def write(self, window: Window, data: BlockData) -> None:
        """Write one whole block; every file appears under its name complete, `scale`, which says what is seen, last."""
        row, row_end, column, column_end = window
        for name, array in self._arrays.items():
            with naming(self.path / name):
                array[row:row_end, column:column_end] = getattr(data, name)

    def read(self, window: Window | None = None) -> BlockData:
        """Read a window: first and last row, first and last column, the last ones exclusive; default: all."""
        place = window or Window.whole(self.shape)
        return BlockData(**{name: self._read(name, place) for name in BLOCK_ARRAYS})

    def _read(self, name: str, window: Window) -> NDArray[Any]:
        return read_window(self._arrays[name], self._folder / name, window)

    def scores(self, window: Window, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (Y * X, K) of a window for vectors (K, d); NaN where not seen. Reads nothing but vectors and scale."""
        values, scale = self._read("vectors", window), self._read("scale", window)
        return score_rows(values.reshape(-1, self.info.dims), scale.reshape(-1), vectors)

    def project(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors (K, D) of words or pixels, projected to the store's dimensions (K, d).

        Raises:
            InputError: they have another number of dimensions than the store was made in.
        """
        if vectors.shape[1] != self.info.full_dims:
            raise InputError(
                f"The vectors have {vectors.shape[1]} dimensions, the store '{self.path}' was made in "
                f"{self.info.full_dims}; ask with its tower, '{self.info.tower}'."
            )
        return vectors if self.projection is None else self.projection(vectors)


def _has_input(provenance: object) -> bool:
    return isinstance(provenance, dict) and isinstance(provenance.get("input"), dict)


def _zarr() -> Any:
    return require("zarr", "zarr", needed_by="Embedding stores")
