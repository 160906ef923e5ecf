"""The metadata of an embedding store, and the arrays of one of its blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, PlainSerializer

from timesenclip.errors import InputError
from timesenclip.grid import as_affine, six_numbers
from timesenclip.mapping.store.quantise import dequantise
from timesenclip.messages import show_value
from timesenclip.model.checkpoint_config import Calibration

__all__ = ["BLOCK_ARRAYS", "FORMAT_VERSION", "BlockData", "StoreInfo", "chunk_side"]

FORMAT_VERSION = 1
"""Version of the layout of a store."""
_LEAST_PX = 256
BLOCK_ARRAYS = ("vectors", "colour", "clear", "scale")
"""Arrays that every block writes one shard or chunk of."""


def _usable(transform: Affine) -> Affine:
    if not np.isfinite(six_numbers(transform)).all() or transform.determinant == 0:
        raise ValueError("six finite numbers are expected, of pixels that have a size")
    return transform


def _known_crs(text: str) -> str:
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        CRS.from_user_input(text)
    except CRSError as error:
        raise ValueError(f"{show_value(text)} is no CRS") from error
    return text


_Count = Annotated[int, Field(ge=1, le=10_000_000)]
_Transform = Annotated[
    InstanceOf[Affine], BeforeValidator(as_affine), AfterValidator(_usable), PlainSerializer(six_numbers)
]
"""Six numbers in the file."""


class StoreInfo(BaseModel):
    """Metadata of a store; fixed when it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    """Version of the layout."""
    checkpoint: str
    """Name of the checkpoint."""
    digest: str
    """Digest of its weights."""
    tower: str
    """Name of the tower that embeds words and photographs."""
    tower_revision: str | None = ""
    """Revision of the tower on the hub; None: it has none. Empty in early stores, which do not record it."""
    full_dims: _Count
    """D, dimensions of the tower."""
    dims: _Count
    """d, dimensions kept."""
    kept: float = 1.0
    """Share of the squared length that the projection keeps, on the sample it was fitted on."""
    calibration: Calibration
    """Temperature and threshold, by which scores become classes."""
    source: str = ""
    """What its pixels come from, with a digest; empty in early stores."""
    period: str
    """First and last day, or `all`."""
    every: str
    """Composite length."""
    outliers: Literal["drop", "keep"] = "keep"
    """Whether outlying steps were left out; early stores, which do not say it, kept them."""
    shape: tuple[_Count, _Count]
    """(Y, X)"""
    crs: Annotated[str, AfterValidator(_known_crs)]
    """Authority string or WKT."""
    transform: _Transform
    """From (column, row) of a pixel's upper left corner to CRS units; written as six numbers (a, b, c, d, e, f)."""
    block: _Count
    """Side of a block, which is one shard, in pixels."""
    chunk: _Count
    """Side of a chunk within a shard."""

    @property
    def level_shapes(self) -> tuple[tuple[int, int], ...]:
        """(Y, X) of every level; the first is full resolution, the last fits into 256 pixels."""
        shapes = [self.shape]
        while max(shapes[-1]) > _LEAST_PX:
            y, x = shapes[-1]
            shapes.append((-(-y // 2), -(-x // 2)))
        return tuple(shapes)

    def level_transform(self, level: int) -> Affine:
        """Affine of a level's grid, whose pixels are `2**level` times as wide and high."""
        return self.transform @ Affine.scale(2**level)


@dataclass(frozen=True, slots=True)
class BlockData:
    """The arrays of one window of a store."""

    vectors: NDArray[np.int8]
    """(Y, X, d)"""
    scale: NDArray[np.float32]
    """(Y, X), 0 = not seen."""
    clear: NDArray[np.uint16]
    """(Y, X) clear observations."""
    colour: NDArray[np.uint8]
    """(Y, X, 3) sqrt(reflectance) x 255."""

    def unpacked(self) -> NDArray[np.float32]:
        """(Y, X, d) float32; NaN where not seen."""
        return dequantise(self.vectors, self.scale)


def chunk_side(block: int) -> int:
    """Side of a chunk: the largest of 128, 64, 32, 16 that divides the block.

    Raises:
        InputError: none does.
    """
    for side in (128, 64, 32, 16):
        if block % side == 0 and block >= side:
            return side
    raise InputError(f"Blocks of {block} pixels; give a multiple of 16, such as 256.")
