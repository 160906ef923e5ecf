"""Ask a store: class, confidence and score maps, and how much each answer covers, without reading a scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesenclip._version import __version__
from timesenclip.eo.area import window_transform
from timesenclip.errors import InputError, NoClearObservationError
from timesenclip.files import write_json
from timesenclip.grid import Window, resolution_m
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.mapping.output.class_map import AreaTally, BlockAnswers, answer_writers, cog_writers, write_answers
from timesenclip.mapping.output.cog import map_folder, write_class_sidecars
from timesenclip.mapping.output.illustrate import illustrated
from timesenclip.mapping.output.result import ClassArea, MapResult
from timesenclip.mapping.output.zones import check_zones, write_zones
from timesenclip.mapping.query import Question, question_of, question_of_head
from timesenclip.mapping.store.info import BlockData
from timesenclip.mapping.store.quantise import score_rows
from timesenclip.mapping.store.scoring import in_threads
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model, as_model
from timesenclip.tasks.classify import Predictions, classify_scores
from timesenclip.tasks.heads import Head

__all__ = ["answer_block", "area_pixel_m", "ask_store"]


def ask_store(
    store: EmbeddingStore | str | Path,
    taxonomy: Taxonomy | str | Path | Sequence[str] | None = None,
    *,
    out: str | Path,
    photos: Sequence[str | Path] = (),
    head: Head | str | Path | None = None,
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
        head: a head that was learned from labelled points (`fit_head`), or its folder, instead of words.
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
        CheckpointError: the head was made for another checkpoint than the store.
        NoClearObservationError: no pixel has enough clear observations.
        TowerError: the model's tower is not the store's.
    """
    opened = store if isinstance(store, EmbeddingStore) else EmbeddingStore.open(store)
    require_complete(opened)
    if min_clear < 0:
        raise InputError(f"min_clear is {min_clear}; expected 0 or more.")
    if unknown_below is not None and not -1 <= unknown_below <= 1:
        raise InputError(f"unknown_below is {unknown_below:g}; a cosine is -1..1, and -1 calls nothing unknown.")
    asker = None if model is None else as_model(model)
    if head is None:
        question = question_of(opened, taxonomy, photos=photos, model=asker, templates=templates)
    else:
        question, templates = _question_of_head(opened, head, (taxonomy, *photos, asker)), "name"
    if zones is not None:
        check_zones(zones, shape=opened.shape, crs=opened.info.crs, transform=opened.transform)
    count = AreaTally(opened.shape, len(question.taxonomy))
    folder = map_folder(out)

    def work(window: Window) -> BlockAnswers:
        data = opened.read(window)
        block = answer_block(data, question, opened, unknown_below=unknown_below, min_clear=min_clear)
        return BlockAnswers.of(block.answers, data.clear, data.colour, masked=int(block.masked.sum()), scores=scores)

    grid: dict[str, Any] = {"shape": opened.shape, "crs": opened.info.crs, "transform": opened.transform}
    with cog_writers(answer_writers(folder, question.taxonomy, scores=scores, **grid)) as writers:
        for window, block in in_threads(work, opened.blocks(), workers):
            write_answers(writers, block, window)
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
        files |= write_zones(zones, folder, question.taxonomy, pixel_m=area_pixel_m(opened))
    about = _provenance(opened, question, areas, count, templates, min_clear)
    files["provenance"] = write_json(folder / "provenance.json", about)
    result = MapResult(folder, files, question.taxonomy, areas, count.nodata, count.preview, (), about)
    return illustrated(result)


def _question_of_head(store: EmbeddingStore, head: Head | str | Path, others: Sequence[object]) -> Question:
    """The question of a head, which is asked alone: `others` are what words or another checkpoint were given."""
    if any(other is not None for other in others):
        raise InputError("A head brings its own classes and checkpoint; ask with it alone.")
    return question_of_head(store, head)


class _Block(NamedTuple):
    """The answers of one block."""

    answers: Predictions
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
    calibration = question.calibration or store.info.calibration
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
    row, column = store.shape[0] // 2, store.shape[1] // 2
    middle = (row, row + 1, column, column + 1)
    return resolution_m(store.info.crs, window_transform(store.transform, middle), (1, 1))


def _provenance(
    store: EmbeddingStore,
    question: Question,
    areas: tuple[ClassArea, ...],
    count: AreaTally,
    templates: str | Sequence[str],
    min_clear: int,
) -> dict[str, Any]:

    info = store.info
    return {
        "timesenclip": __version__,
        "store": str(store.path),
        "checkpoint": {"name": info.checkpoint, "digest": info.digest, "tower": question.tower or info.tower},
        "calibration": (question.calibration or info.calibration).model_dump(),
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
