"""Pixel counts and a preview, gathered from the blocks of a map; their size does not grow with the area."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.grid import Window
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.mapping.output.class_map import ClassBlock
from timesenclip.mapping.output.layers import CLASS_NODATA
from timesenclip.mapping.output.result import ClassArea, Preview

__all__ = ["AreaTally", "preview_step", "thinned"]

_PREVIEW_PX = 1024
Index = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows (y, 1) and columns (1, x) of some pixels."""


def preview_step(shape: tuple[int, int]) -> int:
    """Every how many pixels one is kept, so that the preview of an area (Y, X) has at most 1,024 rows and columns."""
    return max(1, -(-max(shape) // _PREVIEW_PX))


def thinned(window: Window, step: int) -> tuple[Index, Index]:
    """Which pixels of a window a preview keeps: their indices in the window, and those in the preview."""
    row, row_end, column, column_end = window
    rows = np.arange(-(-row // step) * step, row_end, step)[:, None]
    columns = np.arange(-(-column // step) * step, column_end, step)[None]
    return (rows - row, columns - column), (rows // step, columns // step)


class AreaTally:
    """Counts the pixels of each class, and keeps a preview."""

    def __init__(self, shape: tuple[int, int], classes: int) -> None:
        """Begin with empty counts.

        Args:
            shape: (Y, X) of the area.
            classes: K, number of classes.
        """
        step = preview_step(shape)
        small = -(-shape[0] // step), -(-shape[1] // step)
        empty = np.full(small, CLASS_NODATA, dtype=np.uint8)
        self.preview = Preview(step, np.zeros((*small, 3), dtype=np.float32), empty, empty.copy())
        self.pixels = np.zeros(classes + 1, dtype=np.int64)
        """(K + 1,) by class, "unknown" last."""
        self.certainty = np.zeros(classes + 1)
        """(K + 1,) sums of the confidences 0..1."""
        self.seen = self.nodata = self.masked = 0

    def add(self, block: ClassBlock, window: Window) -> None:
        """Count a block, and keep some of its pixels for the preview."""
        counts = np.bincount(block.classes.ravel(), minlength=CLASS_NODATA + 1)
        self.nodata += int(counts[CLASS_NODATA])
        self.seen += int(counts[:CLASS_NODATA].sum())
        self.masked += block.masked
        self.pixels += np.append(counts[1 : len(self.pixels)], counts[0])
        self.certainty += block.certainty
        inside, target = thinned(window, self.preview.step)
        self.preview.classes[target] = block.classes[inside]
        self.preview.confidence[target] = block.confidence[inside]
        self.preview.true_colour[target] = (block.colour[inside].astype(np.float32) / 255) ** 2

    def skip(self, window: Window) -> None:
        """Count a block in which nothing was seen."""
        self.nodata += window.pixels

    def missing(self) -> dict[str, int]:
        """Pixels without a class, as the provenance names them."""
        return {"masked_pixels": self.masked, "nodata_pixels": self.nodata}

    def areas(self, classes: Taxonomy, pixel_m: float) -> tuple[ClassArea, ...]:
        """Area of each class and of "unknown", for square pixels of this side in metres."""
        names, colours = (*classes.names, "unknown"), (*classes.colours, "#808080")
        values = (*range(1, len(classes) + 1), 0)
        answered = self.pixels * (np.arange(len(names)) < len(classes))  # an unknown pixel states no confidence
        means = np.divide(self.certainty, answered, out=np.full(len(names), np.nan), where=answered > 0)
        rows = zip(names, values, colours, self.pixels.tolist(), means.tolist(), strict=True)
        return tuple(
            ClassArea(name, value, colour, pixels, pixels * pixel_m**2 / 10_000, pixels / max(self.seen, 1), mean)
            for name, value, colour, pixels, mean in rows
        )
