"""Ask a store: class, confidence and score maps, and how much each answer covers, without reading a scene."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.cube import Window
from timesenclip.eo.grid import resolution_m
from timesenclip.errors import InputError, NoClearObservationError
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.mapping.embeddings import BlockData, EmbeddingStore
from timesenclip.mapping.quantise import score_rows
from timesenclip.mapping.question import Question, question_of
from timesenclip.mapping.run import ClassArea, MapResult, Preview
from timesenclip.mapping.score import in_threads
from timesenclip.mapping.write import (
    CLASS_NODATA,
    SCORE_NODATA,
    CogWriter,
    block_values,
    class_colours,
    write_class_sidecars,
)
from timesenclip.model.checkpoint import Model, load
from timesenclip.tasks.classify import Answers, classify_scores

__all__ = ["answer_block", "area_pixel_m", "ask_store", "cog_writers"]

_PREVIEW_PX = 1024


def ask_store(
    store: EmbeddingStore | str | Path,
    taxonomy: Taxonomy | str | Path | Sequence[str] | None = None,
    *,
    out: str | Path,
    photos: Sequence[str | Path] = (),
    model: Model | str | Path | None = None,
    templates: str | Sequence[str] = "default",
    unknown_below: float | None = None,
    min_clear: int = 0,
    scores: bool = True,
    zones: str | Path | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MapResult:
    """Answer a question for every pixel of a store.

    Args:
        store: a complete store, or its path.
        taxonomy: a taxonomy, its name, a YAML file, or a list of phrases.
        out: folder for the files; it is made.
        photos: photographs taken on the ground, instead of words.
        model: a checkpoint to ask with; its tower must be the store's. Default: the store's tower.
        templates: prompt templates.
        unknown_below: cosine below which a pixel is unknown, instead of the checkpoint's; -1: never.
        min_clear: pixels with fewer clear observations are nodata.
        scores: also write one score band a class.
        zones: polygons for which the answers are counted apart.
        workers: threads; default: one a core.
        progress: called with (done, all) in pixels.

    Raises:
        InputError: the store is not complete, or the question cannot be asked.
        NoClearObservationError: no pixel has enough clear observations.
        TowerError: the model's tower is not the store's.
    """
    opened = store if isinstance(store, EmbeddingStore) else EmbeddingStore.open(store)
    require_complete(opened)
    if min_clear < 0:
        raise InputError(f"min_clear is {min_clear}; expected 0 or more.")
    asker = model if model is None or isinstance(model, Model) else load(model)
    question = question_of(opened, taxonomy, photos=photos, model=asker, templates=templates)
    count = _Count(opened.shape, len(question.taxonomy))
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)

    def work(window: Window) -> _Block:
        return answer_block(opened.read(window), question, opened, unknown_below=unknown_below, min_clear=min_clear)

    with cog_writers(_writers(folder, opened, question.taxonomy, scores=scores)) as writers:
        for window, block in in_threads(work, opened.blocks(), workers):
            _write(writers, block, window)
            count.add(block, window)
            if progress is not None:
                progress(count.done, opened.shape[0] * opened.shape[1])
        if count.seen == 0:
            raise NoClearObservationError(
                f"No pixel of '{opened.path}' has {max(min_clear, 1)} clear observation(s) or more; lower --min-clear, "
                "or embed another period."
            )
        files = {name: writer.finish() for name, writer in writers.items()}
    write_class_sidecars(files["classes"], question.taxonomy)
    areas = count.areas(question.taxonomy, area_pixel_m(opened))
    if zones is not None:
        from timesenclip.mapping.zones import write_zones

        files |= write_zones(zones, folder, question.taxonomy, pixel_m=area_pixel_m(opened))
    about = _provenance(opened, question, areas, count, templates, min_clear)
    files["provenance"] = _write_json(folder / "provenance.json", about)
    result = MapResult(folder, files, question.taxonomy, areas, count.nodata, count.preview, (), about)
    return _illustrated(result)


class _Block(NamedTuple):
    """The answers of one block."""

    answers: Answers
    data: BlockData
    masked: NDArray[np.bool_]
    """(Y, X) seen, but not often enough."""


def answer_block(
    data: BlockData, question: Question, store: EmbeddingStore, *, unknown_below: float | None, min_clear: int
) -> _Block:
    """Answer a question for what was read of a store."""
    seen = data.scale > 0
    masked = seen & (data.clear < min_clear)
    scale = np.where(masked, np.float32(0), data.scale).reshape(-1)
    scores = score_rows(data.vectors.reshape(-1, data.vectors.shape[-1]), scale, question.weights)  # (N, K)
    calibration = store.info.calibration
    threshold = calibration.unknown_score if unknown_below is None else unknown_below
    with np.errstate(invalid="ignore"):
        answers = classify_scores(scores, temperature=calibration.temperature, unknown_score=threshold)
    return _Block(answers, data, masked)


def require_complete(store: EmbeddingStore) -> None:
    """Refuse a store with missing blocks.

    Raises:
        InputError: it is not complete.
    """
    if not store.status.get("complete"):
        raise InputError(
            f"The store '{store.path}' is not complete; run the `embed-area` command that began it again, and it does "
            "what is missing."
        )


def area_pixel_m(store: EmbeddingStore) -> float:
    """Side of a pixel in metres, in the middle of the area."""
    a, b, c, d, e, f = store.transform
    row, column = store.shape[0] // 2, store.shape[1] // 2
    middle = (a, b, c + a * column + b * row, d, e, f + d * column + e * row)
    return resolution_m(store.info.crs, middle, (1, 1))


@contextmanager
def cog_writers(writers: dict[str, CogWriter]) -> Iterator[dict[str, CogWriter]]:
    """Leave nothing half-written behind."""
    try:
        yield writers
    finally:
        for writer in writers.values():
            writer.discard()


def _writers(folder: Path, store: EmbeddingStore, classes: Taxonomy, *, scores: bool) -> dict[str, CogWriter]:
    grid: dict[str, Any] = {"shape": store.shape, "crs": store.info.crs, "transform": store.transform}

    def writer(name: str, dtype: str, nodata: float, descriptions: Sequence[str], **more: Any) -> CogWriter:
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


def _write(writers: dict[str, CogWriter], block: _Block, window: Window) -> None:
    answers, shape = block.answers, block.masked.shape
    seen = answers.seen
    writers["classes"].write(block_values(answers.label_index, seen, (shape[0], shape[1])), window)
    writers["confidence"].write(_percent(answers).reshape(1, *shape), window)
    writers["clear"].write(block.data.clear[None], window)
    if "scores" in writers:
        filled = np.where(seen[:, None], answers.scores, SCORE_NODATA).astype(np.float32)
        writers["scores"].write(np.ascontiguousarray(filled.T).reshape(-1, *shape), window)


def _percent(answers: Answers) -> NDArray[np.uint8]:
    return np.where(answers.seen, np.round(answers.confidence * 100), CLASS_NODATA).astype(np.uint8)


class _Count:
    """What is counted while the blocks pass by; its size does not depend on the area's."""

    def __init__(self, shape: tuple[int, int], classes: int) -> None:
        step = max(1, -(-max(shape) // _PREVIEW_PX))
        small = -(-shape[0] // step), -(-shape[1] // step)
        empty = np.full(small, CLASS_NODATA, dtype=np.uint8)
        self.preview = Preview(step, np.zeros((*small, 3), dtype=np.float32), empty, empty.copy())
        self.pixels = np.zeros(classes + 1, dtype=np.int64)
        self.confidence = np.zeros(classes + 1)
        self.done = self.seen = self.nodata = self.masked = 0

    def add(self, block: _Block, window: Window) -> None:
        """Count a block."""
        answers = block.answers
        seen = answers.seen
        self.done += len(seen)
        self.seen += int(seen.sum())
        self.nodata += int((~seen).sum())
        self.masked += int(block.masked.sum())
        label = answers.label_index[seen] % len(self.pixels)  # -1, unknown, comes last
        self.pixels += np.bincount(label, minlength=len(self.pixels))
        self.confidence += np.bincount(label, weights=answers.confidence[seen], minlength=len(self.pixels))
        self._thin(block, window)

    def _thin(self, block: _Block, window: Window) -> None:
        step, answers, shape = self.preview.step, block.answers, block.masked.shape
        rows = np.arange(-(-window[0] // step) * step, window[1], step)
        columns = np.arange(-(-window[2] // step) * step, window[3], step)
        inside, target = np.ix_(rows - window[0], columns - window[2]), np.ix_(rows // step, columns // step)
        classes = block_values(answers.label_index, answers.seen, (shape[0], shape[1]))[0]
        self.preview.classes[target] = classes[inside]
        self.preview.confidence[target] = _percent(answers).reshape(shape)[inside]
        self.preview.true_colour[target] = (block.data.colour[inside].astype(np.float32) / 255) ** 2

    def areas(self, classes: Taxonomy, pixel_m: float) -> tuple[ClassArea, ...]:
        """Area of each class and of "unknown"."""
        names, colours = (*classes.names, "unknown"), (*classes.colours, "#808080")
        values = (*range(1, len(classes) + 1), 0)
        means = np.divide(self.confidence, self.pixels, out=np.full(len(names), np.nan), where=self.pixels > 0)
        rows = zip(names, values, colours, self.pixels.tolist(), means.tolist(), strict=True)
        return tuple(
            ClassArea(name, value, colour, pixels, pixels * pixel_m**2 / 10_000, pixels / max(self.seen, 1), mean)
            for name, value, colour, pixels, mean in rows
        )


def _provenance(
    store: EmbeddingStore,
    question: Question,
    areas: tuple[ClassArea, ...],
    count: _Count,
    templates: str | Sequence[str],
    min_clear: int,
) -> dict[str, Any]:
    from timesenclip import __version__

    info = store.info
    return {
        "timesenclip": __version__,
        "store": str(store.path),
        "checkpoint": {"name": info.checkpoint, "digest": info.digest, "tower": info.tower},
        "calibration": info.calibration.model_dump(),
        "dimensions": {"full": info.full_dims, "kept": info.dims, "share_of_length": info.kept},
        "taxonomy": question.taxonomy.name,
        "templates": templates,
        "prompts": question.words,
        "min_clear": min_clear,
        "masked_pixels": count.masked,
        "nodata_pixels": count.nodata,
        "input": store.status["provenance"]["input"],
        "areas": [asdict(area) | {"mean_confidence": area.mean_confidence if area.pixels else None} for area in areas],
    }


def _write_json(path: Path, content: dict[str, Any]) -> Path:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def _illustrated(result: MapResult) -> MapResult:
    from timesenclip.mapping.page import write_page
    from timesenclip.mapping.picture import write_picture

    result.files["picture"] = write_picture(result, result.folder / "map.png")
    result.files["page"] = write_page(result, result.folder / "map.html")
    return result
