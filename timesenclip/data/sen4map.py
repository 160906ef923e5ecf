"""Sen4Map: HDF5 files with one group a LUCAS 2018 point, to the training store.

Two layouts are read. Full patches: `Lucas_Point_<id>` holds a dataset (acquisitions, 64, 64) for each band and SCL, and
`Image_ID` (attribute or dataset), whose strings contain the day as YYYYMMDD. Small crops, as the authors train on:
`Lucas_Point_<id>/image` (12, 10, p, p), months of 2018 in our band order. Labels and coordinates are attributes.

Source: Sen4Map (Sharma et al. 2024) and its public readers; the authors' dataset classes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, SCL_NAME, canonical_band
from timesenclip.data.monthly import Compositing, authors_months, clear_months
from timesenclip.data.places import numbers_in, settle_lonlat
from timesenclip.data.store import SeriesStore, StoreWriter
from timesenclip.eo.radiometry import MISSING_DN
from timesenclip.errors import DataNotFoundError, InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Converted", "convert_sen4map", "sen4map_keys"]

YEAR = 2018
"""Year of every Sen4Map series."""

_MONTHS, _BATCH = 12, 256
_MONTH = re.compile(rf"{YEAR}(0[1-9]|1[0-2])")
_PREFIX = "Lucas_Point_"
_USUAL_NAMES = {name: name.replace("B0", "B").encode() for name in (*BAND_NAMES, SCL_NAME)}
_TEXT = {"nuts0": "nuts0", "lc1": "lc1", "lc1_label": "lc1_label", "lu1": "lu1"}
_TEST = {"EUNIS_L2": "eunis_l2", "bioregion_class_code": "bioregion"}


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion gave."""

    store: SeriesStore
    """The finished store."""
    failed: dict[str, str]
    """Groups that could not be read, and why."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A stretch of groups of one file."""

    file: str
    keys: tuple[str, ...]
    first: int
    part: int
    patch_size: int
    compositing: Compositing
    dilate_px: int


def sen4map_keys(file: str | Path) -> list[str]:
    """Names of the groups of a file, sorted.

    Raises:
        DataNotFoundError: the file is not there, cut short, or no HDF5.
        InputError: it has no group `Lucas_Point_<id>`.
    """
    with _opened(Path(file)) as source:
        keys = sorted(key for key in source if key.startswith(_PREFIX))
    if not keys:
        raise InputError(f"'{file}' has no group named {_PREFIX}<id>; expected a Sen4Map file.")
    return keys


def convert_sen4map(
    files: Sequence[str | Path],
    out: str | Path,
    *,
    patch_size: int = 1,
    compositing: Compositing = "clear",
    only: Sequence[str] | None = None,
    dilate_px: int = 2,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Converted:
    """Convert Sen4Map files in one pass; memory holds one part, and a second run goes on where the first stopped.

    Args:
        files: HDF5 files of either layout.
        out: folder of the store.
        patch_size: side of the patch cut from the middle, in pixels of 10 m.
        compositing: `clear`: monthly medians of clear observations, absent months stay absent. `authors`: exactly
            theirs (masked values count as 0, shadow and thin cloud stay, absent months get the year's median, + 1).
        only: ids or group names to take; default: all.
        dilate_px: how far clouds and shadows grow, in pixels of 10 m (`clear` only).
        workers: processes that read; each opens the files itself.
        progress: called with (done, all) in places.

    Raises:
        DataNotFoundError: a file cannot be opened.
        InputError: the store exists, options cannot be, or nothing could be read.
    """
    if patch_size < 1 or patch_size % 2 == 0:
        raise InputError(f"patch_size is {patch_size}; expected an odd number such as 1, 5 or 9.")
    chosen = _chosen([Path(file) for file in files], only)
    total = sum(len(keys) for _, keys in chosen)
    writer = StoreWriter(
        out,
        count=total,
        patch_size=patch_size,
        plan={"files": [str(file) for file, _ in chosen], "keys": _digest(chosen), "dilate_px": dilate_px},
        attributes={"source": "Sen4Map", "year": YEAR, "compositing": compositing, "offset_dn": 0},
    )
    tasks = list(_tasks(chosen, writer.part_size(patch_size), patch_size, compositing, dilate_px))
    parts: dict[int, list[_Task]] = {}
    for task in tasks:
        parts.setdefault(task.part, []).append(task)
    failed: dict[str, str] = {}
    done = sum(len(task.keys) for task in tasks if writer.done(task.part))
    if progress is not None:
        progress(done, total)
    with _mapper(workers) as run:
        for part, members in parts.items():
            if writer.done(part):
                continue
            pieces = []
            for piece in run(_read, members):
                pieces.append(piece)
                failed.update(piece.failed)
                done += len(piece.dn)
                if progress is not None:
                    progress(done, total)
            rows = _index([row for piece in pieces for row in piece.rows], where=members[0].file)
            dn, seen = (np.concatenate([getattr(p, name) for p in pieces]) for name in ("dn", "observations"))
            writer.write(part, members[0].first, dn, seen, rows)
    return Converted(writer.finish(), failed)


def _chosen(files: Sequence[Path], only: Sequence[str] | None) -> list[tuple[Path, list[str]]]:
    if not files:
        raise InputError("No Sen4Map file was given; expected one or more .h5 files.")
    wanted = None if only is None else {_PREFIX + str(name).removeprefix(_PREFIX) for name in only}
    chosen = [(file, [k for k in sen4map_keys(file) if wanted is None or k in wanted]) for file in files]
    if not any(keys for _, keys in chosen):
        raise InputError(f"None of the {len(wanted or ())} ids asked for is in {', '.join(map(str, files))}.")
    return [(file, keys) for file, keys in chosen if keys]


def _digest(chosen: Sequence[tuple[Path, list[str]]]) -> str:
    text = "\n".join(key for _, keys in chosen for key in keys)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tasks(
    chosen: Sequence[tuple[Path, list[str]]], size: int, patch: int, compositing: Compositing, dilate_px: int
) -> Iterator[_Task]:
    """Batches of groups; none crosses the border of a part."""
    first = 0
    for file, keys in chosen:
        position = 0
        while position < len(keys):
            take = min(_BATCH, size - first % size, len(keys) - position)
            batch = tuple(keys[position : position + take])
            yield _Task(str(file), batch, first, first // size, patch, compositing, dilate_px)
            position, first = position + take, first + take


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Any]]:
    if workers <= 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:  # HDF5 handles do not survive a fork
        yield pool.map


@dataclass(frozen=True, slots=True)
class _Piece:
    dn: NDArray[np.uint16]
    observations: NDArray[np.uint8]
    rows: list[dict[str, Any]]
    failed: dict[str, str]


def _read(task: _Task) -> _Piece:
    """Read and composite the groups of a task; those that cannot be read are named and left empty."""
    p = task.patch_size
    tail = (len(BAND_NAMES),) + ((p, p) if p > 1 else ())
    dn = np.full((len(task.keys), _MONTHS, *tail), MISSING_DN, dtype=np.uint16)
    seen = np.zeros((len(task.keys), _MONTHS), dtype=np.uint8)
    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    raw: list[_Raw] = []
    places: list[int] = []
    with _opened(Path(task.file)) as source:
        file = np.memmap(task.file, mode="r", dtype=np.uint8)
        for i, key in enumerate(task.keys):
            try:
                group = source[key]
                rows.append({"row": task.first + i, **_labels(key, group)})
                if "image" in group:
                    dn[i], seen[i] = _small_crop(key, group["image"], p, task.compositing)
                else:
                    raw.append(_patch(key, group, file, p, task.dilate_px if task.compositing == "clear" else 0))
                    places.append(i)
            except (KeyError, OSError, ValueError, RuntimeError) as error:
                failed[key] = str(error).strip("'\"")
                rows = [row for row in rows if row["row"] != task.first + i]
    if raw:
        composite = clear_months if task.compositing == "clear" else authors_months
        values, scl, month = ([getattr(r, name) for r in raw] for name in ("values", "scl", "month"))
        medians, counts = composite(values, scl, month, margin=raw[0].margin)
        dn[places], seen[places] = medians.reshape(len(raw), _MONTHS, *tail), counts
    return _Piece(dn, seen, rows, failed)


@dataclass(frozen=True, slots=True)
class _Raw:
    values: NDArray[np.uint16]  # (T, C, p, p)
    scl: NDArray[np.uint8]  # (T, p + 2 margin, p + 2 margin)
    month: NDArray[np.int64]  # (T,) 0..11, -1 = another year
    margin: int


def _patch(key: str, group: Any, file: NDArray[np.uint8], size: int, margin: int) -> _Raw:
    sets = _datasets(key, group)
    shape = sets[SCL_NAME].shape
    if len(shape) != 3 or min(shape[1:]) < size + 2 * margin:
        side = size + 2 * margin
        raise InputError(f"{key}: SCL has shape {shape}; expected (acquisitions, Y, X), at least {side} x {side} px.")
    # Source: the authors' crop: row and column side // 2 - size // 2 onwards.
    top, left = (side // 2 - size // 2 for side in shape[1:])
    start, count = (0, top, left), (shape[0], size, size)
    values = np.stack([_dn(_window(sets[name], file, start, count)) for name in BAND_NAMES], axis=1)  # (T, C, p, p)
    reach = size + 2 * margin
    scl = _window(sets[SCL_NAME], file, (0, top - margin, left - margin), (shape[0], reach, reach))
    return _Raw(values, scl.astype(np.uint8), _months(key, group, shape[0]), margin)


def _datasets(key: str, group: Any) -> dict[str, Any]:
    """The low-level dataset of each of our bands and of SCL."""
    from h5py import h5d

    try:
        return {ours: h5d.open(group.id, theirs) for ours, theirs in _USUAL_NAMES.items()}
    except KeyError:
        names = {canonical_band(name) or name: name for name in group}
    lacking = [name for name in _USUAL_NAMES if name not in names]
    if lacking:
        raise InputError(f"{key}: no dataset {', '.join(lacking)}; the group was left out.")
    return {name: group[names[name]].id for name in _USUAL_NAMES}


def _window(dataset: Any, file: NDArray[np.uint8], start: tuple[int, ...], count: tuple[int, ...]) -> NDArray[Any]:
    """Part of a dataset, straight from the mapped file where it lies there in one piece.

    HDF5 makes a system call for every row of a window, which for one pixel of a patch is one for every image.
    """
    from h5py import h5s

    offset = dataset.get_offset()
    if offset is not None:  # HDF5 compresses chunked datasets only, and those have no offset
        whole: NDArray[Any] = np.ndarray(dataset.shape, dtype=dataset.dtype, buffer=file.data, offset=offset)
        return whole[tuple(slice(s, s + c) for s, c in zip(start, count, strict=True))].copy()
    space = dataset.get_space()
    space.select_hyperslab(start, count)
    out = np.empty(count, dtype=dataset.dtype)
    dataset.read(h5s.create_simple(count), space, out)
    return out


def _dn(values: Any) -> NDArray[np.uint16]:
    array = np.asarray(values)
    if array.dtype == np.uint16:
        return array
    return np.where(np.isfinite(array), np.clip(np.rint(array), 0, MISSING_DN), 0).astype(np.uint16)


def _months(key: str, group: Any, count: int) -> NDArray[np.int64]:
    if "Image_ID" not in group.attrs and "Image_ID" not in group:
        raise InputError(f"{key}: no Image_ID; the months of its images are not known.")
    given = group.attrs["Image_ID"] if "Image_ID" in group.attrs else group["Image_ID"][()]
    texts = [item.decode() if isinstance(item, bytes) else str(item) for item in np.asarray(given).ravel().tolist()]
    if len(texts) != count:
        raise InputError(f"{key}: {len(texts)} Image_IDs for {count} images.")
    found = [_MONTH.search(text) for text in texts]
    return np.array([int(match[1]) - 1 if match else -1 for match in found], dtype=np.int64)


def _small_crop(
    key: str, image: Any, size: int, compositing: Compositing
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    if image.ndim != 4 or image.shape[:2] != (_MONTHS, len(BAND_NAMES)) or min(image.shape[2:]) < size:
        raise InputError(f"{key}: 'image' has shape {image.shape}; expected (12, 10, p, p) with p of at least {size}.")
    top, left = (side // 2 - size // 2 for side in image.shape[2:])
    dn = _dn(image[:, :, top : top + size, left : left + size])
    # The authors add 1 to a median in which masked values count as 0: nothing seen is 1 (or 0) in every band.
    observed = (dn > 1).any(axis=1).reshape(_MONTHS, -1)  # (12, p p)
    seen = np.ones(_MONTHS, dtype=np.bool_) if compositing == "authors" else np.asarray(observed.all(axis=1))
    dn[~seen] = MISSING_DN
    return dn if size > 1 else dn[:, :, 0, 0], np.asarray(seen, dtype=np.uint8)


def _labels(key: str, group: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"sample_id": key.removeprefix(_PREFIX)}
    for name, column in (_TEXT | _TEST).items():
        if name in group.attrs:
            value = group.attrs[name]
            value = value.decode() if isinstance(value, bytes) else value
            row[column] = str(value.item() if hasattr(value, "item") and np.ndim(value) == 0 else value)
    numbers = numbers_in(group.attrs["Coordinates"]) if "Coordinates" in group.attrs else []
    row["lon"], row["lat"] = numbers[:2] if len(numbers) >= 2 else (np.nan, np.nan)
    return row


def _index(rows: list[dict[str, Any]], *, where: str) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(rows, columns=["row", "sample_id", "lon", "lat", *_TEXT.values(), *_TEST.values()])
    table = table.dropna(axis=1, how="all") if rows else table
    for name in ("lon", "lat"):
        table[name] = table[name].astype(np.float64) if name in table else np.nan
    lon, lat, _ = settle_lonlat(table["lon"].to_numpy(), table["lat"].to_numpy(), where=where)
    table["lon"], table["lat"] = lon, lat
    table["first_month"] = pd.Timestamp(f"{YEAR}-01-01")
    return table


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    import h5py

    if not file.is_file():
        raise DataNotFoundError(f"No Sen4Map file at '{file}'; correct the path.")
    try:
        source = h5py.File(file, "r")
    except OSError as error:
        reason = str(error).split("(", 1)[-1].rstrip(")")
        raise DataNotFoundError(f"'{file}' is no HDF5 file, or is cut short ({reason}); fetch it again.") from error
    with source:
        yield source
