"""Areas that are read window by window: what every source of pixels offers, and a cube in memory as one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.band_presence import bands_of_cube, compact
from timesenclip.eo.composite import DayStack, composite_days, describe_composite
from timesenclip.eo.period import Every, Period
from timesenclip.errors import InputError, TimeError
from timesenclip.grid import Window, WindowLike, window_transform
from timesenclip.series import Cube

__all__ = [
    "BLOCK_MULTIPLE",
    "DEFAULT_BLOCK",
    "AreaSource",
    "CubeInMemory",
    "block_side",
    "block_windows",
    "check_intervals",
    "check_unchanged",
    "checked_block",
    "checked_window",
    "composite_of_window",
    "days_of_window",
    "read_blocks",
]


DEFAULT_BLOCK = 256
"""Side of a block in pixels of what is in memory or in a cube; memory grows with it."""
_MANY_INTERVALS = 1_000
_MOST_BYTES = 4 << 30
BLOCK_MULTIPLE = 16
"""The side of a block of a store, and of --block, is a multiple of this."""


class AreaSource(Protocol):
    """An area that can be read window by window: what `map_cube` needs to know of where pixels come from."""

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""

    @property
    def crs(self) -> str:
        """Authority string or WKT."""

    @property
    def transform(self) -> Affine:
        """From (column, row) of a pixel's upper left corner to CRS units."""

    @property
    def source_name(self) -> str:
        """Name for messages."""

    @property
    def identity(self) -> str:
        """Name and a digest that changes when the pixels do; a job is continued only if it is unchanged."""

    @property
    def has_scl(self) -> bool:
        """Whether a scene classification is read, from which clouds are masked."""

    @property
    def pixels_inside(self) -> int:
        """Number of pixels that can be observed: those within the area's polygon, where it has one."""

    @property
    def typical_place(self) -> tuple[int, int]:
        """Row and column of a pixel that can be observed, near the middle."""

    @property
    def default_block(self) -> int:
        """Side of a block in pixels, where none is asked for: a multiple of 16 that suits how the pixels are stored."""

    def bands_there(self, period: Period | str | int | None = None) -> tuple[str, ...]:
        """Bands that some date of a period has, in the order of the C axis; without reading pixels."""

    def expected_observations(self, period: Period | str | int | None = None) -> float | None:
        """Pixels of all dates of a period, before clouds are masked; None where the dates are not known."""

    def check_offset(self, period: Period | str | int | None = None) -> None:
        """Check for an offset of baseline 04.00 that was left in the pixels, before work begins; warn where it is."""

    def read(
        self,
        window: WindowLike | None = None,
        *,
        period: Period | str | int | None = None,
        every: Every | None = "month",
        mask: bool = True,
    ) -> Cube:
        """Read a window of the area.

        Args:
            window: first row, end of rows, first column, end of columns, the ends exclusive; default: all of the area.
            period: only the dates in this stretch; default: all.
            every: composite to these intervals; None keeps every date.
            mask: leave out what SCL calls cloud, shadow or defective.

        Raises:
            TimeError: the period has no date.
            InputError: the window is empty or reaches beyond the area.

        Warns:
            DegradedInputWarning: there is no SCL, or the pixels contradict the offset that was decided for them; each
                once for an opened area.
        """


def check_intervals(count: int, window: Window, *, source_name: str) -> None:
    """Refuse composites of a stretch so long that the result of one window would fill the memory.

    Raises:
        TimeError: there are over 1,000 intervals, and together they take over 4 GiB.
    """
    size = 4 * len(BAND_NAMES) * count * window.pixels
    if count > _MANY_INTERVALS and size > _MOST_BYTES:
        raise TimeError(
            f"{source_name}: the dates span {count:,} intervals, which take {size / 2**30:.0f} GiB for a window of "
            f"{window.shape[0]} x {window.shape[1]} pixels; choose a period (--period 2018), or smaller blocks."
        )


def check_unchanged(source: AreaSource) -> None:
    """Ask a source that can tell whether its files are what they were when the work began, before it is finished.

    Raises:
        InputError: a file was changed, added or removed.
    """
    check = getattr(source, "check_unchanged", None)  # what is in memory, or chosen by a search, has no such check
    if check is not None:
        check()


@dataclass(frozen=True)
class CubeInMemory:
    """A cube that is in memory already, as an area source."""

    cube: Cube
    """The cube; period, composites and mask were chosen when it was made."""

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) in pixels."""
        return self.cube.shape

    @property
    def crs(self) -> str:
        """Authority string or WKT."""
        return self.cube.crs

    @property
    def transform(self) -> Affine:
        """From (column, row) of a pixel's upper left corner to CRS units."""
        return self.cube.transform

    @property
    def source_name(self) -> str:
        """Name for messages."""
        return "cube in memory"

    @property
    def identity(self) -> str:
        """The name alone: a cube in memory has no digest, so its maps are never continued."""
        return self.source_name

    @property
    def has_scl(self) -> bool:
        """False: a cube in memory is masked already."""
        return False

    @property
    def pixels_inside(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def typical_place(self) -> tuple[int, int]:
        """Row and column of the middle."""
        return self.shape[0] // 2, self.shape[1] // 2

    @property
    def default_block(self) -> int:
        """Side of a block in pixels, where none is asked for."""
        return DEFAULT_BLOCK

    def bands_there(self, period: Period | str | int | None = None) -> tuple[str, ...]:
        """Bands that were seen at some step."""
        return bands_of_cube(self.cube)

    def expected_observations(self, period: Period | str | int | None = None) -> float | None:
        """None: nothing is read, and a composite does not say how many dates it was made of."""
        return None

    def check_offset(self, period: Period | str | int | None = None) -> None:
        """Do nothing: the offset was decided when the cube was made."""

    def read(self, window: WindowLike | None = None, **_: Any) -> Cube:
        """A window; other arguments have no effect, since period, composites and mask were chosen with the cube."""
        box = Window.whole(self.shape) if window is None else Window(*window)

        def part(values: NDArray[Any]) -> NDArray[Any]:
            return values[..., *box.slices]

        return Cube(
            reflectance=part(self.cube.reflectance),
            valid=part(self.cube.valid),
            start=self.cube.start,
            end=self.cube.end,
            crs=self.crs,
            transform=window_transform(self.transform, box),
            provenance=self.cube.provenance,
            observations=None if self.cube.observations is None else part(self.cube.observations),
            band_valid=None if self.cube.band_valid is None else part(self.cube.band_valid),
        )


def days_of_window(source: AreaSource, window: Window, stack: DayStack) -> Cube:
    """The single days of a window as a cube, with an empty provenance."""
    return Cube(
        reflectance=stack.reflectance,
        valid=stack.valid,
        start=stack.dates,
        end=stack.dates + np.timedelta64(1, "D"),
        crs=source.crs,
        transform=window_transform(source.transform, window),
        band_valid=compact(stack.valid, stack.band_valid),
    )


def composite_of_window(
    source: AreaSource,
    window: Window,
    stacks: Iterable[DayStack],
    *,
    edges: NDArray[np.datetime64],
    every: Every,
    period: Period | None,
) -> Cube:
    """Composite the single days of a window; the provenance describes the composite only.

    Args:
        source: the area.
        window: in which the days were read.
        stacks: as `composite_days` takes them.
        edges: (K + 1,) of the intervals.
        every, period: what the edges were made from.
    """
    made = composite_days(stacks, edges, (len(BAND_NAMES), *window.shape))
    return Cube(
        reflectance=made.reflectance,
        valid=made.observations > 0,
        start=made.start,
        end=made.end,
        crs=source.crs,
        transform=window_transform(source.transform, window),
        provenance={"composite": describe_composite(every, period)},
        observations=made.observations,
        band_valid=made.band_valid,
    )


def block_windows(shape: tuple[int, int], block: int) -> Iterator[Window]:
    """Square blocks of an area of (Y, X) pixels, row by row; those at the lower and right edge may be smaller."""
    for row in range(0, shape[0], block):
        for column in range(0, shape[1], block):
            yield Window(row, min(row + block, shape[0]), column, min(column + block, shape[1]))


def block_side(source: AreaSource, block: int | None, *, multiple: int = 1) -> int:
    """Side of the blocks of an area in pixels: the one asked for, or the default of the source.

    Raises:
        InputError: the block is less than 1, or no multiple of `multiple`.
    """
    return source.default_block if block is None else checked_block(block, multiple=multiple)


def checked_block(block: int, *, multiple: int = 1) -> int:
    """The side of a block in pixels, if it can be one.

    Raises:
        InputError: it is less than 1, or no multiple of `multiple`.
    """
    if block < 1:
        raise InputError(f"A block of {block} pixels; expected 1 or more.")
    if block % multiple:
        raise InputError(f"Blocks of {block} pixels; give a multiple of {multiple}, such as {DEFAULT_BLOCK}.")
    return block


def read_blocks(
    source: AreaSource,
    size: int = DEFAULT_BLOCK,
    *,
    period: Period | str | int | None = None,
    every: Every | None = "month",
    mask: bool = True,
) -> Iterator[tuple[Window, Cube]]:
    """Read an area in square blocks of `size` pixels, row by row; memory holds one block. Arguments as `read`.

    Raises:
        InputError: the size is less than 1.
    """
    for window in block_windows(source.shape, checked_block(size)):
        yield window, source.read(window, period=period, every=every, mask=mask)


def checked_window(source: AreaSource, window: WindowLike | None) -> Window:
    """The window, or all of the area where none is given.

    Raises:
        InputError: the window is empty or reaches beyond the area.
    """
    rows, columns = source.shape
    box = Window.whole(source.shape) if window is None else Window(*window)
    if not (0 <= box.row < box.row_end <= rows and 0 <= box.column < box.column_end <= columns):
        raise InputError(
            f"The window {tuple(box)} is not inside the {rows} x {columns} pixels of {source.source_name}."
        )
    return box
