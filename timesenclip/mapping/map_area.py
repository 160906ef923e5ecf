"""Map an area: every pixel is embedded and classified, block by block, and the predictions become maps.

Finished blocks are kept in `OUT/.map.partial` until all are there, so that an interrupted run can be continued;
embeddings are not kept (`embed_area` keeps them for `ask_store`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from timesenclip.eo.area import AreaSource, CubeInMemory, block_side
from timesenclip.eo.outliers import Outliers
from timesenclip.eo.period import Every, Period, as_period
from timesenclip.errors import InputError, NoClearObservationError
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.mapping.output.layers import AreaGrid
from timesenclip.mapping.output.result import MapResult
from timesenclip.mapping.output.staging import MAP_FILES, check_map_folder, map_folder
from timesenclip.mapping.output.tally import AreaTally
from timesenclip.mapping.output.write_map import write_map
from timesenclip.mapping.output.zones import check_zones
from timesenclip.mapping.plan import check_bands
from timesenclip.mapping.query import make_query
from timesenclip.mapping.run.blocks import Progress
from timesenclip.mapping.run.facts import shared_input
from timesenclip.mapping.run.map_block import MapJob, is_block_file, is_block_folder
from timesenclip.model.checkpoint import Model, as_model
from timesenclip.owned import remove_known
from timesenclip.series import Cube
from timesenclip.tasks.heads import with_unknown_below

__all__ = ["map_cube"]


def map_cube(
    cube: Cube | AreaSource,
    taxonomy: Taxonomy | str | Path | Sequence[str],
    *,
    out: str | Path,
    model: Model | str | Path | None = None,
    period: Period | str | int | None = None,
    every: Every = "month",
    outliers: Outliers = "drop",
    templates: str | Sequence[str] = "default",
    against: Taxonomy | str | Path | Sequence[str] | None = None,
    unknown_below: float | None = None,
    answer_all: bool = False,
    min_clear: int = 0,
    scores: bool = True,
    zones: str | Path | None = None,
    block: int | None = None,
    workers: int | None = None,
    dask: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MapResult:
    """Map an area by classes: embed and classify every pixel, and write the maps.

    Args:
        cube: a `Cube`, or an opened area (`CubeSource`, `StacSource`), read block by block, so that memory does not
            grow with the area.
        taxonomy: a taxonomy, its name, a YAML file, or a list of phrases; at most 254 classes.
        out: folder for the files; it is made. Where the same map was interrupted there, it is continued.
        model: a model or a checkpoint's name; default: the shipped one.
        period, every: what is read of an opened area; a `Cube` is taken as it is.
        outliers: leave out outlying steps of the composites, or keep them (see `timesenclip.eo.outliers`).
        templates: prompt templates.
        against: with one phrase alone, what it is compared with instead of the shipped background.
        unknown_below: cosine below which a pixel is unknown, instead of the checkpoint's; -1: never.
        answer_all: give every pixel that was seen its best class: `unknown` is none of them.
        min_clear: pixels with fewer clear observations are nodata.
        scores: also write one score band a class.
        zones: polygons for which the predictions are counted apart.
        block: side of a block in pixels; default: 256, of scenes 512, since their files hold tiles of up to 1,024.
        workers: blocks at the same time; default: one a core. Memory grows with them.
        dask: `tcp://host:port` or `local:N`: run the blocks on a cluster that reaches `out`, with the same result.
        overwrite: where another map was begun in `out`, drop its finished blocks.
        progress: called with (done, all) in pixels.

    Returns:
        The result; the files are complete when this returns.

    Raises:
        BandError: the area lacks bands that the checkpoint needs.
        NoClearObservationError: no pixel has (enough) clear observations.
        InputError: too many classes, the encoder reads patches, or another map was begun in `out`, or a file of
            the map would replace one that is not ours.
        PartialFailureError: some blocks failed; the others are kept, and the same call computes the missing ones.
    """
    check_map_folder(out, "map", MAP_FILES)
    chosen = with_unknown_below(as_model(model), unknown_below)
    source = CubeInMemory(cube) if isinstance(cube, Cube) else cube
    grid = AreaGrid.of(source)
    side = block_side(source, block)
    _check_arguments(grid, min_clear, zones)
    query = make_query(
        chosen,
        taxonomy,
        templates=templates,
        against=against,
        unknown_below=unknown_below,
        answer_all=answer_all,
    )
    check_bands(source, chosen, period=as_period(period))
    source.check_offset(period)
    plain = Model(chosen.encoder, chosen.config, digest=chosen.digest)  # without its tower, which blocks do not need
    with map_folder(out, "map", MAP_FILES) as folder, _finished_blocks(folder) as parts:
        job = MapJob(source, plain, query, as_period(period), every, min_clear, scores, parts, outliers)
        facts = job.run_all(side, workers=workers, dask=dask, overwrite=overwrite, progress=progress)
        bands = {"bands": list(source.bands_there(job.period))}
        about = query.origin | {"input": bands | shared_input(facts.values()), "min_clear": min_clear}
        return write_map(
            job.load_all(facts),
            query,
            lambda tally: about | tally.missing(),
            folder=folder,
            grid=grid,
            scores=scores,
            zones=zones,
            nothing_seen=lambda tally: _nothing_seen(tally, min_clear),
            model=chosen,
        )


def _check_arguments(grid: AreaGrid, min_clear: int, zones: str | Path | None) -> None:
    if min_clear < 0:
        raise InputError(f"min_clear is {min_clear}; expected 0 or more.")
    if zones is not None:
        check_zones(zones, shape=grid.shape, crs=grid.crs, transform=grid.transform)


@contextmanager
def _finished_blocks(folder: Path) -> Iterator[Path]:
    """The folder of the finished blocks; after an error it is kept for the next run, where it has any use."""
    parts = folder.resolve() / ".map.partial"
    if parts.is_symlink() or (parts.exists() and not is_block_folder(parts)):
        raise InputError(f"'{parts}' was not made by timesenclip, which keeps finished blocks there; move it.")
    try:
        yield parts
    except BaseException as error:
        if isinstance(error, NoClearObservationError) or not any(parts.glob("*.npz")):
            remove_known(parts, is_block_file)
        raise
    remove_known(parts, is_block_file)


def _nothing_seen(tally: AreaTally, min_clear: int) -> str:
    enough = f"{min_clear} clear observations" if min_clear > 1 else "a clear observation"
    lower = ", or lower --min-clear" if tally.masked else ""
    return f"No pixel of the area has {enough} in the period; choose another period{lower}."
