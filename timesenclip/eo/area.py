"""Areas that are read window by window: what every source of pixels offers, and a cube in memory as one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.period import Every, Period
from timesenclip.grid import Transform, Window
from timesenclip.series import Cube

__all__ = ["AreaSource", "block_windows"]


class AreaSource(Protocol):
    """An area that can be read window by window: what `map_cube` needs to know of where pixels come from."""

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""

    @property
    def crs(self) -> str:
        """Authority string or WKT."""

    @property
    def transform(self) -> Transform:
        """Affine (a, b, c, d, e, f) of the grid."""

    @property
    def where(self) -> str:
        """Name for messages."""

    @property
    def identity(self) -> str:
        """Name, and a digest that changes where the pixels do: two runs of one job must have the same."""

    def read(
        self,
        window: Window | None = None,
        *,
        period: Period | str | int | None = None,
        every: Every | None = "month",
        mask: bool = True,
    ) -> Cube:
        """Read a window (first row, past last row, first column, past last column); default: all of it."""

    def blocks(
        self,
        size: int = 256,
        *,
        period: Period | str | int | None = None,
        every: Every | None = "month",
        mask: bool = True,
    ) -> Iterator[tuple[Window, Cube]]:
        """Read square blocks, row by row; memory holds one."""


@dataclass(frozen=True)
class _InMemory:
    """A cube that is there already, as a source."""

    cube: Cube

    @property
    def shape(self) -> tuple[int, int]:
        return self.cube.shape

    @property
    def crs(self) -> str:
        return self.cube.crs

    @property
    def transform(self) -> Transform:
        return self.cube.transform

    @property
    def where(self) -> str:
        return "cube in memory"

    @property
    def identity(self) -> str:
        return self.where

    def read(self, window: Window | None = None, **_: Any) -> Cube:
        """A window, as it is: period, composites and mask were chosen when the cube was made."""
        row, row_end, column, column_end = window or (0, self.shape[0], 0, self.shape[1])
        a, b, c, d, e, f = self.transform
        box = np.s_[..., row:row_end, column:column_end]

        def part(values: NDArray[Any]) -> NDArray[Any]:
            return values[box]

        return Cube(
            reflectance=part(self.cube.reflectance),
            valid=part(self.cube.valid),
            start=self.cube.start,
            end=self.cube.end,
            crs=self.crs,
            transform=(a, b, c + a * column + b * row, d, e, f + d * column + e * row),
            provenance=self.cube.provenance,
            observations=None if self.cube.observations is None else part(self.cube.observations),
        )

    def blocks(self, size: int = 256, **_: Any) -> Any:
        """Square blocks, row by row."""
        for window in block_windows(self.shape, size):
            yield window, self.read(window)


def block_windows(shape: tuple[int, int], block: int) -> Iterator[Window]:
    """Blocks of an area, row by row."""
    for row in range(0, shape[0], block):
        for column in range(0, shape[1], block):
            yield row, min(row + block, shape[0]), column, min(column + block, shape[1])


def _shifted(transform: Transform, box: Window) -> Transform:
    a, b, c, d, e, f = transform
    return a, b, c + a * box[2] + b * box[0], d, e, f + d * box[2] + e * box[0]
