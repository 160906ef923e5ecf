"""How a window of many dates is read so that memory stays under a budget: in pieces of the window, and runs of dates.

A median needs all dates of its interval, of one pixel only: cutting a window into pieces, or its dates between two
intervals, does not change any value.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from timesenclip.grid import Window

__all__ = ["BUDGET_BYTES", "date_runs", "pieces"]

BUDGET_BYTES = 256 << 20
"""Memory of the single dates that one worker holds at a time; the composite of its block comes on top."""


def pieces(
    box: Window,
    slot: NDArray[np.intp],
    *,
    bytes_each: int,
    chunk: tuple[int, int, int],
    budget: int | None = None,
) -> list[Window]:
    """Windows that together are the box; most often the box itself.

    Args:
        box: the window that was asked for, in pixels of the cube.
        slot: (T,) interval of each date, sorted.
        bytes_each: memory of one pixel of one date, all bands.
        chunk: dates, rows and columns that are unpacked at once. Where runs of dates are far shorter than a chunk, each
            chunk would be unpacked many times: such a box is cut into pieces with longer runs.
        budget: bytes; default: `BUDGET_BYTES`.
    """
    most = max((BUDGET_BYTES if budget is None else budget) // bytes_each, 1)  # dates x pixels
    dates = len(slot)
    needed = int(np.unique(slot, return_counts=True)[1].max())  # dates that must be read together
    rows, columns = box.shape
    if 2 * (most // max(rows * columns, 1)) < chunk[0]:
        wanted = max(most // min(chunk[0], dates), 1)
        rows, columns = _shrunk(rows, columns, wanted, least=(min(chunk[1], rows), min(chunk[2], columns)))
    rows, columns = _shrunk(rows, columns, max(most // needed, 1), least=(1, 1))
    return [
        Window(row, min(row + rows, box.row_end), column, min(column + columns, box.column_end))
        for row in range(box.row, box.row_end, rows)
        for column in range(box.column, box.column_end, columns)
    ]


def date_runs(slot: NDArray[np.intp], *, pixels: int, bytes_each: int, budget: int | None = None) -> Iterator[slice]:
    """Runs of dates, each of whole intervals and, where that is possible, within the budget; arguments as `pieces`.

    Args:
        slot: (T,) interval of each date, sorted.
        pixels: of the window.
        bytes_each, budget: as `pieces`.
    """
    most = max((BUDGET_BYTES if budget is None else budget) // (bytes_each * max(pixels, 1)), 1)
    ends = np.append(np.flatnonzero(np.diff(slot)) + 1, len(slot))
    start = last = 0
    for end in map(int, ends):
        if end - start > most and last > start:
            yield slice(start, last)
            start = last
        last = end
    yield slice(start, last)


def _shrunk(rows: int, columns: int, pixels: int, *, least: tuple[int, int]) -> tuple[int, int]:
    """Sides with at most so many pixels, in whole multiples of the least sides: rows are given up before columns."""
    if rows * columns <= pixels:
        return rows, columns
    rows = min(rows, max(pixels // columns // least[0], 1) * least[0])
    if rows * columns > pixels:
        columns = min(columns, max(pixels // rows // least[1], 1) * least[1])
    return rows, columns
