"""Write the files of a map: rasters, and for a map of classes also areas, zones, picture, page and provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from timesenclip.errors import NoClearObservationError
from timesenclip.files import write_json
from timesenclip.grid import Window
from timesenclip.mapping.output.class_map import ClassBlock
from timesenclip.mapping.output.cog import CogWriter
from timesenclip.mapping.output.examples import Examples
from timesenclip.mapping.output.layers import AreaGrid, Layer, map_layers
from timesenclip.mapping.output.page import write_page
from timesenclip.mapping.output.picture import write_picture
from timesenclip.mapping.output.result import MapResult
from timesenclip.mapping.output.sidecars import write_class_sidecars
from timesenclip.mapping.output.staging import MAP_FILES, staged
from timesenclip.mapping.output.tally import AreaTally
from timesenclip.mapping.output.zones import write_zones
from timesenclip.mapping.query import Query
from timesenclip.model.checkpoint import Model

__all__ = ["write_map", "write_rasters"]

Rasters = Mapping[str, NDArray[Any]]
"""(C, Y, X) of a window, by the name of the layer."""

_PROVENANCE = "provenance.json"


def write_rasters(
    layers: Sequence[Layer],
    blocks: Iterable[tuple[Window, Rasters]],
    *,
    folder: Path,
    grid: AreaGrid,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Path]:
    """Write the rasters of a map, block by block; no file takes its name before all rasters are complete on the disk.

    Args:
        layers: the rasters.
        blocks: the windows and their values; a window whose values are empty reads as nodata.
        folder: where the files go; for a map of several files, a folder of `staged`.
        grid: where their pixels are.
        progress: called with (done, all) in pixels.

    Returns:
        The file of each layer, by its name.

    Raises:
        OSError: a file could not be written.
        Exception: what `blocks` raises. No raster is added or replaced then, nor after an error in one of them.
    """
    total, done = grid.shape[0] * grid.shape[1], 0
    with ExitStack() as stack:
        writers: dict[str, CogWriter] = {}
        for layer in layers:
            writers[layer.name] = CogWriter(folder, layer, grid)
            stack.callback(writers[layer.name].discard)
        for window, values in blocks:
            for name, raster in values.items():
                writers[name].write(raster, window)
            done += window.pixels
            if progress is not None:
                progress(done, total)
        for writer in writers.values():
            writer.complete()
        files = {name: writer.publish() for name, writer in writers.items()}
    for layer in layers:
        if layer.taxonomy is not None:
            write_class_sidecars(files[layer.name], layer.taxonomy)
    return files


def write_map(
    blocks: Iterable[tuple[Window, ClassBlock | None]],
    query: Query,
    describe: Callable[[AreaTally], dict[str, Any]],
    *,
    folder: Path,
    grid: AreaGrid,
    scores: bool,
    zones: str | Path | None,
    nothing_seen: Callable[[AreaTally], str],
    model: Model | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MapResult:
    """Write a map of classes, and count what it shows.

    In a folder with an older map all files of that map are replaced, and those that this map does not have are removed.
    No file takes its name before all are complete on the disk (`timesenclip.mapping.output.staging`).

    Args:
        blocks: the windows and their predictions; None where nothing was seen.
        query: what was asked.
        describe: gives the content of provenance.json, but for the areas, when all blocks are counted.
        folder: where the files go, as `map_folder` gives it.
        grid: where the pixels are.
        scores: whether the blocks have scores.
        zones: polygons for which the predictions are counted apart.
        nothing_seen: gives the message where no pixel has a prediction.
        model: explains typical pixels, where the blocks have some.
        progress: called with (done, all) in pixels.

    Returns:
        The result; its files are complete.

    Raises:
        NoClearObservationError: no pixel has a prediction; no file is added or replaced.
        OSError: a file could not be written; the older map is whole.
    """
    tally, examples = AreaTally(grid.shape, len(query.taxonomy)), Examples()

    def counted() -> Iterator[tuple[Window, Rasters]]:
        for window, block in blocks:
            if block is None:
                tally.skip(window)
            else:
                tally.add(block, window)
                examples.add(block.typical)
            yield window, {} if block is None else block.rasters()
        if tally.seen == 0:
            raise NoClearObservationError(nothing_seen(tally))

    layers = map_layers(query.taxonomy, scores=scores)
    with staged(folder, "map", MAP_FILES) as stage:
        files = write_rasters(layers, counted(), folder=stage, grid=grid, progress=progress)
        pixel_m = grid.pixel_m
        areas = tally.areas(query.taxonomy, pixel_m)
        if zones is not None:
            files |= write_zones(zones, stage, query.taxonomy, pixel_m=pixel_m)
        about = describe(tally) | {
            "areas": [asdict(area) for area in areas],
        }
        files["provenance"] = write_json(stage / _PROVENANCE, about)
        shown = () if model is None else examples.explained(tally.pixels, query, model)
        result = MapResult(stage, files, query.taxonomy, areas, tally.nodata, tally.preview, shown, about)
        files["picture"] = write_picture(result, stage / "map.png")
        files["page"] = write_page(result, stage / "map.html")
    return replace(result, folder=folder, files={name: folder / path.name for name, path in files.items()})
