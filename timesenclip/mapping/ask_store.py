"""Classify the pixels of a store: maps of class, confidence and scores, and the area of each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from timesenclip.errors import InputError
from timesenclip.grid import Window
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.mapping.output.class_map import ClassBlock
from timesenclip.mapping.output.layers import AreaGrid
from timesenclip.mapping.output.result import MapResult
from timesenclip.mapping.output.staging import MAP_FILES, check_map_folder, map_folder
from timesenclip.mapping.output.write_map import write_map
from timesenclip.mapping.output.zones import check_zones
from timesenclip.mapping.query import Query, make_query
from timesenclip.mapping.run.ask_block import ask_block
from timesenclip.mapping.run.blocks import Progress
from timesenclip.mapping.store.scoring import in_threads
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model, as_model
from timesenclip.tasks.heads import Head

__all__ = ["ask_store"]


def ask_store(
    store: EmbeddingStore | str | Path,
    taxonomy: Taxonomy | str | Path | Sequence[str] | None = None,
    *,
    out: str | Path,
    photos: Sequence[str | Path] = (),
    head: Head | str | Path | None = None,
    model: Model | str | Path | None = None,
    templates: str | Sequence[str] = "default",
    against: Taxonomy | str | Path | Sequence[str] | None = None,
    unknown_below: float | None = None,
    answer_all: bool = False,
    min_clear: int = 0,
    scores: bool = True,
    zones: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> MapResult:
    """Classify every pixel of a store.

    Args:
        store: a complete store, or its path.
        taxonomy: a taxonomy, its name, a YAML file, or a list of phrases.
        out: folder for the files; it is made.
        photos: photographs taken on the ground, instead of words.
        head: a head that was learned from labelled points (`fit_head`), or its folder, instead of words.
        model: a checkpoint to ask with; its tower must be the store's. Default: the store's tower.
        templates: prompt templates.
        against: with one phrase alone, what it is compared with instead of the shipped background.
        unknown_below: cosine below which a pixel is unknown, instead of the checkpoint's; -1: never.
        answer_all: give every pixel that was seen its best class: `unknown` is none of them.
        min_clear: pixels with fewer clear observations are nodata.
        scores: also write one score band a class.
        zones: polygons for which the predictions are counted apart.
        workers: threads; default: one a core.
        progress: called with (done, all) in pixels.

    Returns:
        The result; its files are complete.

    Raises:
        InputError: the store is not complete, the query cannot be asked, or a file of the map would replace one that
            is not ours.
        CheckpointError: the head was made for another checkpoint than the store.
        NoClearObservationError: no pixel has enough clear observations.
        TowerError: the model's tower is not the store's.
    """
    check_map_folder(out, "map", MAP_FILES)
    opened = store if isinstance(store, EmbeddingStore) else EmbeddingStore.open(store)
    opened.require_complete()
    if min_clear < 0:
        raise InputError(f"min_clear is {min_clear}; expected 0 or more.")
    asker = None if model is None else as_model(model)
    query = make_query(
        opened,
        taxonomy,
        photos=photos,
        head=head,
        model=asker,
        templates=templates,
        against=against,
        unknown_below=unknown_below,
        answer_all=answer_all,
    )
    grid = AreaGrid.of(opened)
    if zones is not None:
        check_zones(zones, shape=grid.shape, crs=grid.crs, transform=grid.transform)
    with map_folder(out, "map", MAP_FILES) as folder:
        return write_map(
            _asked(opened, query, min_clear, scores, workers),
            query,
            lambda tally: (
                query.origin
                | {"min_clear": min_clear}
                | tally.missing()
                | {"input": opened.status["provenance"]["input"]}
            ),
            folder=folder,
            grid=grid,
            scores=scores,
            zones=zones,
            nothing_seen=lambda _: (
                f"No pixel of '{opened.path}' has {max(min_clear, 1)} clear observation(s) or more; lower --min-clear, "
                "or embed another period."
            ),
            progress=progress,
        )


def _asked(
    store: EmbeddingStore, query: Query, min_clear: int, scores: bool, workers: int | None
) -> Iterator[tuple[Window, ClassBlock]]:
    def work(window: Window) -> ClassBlock:
        return ask_block(store.read(window), query, min_clear=min_clear, keep_scores=scores)

    return in_threads(work, store.blocks(), workers)
