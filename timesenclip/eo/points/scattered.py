"""Gather the points of a long table whose rows are scattered over the file, without holding the table in memory.

The rows are written once to anonymous temporary files, sorted by groups of points, and each group is then read back.
The files need about as much room as the table in memory would; the system removes them however the process ends.
"""

from __future__ import annotations

import itertools
import pickle  # only for files of our own that no other process can open
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.points.pieces import iter_columns
from timesenclip.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["gathered"]

_MOST_FILES = 200
"""Temporary files that are open at once."""


def gathered(path: Path, columns: Sequence[str], *, batch_size: int) -> Iterator[pd.DataFrame]:
    """Pieces of whole points, `batch_size` points each, in the order in which the points first appear.

    Memory holds the names of the points and one temporary file's share of the rows.

    Args:
        path: a long table with `sample_id`.
        columns: columns to read, `sample_id` among them.
        batch_size: points in a piece.

    Raises:
        InputError: a row has no name.
    """
    with ExitStack() as stack:
        names, files, size = _spill(path, columns, batch_size, stack)
        for i, file in enumerate(files):
            frame, number = _read_back(file)
            frame.insert(0, "sample_id", names[number])
            order = np.argsort(number, kind="stable")
            cuts = np.searchsorted(number[order], np.arange(i * size, (i + 1) * size + 1, batch_size))
            for first, last in itertools.pairwise(cuts):
                if first < last:
                    yield frame.iloc[order[first:last]]


def _spill(
    path: Path, columns: Sequence[str], batch_size: int, stack: ExitStack
) -> tuple[NDArray[np.object_], list[IO[bytes]], int]:
    """Write each row to the file of its point.

    Returns:
        The names of the points in order of first appearance, the files, and how many points each file holds.
    """
    import pandas as pd

    names = _names(path)
    row = pd.Index(names)
    size = batch_size * max(-(-len(names) // (batch_size * _MOST_FILES)), 1)
    files: list[IO[bytes]] = []
    for _ in range(-(-len(names) // size)):
        files.append(stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115 (the stack closes it)
    for frame in iter_columns(path, columns):
        number = row.get_indexer(pd.Index(frame.pop("sample_id")))
        group = number // size
        order = np.argsort(group, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            if len(rows):
                pickle.dump((frame.iloc[rows], number[rows]), files[int(group[rows[0]])], protocol=5)
    return names, files, size


def _names(path: Path) -> NDArray[np.object_]:
    """The names of the points, in the order in which they first appear.

    Raises:
        InputError: a row has none.
    """
    names: dict[object, None] = {}
    before = 0
    for frame in iter_columns(path, ["sample_id"]):
        gone = frame["sample_id"].isna().to_numpy()
        if gone.any():
            raise InputError(f"{path}: row {before + int(gone.argmax())} has no sample_id; name each point.")
        names.update(dict.fromkeys(frame["sample_id"].unique()))
        before += len(frame)
    found = np.empty(len(names), dtype=np.object_)
    found[:] = list(names)
    return found


def _read_back(file: IO[bytes]) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """All rows of a temporary file, and the numbers of their points."""
    import pandas as pd

    file.seek(0)
    frames, numbers = [], []
    while True:
        try:
            frame, number = pickle.load(file)
        except EOFError:
            break
        frames.append(frame)
        numbers.append(number)
    return pd.concat(frames, ignore_index=True), np.concatenate(numbers)
