"""Maps of scenicness: the scores of `timesenclip.evaluation.scenic` for every pixel of an area or of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.area import AreaSource, block_side, block_windows
from timesenclip.eo.outliers import Outliers
from timesenclip.eo.period import Every, Period, as_period
from timesenclip.errors import CheckpointError, NoClearObservationError
from timesenclip.grid import Window
from timesenclip.mapping.observations import read_composites
from timesenclip.mapping.output.layers import SCORE_NODATA, AreaGrid, Layer
from timesenclip.mapping.output.staging import check_map_folder, map_folder, staged
from timesenclip.mapping.output.tally import preview_step, thinned
from timesenclip.mapping.output.write_map import write_rasters
from timesenclip.mapping.store.scoring import in_threads
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed_cube
from timesenclip.report.figure import new_figure
from timesenclip.tasks.scenic_score import LinearScore

__all__ = ["map_scores"]


def map_scores(
    area: EmbeddingStore | AreaSource,
    scores: Sequence[LinearScore],
    *,
    model: Model,
    out: str | Path,
    name: str = "scenic-map",
    period: Period | str | int | None = None,
    every: Every = "month",
    outliers: Outliers = "drop",
    block: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Path]:
    """Give every pixel its scores, block by block.

    Args:
        area: a complete store (quick), or an opened area, whose pixels are embedded first.
        scores: what to map, from `Scenicness.scores`; one band each.
        model: the model that the scores were made with.
        out: folder; it is made.
        name: of the files.
        period, every: what is read of an opened area.
        outliers: leave out outlying steps of the composites, or keep them (see `timesenclip.eo.outliers`).
        block: side of its blocks in pixels; default: 256, of scenes 512.
        workers: threads, for a store; default: one a core.
        progress: called with (done, all) in pixels.

    Returns:
        `raster` (float32 COG, -9999 is nodata) and `picture` (SVG; a PDF lies beside it).

    Raises:
        CheckpointError: the store was made with another checkpoint than the model.
        InputError: the store is not complete, nothing can be written to `out`, or a file would replace one that is not
            ours.
        NoClearObservationError: nothing was seen.
    """
    written = (f"{name}.tif", f"{name}.svg", f"{name}.pdf")
    check_map_folder(out, "score map", written)
    weights = np.stack([score.weights for score in scores])  # (S, D)
    offset = np.array([score.offset for score in scores], dtype=np.float32)  # (S,)
    if isinstance(area, EmbeddingStore):
        blocks = _of_store(area, weights, model, workers)
    else:
        area.check_offset(period)
        blocks = _of_source(area, weights, model, as_period(period), every, block_side(area, block), outliers)
    names = [score.name for score in scores]
    step = preview_step(area.shape)
    small = np.full((len(scores), *(-(-size // step) for size in area.shape)), np.nan, dtype=np.float32)

    def scored() -> Iterator[tuple[Window, dict[str, NDArray[np.float32]]]]:
        for window, values in blocks:
            row, row_end, column, column_end = window
            filled = (values + offset).T.reshape(len(scores), row_end - row, column_end - column)  # (S, Y, X)
            (rows, columns), (to_rows, to_columns) = thinned(window, step)
            small[:, to_rows, to_columns] = filled[:, rows, columns]
            yield window, {name: np.where(np.isfinite(filled), filled, np.float32(SCORE_NODATA))}
        if not np.isfinite(small).any():
            raise NoClearObservationError("No pixel of the area was seen clearly in the period; choose another period.")

    tags = {f"SCORE_{i + 1}": each for i, each in enumerate(names)}
    layer = Layer(name, "float32", SCORE_NODATA, names, tags, overviews="average")
    with map_folder(out, "score map", written) as folder, staged(folder, "score map", written) as stage:
        write_rasters([layer], scored(), folder=stage, grid=AreaGrid.of(area), progress=progress)
        _picture(stage, name, names, small)
    return {"raster": folder / f"{name}.tif", "picture": folder / f"{name}.svg"}


def _of_store(
    store: EmbeddingStore, weights: NDArray[np.float32], model: Model, workers: int | None
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    store.require_complete()
    if store.info.digest != model.digest:
        raise CheckpointError(
            f"The store '{store.path}' was made with checkpoint '{store.info.checkpoint}' ({store.info.digest}), the "
            f"scores with '{model.config.name}' ({model.digest}); give that checkpoint, or embed the area again."
        )
    projected = store.project(weights)
    return in_threads(lambda window: store.scores(window, projected), store.blocks(), workers)


def _of_source(
    source: AreaSource,
    weights: NDArray[np.float32],
    model: Model,
    period: Period | None,
    every: Every,
    block: int,
    outliers: Outliers,
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    for window in block_windows(source.shape, block):
        cube = read_composites(source, window, period, every, outliers)
        if cube is None:
            yield window, np.full((window.pixels, len(weights)), np.nan, dtype=np.float32)
        else:
            yield window, embed_cube(cube, model=model) @ weights.T


def _picture(folder: Path, name: str, names: Sequence[str], small: NDArray[np.float32]) -> None:
    height, width = small.shape[1:]
    panel = min(max(height / width, 0.35), 1.6) * 4.0
    with new_figure(4.8, (panel + 0.45) * len(names)) as (figure, finish):
        plots = np.atleast_1d(figure.subplots(len(names), 1))
        for plot, title, values in zip(plots, names, small, strict=True):
            known = values[np.isfinite(values)]
            low, high = np.percentile(known, [2, 98])
            drawn = plot.imshow(values, cmap="cividis", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
            plot.set_title(title)
            plot.set_xticks([])
            plot.set_yticks([])
            figure.colorbar(drawn, ax=plot, fraction=0.04, pad=0.02)
        finish(name, "Scores on the map: dark is low, light is high").save(folder)
