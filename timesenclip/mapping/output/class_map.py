"""The answers of one block of an area: as values of rasters, written into maps, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.grid import Transform, Window
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.mapping.output.cog import CLASS_NODATA, SCORE_NODATA, CogWriter, block_values, class_colours
from timesenclip.mapping.output.result import ClassArea, Preview
from timesenclip.tasks.classify import Predictions

__all__ = ["AreaTally", "BlockAnswers", "answer_writers", "cog_writers", "write_answers"]

_PREVIEW_PX = 1024


@dataclass(frozen=True, slots=True)
class BlockAnswers:
    """What is known of one block once it has been asked."""

    classes: NDArray[np.uint8]
    """(Y, X) 0 unknown, 1..K, 255 not seen."""
    confidence: NDArray[np.uint8]
    """(Y, X) percent, 255 not seen."""
    clear: NDArray[np.uint16]
    """(Y, X) clear observations."""
    colour: NDArray[np.uint8]
    """(Y, X, 3) sqrt(reflectance) x 255; 0 not seen."""
    certainty: NDArray[np.float64]
    """(K + 1,) sums of the confidences 0..1 by answer, "unknown" last."""
    masked: NDArray[np.int64]
    """() pixels that were seen, but not often enough."""
    scores: NDArray[np.float32] | None
    """(K, Y, X) cosine similarities, -9999 not seen; None where they are not written."""

    @classmethod
    def of(
        cls,
        answers: Predictions,
        clear: NDArray[np.uint16],
        colour: NDArray[np.uint8],
        *,
        masked: int = 0,
        scores: bool = True,
    ) -> BlockAnswers:
        """Of the answers to the Y * X pixels of a block, row by row."""
        shape = (clear.shape[0], clear.shape[1])
        seen, count = answers.seen, answers.scores.shape[1]
        label = answers.label_index[seen] % (count + 1)  # -1, unknown, comes last
        filled = np.where(seen[:, None], answers.scores, SCORE_NODATA).astype(np.float32) if scores else None
        return cls(
            classes=block_values(answers.label_index, seen, shape)[0],
            confidence=np.where(seen, np.round(answers.confidence * 100), CLASS_NODATA).astype(np.uint8).reshape(shape),
            clear=clear,
            colour=colour,
            certainty=np.bincount(label, answers.confidence[seen], count + 1).astype(np.float64),
            masked=np.asarray(masked, dtype=np.int64),
            scores=None if filled is None else np.ascontiguousarray(filled.T).reshape(-1, *shape),
        )


def answer_writers(
    folder: Path, classes: Taxonomy, *, shape: tuple[int, int], crs: str, transform: Transform, scores: bool
) -> dict[str, CogWriter]:
    """Open the rasters of a map: classes, confidence, clear observations and, if wanted, scores."""

    def writer(name: str, dtype: str, nodata: float, descriptions: Sequence[str], **more: Any) -> CogWriter:
        grid: dict[str, Any] = {"shape": shape, "crs": crs, "transform": transform}
        return CogWriter(folder / f"{name}.tif", dtype=dtype, nodata=nodata, descriptions=descriptions, **grid, **more)

    names = {f"CLASS_{k + 1}": name for k, name in enumerate(classes.names)} | {"CLASS_0": "unknown"}
    made = {
        "classes": writer("classes", "uint8", CLASS_NODATA, ["class"], tags=names, colours=class_colours(classes)),
        "confidence": writer("confidence", "uint8", CLASS_NODATA, ["confidence in percent"], overviews="average"),
        "clear": writer("clear", "uint16", 0, ["clear observations"], overviews="average"),
    }
    if scores:
        tags = {"UNITS": "cosine similarity, -1..1"}
        made["scores"] = writer("scores", "float32", SCORE_NODATA, classes.names, tags=tags, overviews="average")
    return made


@contextmanager
def cog_writers(writers: dict[str, CogWriter]) -> Iterator[dict[str, CogWriter]]:
    """Leave nothing half-written behind."""
    try:
        yield writers
    finally:
        for writer in writers.values():
            writer.discard()


def write_answers(writers: dict[str, CogWriter], block: BlockAnswers, window: Window) -> None:
    """Put a block at its place."""
    writers["classes"].write(block.classes[None], window)
    writers["confidence"].write(block.confidence[None], window)
    writers["clear"].write(block.clear[None], window)
    if "scores" in writers and block.scores is not None:
        writers["scores"].write(block.scores, window)


class AreaTally:
    """What is counted and thinned while the blocks pass by; its size does not depend on the area's."""

    def __init__(self, shape: tuple[int, int], classes: int) -> None:
        """Count answers to so many classes, over (Y, X) pixels."""
        step = max(1, -(-max(shape) // _PREVIEW_PX))
        small = -(-shape[0] // step), -(-shape[1] // step)
        empty = np.full(small, CLASS_NODATA, dtype=np.uint8)
        self.preview = Preview(step, np.zeros((*small, 3), dtype=np.float32), empty, empty.copy())
        self.pixels = np.zeros(classes + 1, dtype=np.int64)
        """(K + 1,) by answer, "unknown" last."""
        self.certainty = np.zeros(classes + 1)
        self.done = self.seen = self.nodata = self.masked = 0

    def add(self, block: BlockAnswers, window: Window) -> None:
        """Count a block, and keep some of its pixels for the picture."""
        counts = np.bincount(block.classes.ravel(), minlength=CLASS_NODATA + 1)
        self.done += block.classes.size
        self.nodata += int(counts[CLASS_NODATA])
        self.seen += int(counts[:CLASS_NODATA].sum())
        self.masked += int(block.masked)
        self.pixels += np.append(counts[1 : len(self.pixels)], counts[0])
        self.certainty += block.certainty
        step = self.preview.step
        rows = np.arange(-(-window[0] // step) * step, window[1], step)
        columns = np.arange(-(-window[2] // step) * step, window[3], step)
        inside, target = np.ix_(rows - window[0], columns - window[2]), np.ix_(rows // step, columns // step)
        self.preview.classes[target] = block.classes[inside]
        self.preview.confidence[target] = block.confidence[inside]
        self.preview.true_colour[target] = (block.colour[inside].astype(np.float32) / 255) ** 2

    def skip(self, window: Window) -> None:
        """Count a block in which nothing was seen."""
        pixels = (window[1] - window[0]) * (window[3] - window[2])
        self.done += pixels
        self.nodata += pixels

    def areas(self, classes: Taxonomy, pixel_m: float) -> tuple[ClassArea, ...]:
        """Area of each class and of "unknown", for square pixels of this side."""
        names, colours = (*classes.names, "unknown"), (*classes.colours, "#808080")
        values = (*range(1, len(classes) + 1), 0)
        means = np.divide(self.certainty, self.pixels, out=np.full(len(names), np.nan), where=self.pixels > 0)
        rows = zip(names, values, colours, self.pixels.tolist(), means.tolist(), strict=True)
        return tuple(
            ClassArea(name, value, colour, pixels, pixels * pixel_m**2 / 10_000, pixels / max(self.seen, 1), mean)
            for name, value, colour, pixels, mean in rows
        )
