"""Layers of a cube: each band on its own grid, placed on the finest one by coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.sensors import READABLE, Sensor
from timesenclip.errors import BandError, GridError
from timesenclip.grid import ALIGNED_PX, Grid, Window

__all__ = ["Layer", "Opened", "Stack", "check_numbers", "place_layers"]


_MOST_PIXELS = 200_000_000_000
"""More than all land of Europe at 10 m; the list of blocks of a larger area would not fit into memory."""


class Stack(Protocol):
    """One band (or SCL) of a file or of many: a stack over the dates, on its own grid."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    @property
    def nodata(self) -> float | None:
        """Value that the file declares as "no observation"."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    @property
    def chunk(self) -> tuple[int, int, int]:
        """Dates, rows and columns that are unpacked at once."""

    def read(self, dates: NDArray[np.intp], window: Window) -> NDArray[Any]:
        """Values (T, y, x) of some dates, in a window inside the stack."""


@dataclass(frozen=True)
class Layer:
    """A stack and its place on the cube's grid."""

    stack: Stack
    """The values."""
    factor: int
    """How many pixels of the cube's grid one pixel of the stack spans on a side: 1, or 2 for 20 m over 10 m."""
    row: int = 0
    """Row of the cube's grid at which the stack begins; negative where it begins above the cube."""
    column: int = 0
    """Column of the cube's grid at which the stack begins; negative where it begins left of it."""
    order: NDArray[np.intp] | None = None
    """Puts the dates of the stack in order; None where they are."""
    absent: NDArray[np.bool_] | None = None
    """(T,) in the order of the stack: dates that have no such band; None: all dates have it."""

    def read(self, dates: NDArray[np.intp], box: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A window of the cube's grid: values (T, y, x), repeated to it (nearest), and where there is a value."""
        own = self.cover(box)
        values, seen = self.read_own(dates, own)
        return self.spread(values, own, box), self.spread(seen, own, box)

    def cover(self, box: Window) -> Window:
        """The window of the stack that covers a window of the cube; it may reach beyond the stack."""
        top, bottom, left, right = box.shifted(-self.row, -self.column)
        return Window(top // self.factor, -(-bottom // self.factor), left // self.factor, -(-right // self.factor))

    def read_own(self, dates: NDArray[np.intp], own: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A window of the stack's own grid; beyond its edges nothing is seen."""
        there = own.inside(self.stack.shape)
        chosen = dates if self.order is None else self.order[dates]
        values = self.stack.read(chosen, there)
        seen = np.ones(values.shape, dtype=np.bool_)
        if self.stack.nodata is not None:  # NaN is found when the values are converted
            seen &= values != self.stack.nodata
        if self.absent is not None:
            seen[self.absent[chosen]] = False
        pad = (
            (0, 0),
            (there.row - own.row, own.row_end - there.row_end),
            (there.column - own.column, own.column_end - there.column_end),
        )
        if any(map(any, pad)):
            values, seen = np.pad(values, pad), np.pad(seen, pad)
        return values, seen

    def spread(self, values: NDArray[Any], own: Window, box: Window) -> NDArray[Any]:
        """Repeat values of the stack's grid to the cube's, and cut the window out."""
        if self.factor > 1:
            values = np.repeat(np.repeat(values, self.factor, axis=1), self.factor, axis=2)
        part = box.shifted(-self.row - own.row * self.factor, -self.column - own.column * self.factor)
        return values[:, *part.slices]

    def lacking(self, dates: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(T,) whether each of some dates has no such band."""
        if self.absent is None:
            return np.zeros(len(dates), dtype=np.bool_)
        return self.absent[dates if self.order is None else self.order[dates]]

    def reordered(self, order: NDArray[np.intp]) -> Layer:
        """The same layer with its dates in another order."""
        return replace(self, order=order)


@dataclass(frozen=True)
class Opened:
    """The bands, dates and grid that a reader found in a cube."""

    layers: dict[str, Layer]
    """By canonical band name, and SCL."""
    dates: NDArray[np.datetime64]
    """(T,) as in the source."""
    grid: Grid
    """The finest grid."""
    crs: str
    """Authority string or WKT."""
    notes: dict[str, Any] = field(default_factory=dict)
    """More provenance."""
    baselines: tuple[str, ...] | None = None
    """(T,) processing baselines, where the source names them."""
    sensor: Sensor = READABLE["sentinel-2"]
    """Whose names the bands have."""
    places: tuple[Path, ...] = ()
    """Files that are read, and folders of Zarr arrays."""


def check_numbers(dtype: np.dtype[Any], name: str) -> None:
    """Refuse a band of anything but whole or real numbers.

    Raises:
        BandError: it holds text, dates, complex numbers, records or truth values.
    """
    if dtype.kind not in "iuf":
        raise BandError(f"{name} holds values of the type {str(dtype)[:40]}; expected whole or real numbers.")


def place_layers(found: Mapping[str, tuple[Stack, Grid, str]], *, source_name: str) -> tuple[dict[str, Layer], Grid]:
    """Place every stack on the finest grid, by coordinates.

    Args:
        found: band -> (stack, its grid, name of its file).
        source_name: name of the whole, for messages.

    Raises:
        GridError: a grid's pixels do not nest in those of the finest, or it lies beside it.
    """
    for band, (_, grid, name) in found.items():
        if grid.shape[0] * grid.shape[1] > _MOST_PIXELS:
            raise GridError(
                f"{source_name}: {band} in '{name}' declares {grid.shape[0]:,} x {grid.shape[1]:,} pixels; at most "
                f"{_MOST_PIXELS:,} can be read as one cube. Cut it into parts."
            )
    finest = min((grid for _, grid, _ in found.values()), key=lambda grid: abs(grid.dx))
    layers: dict[str, Layer] = {}
    for band, (stack, grid, name) in found.items():
        factor = max(round(grid.dx / finest.dx), 1)
        row, column = (grid.y0 - finest.y0) / finest.dy, (grid.x0 - finest.x0) / finest.dx
        nests = (
            abs(grid.dx / finest.dx - factor) < ALIGNED_PX / max(grid.shape)
            and abs(grid.dy / finest.dy - factor) < ALIGNED_PX / max(grid.shape)
            and max(abs(row - round(row)), abs(column - round(column))) < ALIGNED_PX
        )
        if not nests:
            raise GridError(
                f"{source_name}: {band} in '{name}' ({grid}) does not nest in {finest}; resample it to that grid."
            )
        layer = Layer(stack, factor, round(row), round(column))
        if layer.cover(Window.whole(finest.shape)).inside(grid.shape).pixels == 0:
            raise GridError(f"{source_name}: {band} in '{name}' ({grid}) lies beside the other bands ({finest}).")
        layers[band] = layer
    return layers, finest
