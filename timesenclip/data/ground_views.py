"""Embedded ground views: an append-only store of vectors, and the reading of the authors' published dictionary.

FOLDER/ground.json            tower, its revision, dimension
FOLDER/part-000000.parquet    photo_id, point_id, direction, vector (fixed-size list of float16, unit length)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.data.photos import Photo
from timesenclip.errors import CheckpointError, DataNotFoundError, InputError, TimeSenCLIPError
from timesenclip.files import atomic_path, write_json
from timesenclip.read_files import read_json

if TYPE_CHECKING:
    from timesenclip.ground.tower import GroundTower

__all__ = ["Embedded", "GroundViews", "embed_photos", "read_ground_views"]

_PART = 2048
_KEY = re.compile(r"^(?:[A-Z]{2}_)?(?P<point>\d+)(?P<view>[WENSP])$")


@dataclass(frozen=True, slots=True)
class GroundViews:
    """Vectors of photographs taken on the ground."""

    photo_id: NDArray[np.str_]
    """(M,) names."""
    point_id: NDArray[np.str_]
    """(M,) places, "" where unknown."""
    direction: NDArray[np.str_]
    """(M,) W, E, N, S, P or ""."""
    vectors: NDArray[np.float16]
    """(M, D) as stored: ours have unit length, the published ones may not."""
    tower: str | None
    """Tower that made them; None where the file does not say."""
    revision: str | None = None
    """Revision of the tower on the hub."""

    def __len__(self) -> int:
        """Number of views, M."""
        return len(self.photo_id)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.vectors.shape[1])


@dataclass(frozen=True, slots=True)
class Embedded:
    """The result of a run of `embed_photos`."""

    written: int
    """Photographs embedded now."""
    known: int
    """Photographs that were in the store already."""
    failed: dict[str, str]
    """Photographs that could not be read, and why."""


def embed_photos(
    photos: Sequence[Photo],
    out: str | Path,
    *,
    tower: GroundTower,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Embed photographs into a store; those that it holds already are skipped, so a stopped run can be continued.

    Args:
        photos: as `find_photos` gives them.
        out: folder of the store; created if it does not exist.
        tower: embeds them; must be the tower with which the store was begun.
        batch_size: photographs that are decoded and embedded at a time.
        progress: called with (done, all).

    Raises:
        InputError: the store belongs to another tower, or the folder holds parts or a ground.json that are not ours.
        TowerError: the tower reads no photographs.
    """
    folder = Path(out)
    check_ground_folder(folder)
    new = _check_begun(folder, tower)
    parts = _parts(folder)
    held = {str(name) for part in parts for name in _read_part(part, ["photo_id"]).column("photo_id").to_pylist()}
    todo = [photo for photo in photos if photo.photo_id not in held]
    failed: dict[str, str] = {}
    written, done = 0, len(photos) - len(todo)
    number = 1 + max((int(part.stem.split("-")[1]) for part in parts), default=-1)
    for first in range(0, len(todo), _PART):
        rows: list[tuple[Photo, NDArray[np.float32]]] = []
        for start in range(first, min(first + _PART, len(todo)), batch_size):
            batch = todo[start : min(start + batch_size, first + _PART)]
            rows += _embed_batch(batch, tower, failed)
            done += len(batch)
            if progress is not None:
                progress(done, len(photos))
        if rows:
            if new is not None:
                write_json(folder / "ground.json", new)
                new = None
            _write_part(folder / f"part-{number:06d}.parquet", rows, tower.dim)
            written, number = written + len(rows), number + 1
    return Embedded(written, len(photos) - len(todo), failed)


def check_ground_folder(out: str | Path) -> None:
    """Check, before any work, that photographs can be embedded into a folder: it is a store of ours or not yet one.

    Raises:
        InputError: it is a file, or it holds a ground.json or parts that are not ours.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"'{folder}' is a file, and a ground store is a folder; give another output.")
    about = folder / "ground.json"
    if not about.exists() and not about.is_symlink():
        foreign = sorted(folder.glob("part-*.parquet"))
        if foreign:
            raise InputError(f"'{foreign[0]}' belongs to no ground store (no ground.json beside it); move it.")
        return
    try:
        content = read_json(about, what="description of a ground store")
        ours = {"tower", "dim", "format_version"} <= content.keys()
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise InputError(f"'{about}' describes no ground store; move it, or give another output.")


def _embed_batch(
    batch: Sequence[Photo], tower: GroundTower, failed: dict[str, str]
) -> list[tuple[Photo, NDArray[np.float32]]]:
    """Vectors of the photographs that can be read; the others go to `failed`, with the reason."""
    from timesenclip.ground.clip.preprocess import read_image

    good, images = [], []
    for photo in batch:
        try:
            images.append(read_image(photo.path))
            good.append(photo)
        except TimeSenCLIPError as error:
            failed[photo.photo_id] = str(error)
    return list(zip(good, tower.encode_images(images), strict=True)) if good else []


def read_ground_views(path: str | Path) -> GroundViews:
    """Read embedded views.

    Args:
        path: a folder written by `embed_photos`; the authors' `.pt` dictionary `{NUTS0}_{point}{W|E|N|S}` -> (1, D); or
            a `.parquet` table with the columns `photo_id` (or `point_id` and `direction`) and `embedding`.

    Raises:
        DataNotFoundError: there is no such file or folder, or it cannot be read.
        InputError: columns are missing, keys are not understood, or vectors differ in size, are zero or not finite.
    """
    source = Path(path)
    if source.is_dir():
        return _read_folder(source)
    if not source.is_file():
        raise DataNotFoundError(f"No ground embeddings at '{source}'; make them with `timesenclip ground embed`.")
    if source.suffix in (".parquet", ".geoparquet"):
        return _read_table(source)
    return _read_published(source)


def _read_published(path: Path) -> GroundViews:
    import torch

    from timesenclip.safe_torch_load import read_tensors

    try:
        content = read_tensors(path)
    except CheckpointError as error:
        if error.__cause__ is None:  # it was read, and holds something else
            raise InputError(str(error)) from error
        raise DataNotFoundError(f"'{path}' is no dictionary of tensors: {error}") from error
    keys = sorted(map(str, content))
    matches = [_KEY.match(key) for key in keys]
    odd = [key for key, match in zip(keys, matches, strict=True) if match is None]
    if odd:
        raise InputError(f"'{path}': {len(odd)} keys such as '{odd[0]}'; expected '{{NUTS0}}_{{point}}{{W|E|N|S}}'.")
    tensors = [content[key].reshape(-1) for key in keys]
    sizes = sorted({len(tensor) for tensor in tensors})
    if len(sizes) != 1:
        raise InputError(f"'{path}': vectors of {' and '.join(map(str, sizes))} dimensions; expected one size.")
    vectors = torch.stack(tensors).to(torch.float16).numpy()
    return _checked(
        GroundViews(
            np.array(keys),
            np.array([match["point"] for match in matches if match]),
            np.array([match["view"] for match in matches if match]),
            vectors,
            tower=None,
        ),
        path,
    )


def _read_folder(folder: Path) -> GroundViews:
    import pyarrow as pa

    about = _about(folder)
    parts = _parts(folder)
    if not parts:
        raise InputError(f"'{folder}' holds no embedding yet; run `timesenclip ground embed` again.")
    table = pa.concat_tables([_read_part(part, None) for part in parts])
    return _checked(_views(table, "vector", about["tower"], about.get("revision")), folder)


def _read_table(path: Path) -> GroundViews:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    if "embedding" not in table.column_names:
        raise InputError(f"'{path}' has no column embedding; columns: {', '.join(table.column_names)}.")
    if not {"photo_id", "point_id"} & set(table.column_names):
        raise InputError(f"'{path}' has neither photo_id nor point_id; columns: {', '.join(table.column_names)}.")
    return _checked(_views(table, "embedding", None, None), path)


def _views(table: Any, column: str, tower: str | None, revision: str | None) -> GroundViews:
    def text(name: str) -> NDArray[np.str_]:
        if name not in table.column_names:
            return np.full(len(table), "", dtype=np.str_)
        return np.array([str(v) if v is not None else "" for v in table.column(name).to_pylist()], dtype=np.str_)

    rows = table.column(column).combine_chunks()
    flat = np.asarray(rows.flatten().to_numpy(zero_copy_only=False))
    if len(table) == 0 or flat.size % len(table) or rows.null_count:
        raise InputError(f"{len(table)} embeddings have {flat.size} values; expected vectors of one size, none null.")
    point, view = text("point_id"), text("direction")
    names = text("photo_id") if "photo_id" in table.column_names else np.char.add(point, view)
    return GroundViews(names, point, view, flat.reshape(len(table), -1).astype(np.float16), tower, revision)


def _checked(views: GroundViews, source: Path) -> GroundViews:
    broken = ~np.isfinite(views.vectors).all(axis=1) | ~views.vectors.any(axis=1)
    if broken.any():
        row = int(broken.argmax())
        raise InputError(
            f"'{source}': {int(broken.sum())} vectors are zero or not finite, such as that of '{views.photo_id[row]}' "
            f"(row {row + 1}); embed these photographs again."
        )
    return views


def _check_begun(folder: Path, tower: GroundTower) -> dict[str, Any] | None:
    """The description to write into a new store; None for an old one, which must have the same tower."""
    about = {"tower": tower.name, "revision": getattr(tower, "revision", None), "dim": tower.dim, "format_version": 1}
    file = folder / "ground.json"
    if file.is_file():
        before = _about(folder)
        if any(before.get(key) != about[key] for key in ("tower", "revision", "dim")):
            raise InputError(
                f"'{folder}' was begun with the tower '{before['tower']}' ({before['dim']} dimensions), now it is "
                f"'{tower.name}' ({tower.dim}); give another folder."
            )
        return None
    return about


def _about(folder: Path) -> dict[str, Any]:
    try:
        return dict(read_json(folder / "ground.json", what="description"))
    except (OSError, ValueError) as error:
        raise DataNotFoundError(f"'{folder}' is no store of ground embeddings (ground.json: {error}).") from error


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def _read_part(part: Path, columns: list[str] | None) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(part, columns=columns)


def _write_part(path: Path, rows: Sequence[tuple[Photo, NDArray[np.float32]]], dim: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = np.concatenate([vector for _, vector in rows]).astype(np.float16)
    table = pa.table(
        {
            "photo_id": [photo.photo_id for photo, _ in rows],
            "point_id": [photo.point_id for photo, _ in rows],
            "direction": [photo.direction for photo, _ in rows],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), dim),
        }
    )
    with atomic_path(path) as scratch:
        pq.write_table(table, scratch)
