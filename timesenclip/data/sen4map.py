"""Convert Sen4Map, HDF5 files with one group for each LUCAS 2018 point, to a training store.

Two layouts are read. Full patches: `Lucas_Point_<id>` holds a dataset (acquisitions, 64, 64) for each band and SCL, and
`Image_ID` (attribute or dataset), whose strings contain the day as YYYYMMDD. Small crops, as the authors train on:
`Lucas_Point_<id>/image` (12, 10, p, p), the months of 2018, bands in the order of `timesenclip.bands`. Labels and
coordinates are attributes.

Source: Sen4Map (Sharma et al. 2024) and its public readers; the authors' dataset classes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES
from timesenclip.data.monthly import Compositing, authors_months, clear_months
from timesenclip.data.places import POINT_PREFIX, settle_lonlat
from timesenclip.data.sen4map_groups import (
    LABEL_COLUMNS,
    MONTHS,
    YEAR,
    FullPatch,
    open_group,
    open_image,
    open_sen4map,
    read_full_patch,
    read_labels,
    read_small_crop,
    sen4map_keys,
)
from timesenclip.data.store import SeriesStore
from timesenclip.data.store_writer import StoreWriter, check_store_folder
from timesenclip.eo.radiometry import MISSING_DN
from timesenclip.errors import InputError, TimeSenCLIPError
from timesenclip.messages import show_value

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Converted", "convert_sen4map"]

_BATCH = 256
"""Groups that one task reads."""


@dataclass(frozen=True, slots=True)
class Converted:
    """The result of a conversion."""

    store: SeriesStore
    """The finished store."""
    failed: dict[str, str]
    """Groups that could not be read, and why."""


@dataclass(frozen=True, slots=True)
class _Task:
    """Consecutive groups of one file that one process reads."""

    file: str
    keys: tuple[str, ...]
    first: int
    part: int
    patch_size: int
    compositing: Compositing
    dilate_10m_px: int


def convert_sen4map(
    files: Sequence[str | Path],
    out: str | Path,
    *,
    patch_size: int = 1,
    compositing: Compositing = "clear",
    only: Sequence[str] | None = None,
    dilate_10m_px: int = 2,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Converted:
    """Convert Sen4Map files in one pass; memory holds one part, and a second run continues where the first stopped.

    Args:
        files: HDF5 files of either layout.
        out: folder of the store.
        patch_size: side of the patch cut from the middle, in pixels of 10 m.
        compositing: `clear`: monthly medians of clear observations, absent months stay absent. `authors`: exactly
            theirs (masked values count as 0, shadow and thin cloud stay, absent months get the year's median, + 1).
        only: ids or group names to take; default: all.
        dilate_10m_px: how far clouds and shadows grow, in pixels of 10 m (`clear` only); 2 are one of SCL's own.
        workers: processes that read; each opens the files itself.
        overwrite: a training store of ours is replaced when the new one is complete.
        progress: called with (done, all) in places.

    Raises:
        DataNotFoundError: a file cannot be opened.
        InputError: the store exists, `patch_size` is even, no id is in the files, or no group could be read.
    """
    if patch_size < 1 or patch_size % 2 == 0:
        raise InputError(f"patch_size is {patch_size}; expected an odd number such as 1, 5 or 9.")
    check_store_folder(out, overwrite=overwrite)
    chosen = _choose([Path(file) for file in files], only)
    total = sum(len(keys) for _, keys in chosen)
    writer = StoreWriter(
        out,
        count=total,
        patch_size=patch_size,
        plan={"files": [str(file) for file, _ in chosen], "keys": _key_digest(chosen), "dilate_px": dilate_10m_px},
        attributes={"source": "Sen4Map", "year": YEAR, "compositing": compositing, "offset_dn": 0},
        overwrite=overwrite,
    )
    tasks = list(_tasks(chosen, writer.part_size(patch_size), patch_size, compositing, dilate_10m_px))
    try:
        failed = _convert(tasks, writer, total, workers=workers, progress=progress)
        return Converted(writer.finish(), failed)
    except TimeSenCLIPError:
        writer.discard_nothing()
        raise


def _convert(
    tasks: Sequence[_Task],
    writer: StoreWriter,
    total: int,
    *,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, str]:
    """Read and write the parts that are not done; returns the groups that could not be read, and why."""
    parts: dict[int, list[_Task]] = {}
    for task in tasks:
        parts.setdefault(task.part, []).append(task)
    failed: dict[str, str] = {}
    done = sum(len(task.keys) for task in tasks if writer.done(task.part))
    if progress is not None:
        progress(done, total)
    with _map_over_processes(workers) as run:
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
            rows = _index_table([row for piece in pieces for row in piece.rows], source_name=members[0].file)
            dn, seen = (np.concatenate([getattr(p, name) for p in pieces]) for name in ("dn", "observations"))
            writer.write(part, members[0].first, dn, seen, rows)
    return failed


def _choose(files: Sequence[Path], only: Sequence[str] | None) -> list[tuple[Path, list[str]]]:
    """The groups to read of each file."""
    if not files:
        raise InputError("No Sen4Map file was given; expected one or more .h5 files.")
    wanted = None if only is None else {POINT_PREFIX + str(name).removeprefix(POINT_PREFIX) for name in only}
    chosen = [(file, [k for k in sen4map_keys(file) if wanted is None or k in wanted]) for file in files]
    if not any(keys for _, keys in chosen):
        raise InputError(f"None of the {len(wanted or ())} ids asked for is in {', '.join(map(str, files))}.")
    count = Counter(key for _, keys in chosen for key in keys)
    if count.total() > len(count):
        raise InputError(
            f"{count.total() - len(count)} places are given twice, such as {show_value(count.most_common(1)[0][0])}; "
            "give each file once, or choose with a list of ids."
        )
    return [(file, keys) for file, keys in chosen if keys]


def _key_digest(chosen: Sequence[tuple[Path, list[str]]]) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the names of the groups, in order."""
    text = "\n".join(key for _, keys in chosen for key in keys)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tasks(
    chosen: Sequence[tuple[Path, list[str]]], size: int, patch: int, compositing: Compositing, dilate_10m_px: int
) -> Iterator[_Task]:
    """Tasks of at most `_BATCH` groups; each lies within one part of the store."""
    first = 0
    for file, keys in chosen:
        position = 0
        while position < len(keys):
            take = min(_BATCH, size - first % size, len(keys) - position)
            batch = tuple(keys[position : position + take])
            yield _Task(str(file), batch, first, first // size, patch, compositing, dilate_10m_px)
            position, first = position + take, first + take


@contextmanager
def _map_over_processes(workers: int) -> Iterator[Callable[..., Any]]:
    """Yield `map`, or the map of a pool of processes."""
    if workers <= 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:  # HDF5 handles do not survive a fork
        yield pool.map


@dataclass(frozen=True, slots=True)
class _Piece:
    """What was read for a task, its n groups in order."""

    dn: NDArray[np.uint16]
    observations: NDArray[np.uint8]
    rows: list[dict[str, Any]]
    failed: dict[str, str]


def _read(task: _Task) -> _Piece:
    """Read and composite the groups of a task; those that cannot be read are left empty and listed in `failed`."""
    p = task.patch_size
    tail = (len(BAND_NAMES),) + ((p, p) if p > 1 else ())
    dn = np.full((len(task.keys), MONTHS, *tail), MISSING_DN, dtype=np.uint16)
    seen = np.zeros((len(task.keys), MONTHS), dtype=np.uint8)
    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    raw: list[FullPatch] = []
    places: list[int] = []
    with open_sen4map(Path(task.file)) as source:
        file = np.memmap(task.file, mode="r", dtype=np.uint8)
        for i, key in enumerate(task.keys):
            try:
                group = open_group(source, key)
                image = open_image(key, group)
                rows.append({"row": task.first + i, **read_labels(key, group)})
                if image is not None:
                    dn[i], seen[i] = read_small_crop(key, image, p, task.compositing)
                else:
                    raw.append(
                        read_full_patch(key, group, file, p, task.dilate_10m_px if task.compositing == "clear" else 0)
                    )
                    places.append(i)
            except (KeyError, OSError, TypeError, ValueError, RuntimeError) as error:
                failed[key] = str(error).strip("'\"")
                rows = [row for row in rows if row["row"] != task.first + i]
    if raw:
        composite = clear_months if task.compositing == "clear" else authors_months
        values, scl, month = ([getattr(r, name) for r in raw] for name in ("values", "scl", "month"))
        medians, counts = composite(values, scl, month, margin=raw[0].margin)
        dn[places], seen[places] = medians.reshape(len(raw), MONTHS, *tail), counts
    return _Piece(dn, seen, rows, failed)


def _index_table(rows: list[dict[str, Any]], *, source_name: str) -> pd.DataFrame:
    """The index of the store for some places; labels that none of them has are left out."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=["row", "sample_id", "lon", "lat", *LABEL_COLUMNS])
    table = table.dropna(axis=1, how="all") if rows else table
    for name in ("lon", "lat"):
        table[name] = table[name].astype(np.float64) if name in table else np.nan
    lon, lat, _ = settle_lonlat(table["lon"].to_numpy(), table["lat"].to_numpy(), source_name=source_name)
    table["lon"], table["lat"] = lon, lat
    table["first_month"] = pd.Timestamp(f"{YEAR}-01-01")
    return table
