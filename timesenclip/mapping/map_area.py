"""Map an area: block by block, every pixel is embedded and asked, and the answers become maps.

Answered blocks wait in `OUT/.map.partial` until all are there, so that a killed run is picked up where it was;
embeddings are not kept (`embed_area` keeps them for `ask_store`).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from timesenclip._version import __version__
from timesenclip.eo.area import AreaSource, CubeInMemory, block_windows
from timesenclip.eo.cube.source import check_offset
from timesenclip.eo.period import Every, Period, as_period
from timesenclip.errors import InputError, NoClearObservationError
from timesenclip.files import remove_temporary_files, write_json
from timesenclip.grid import Window, resolution_m
from timesenclip.ground.prompts import class_vectors, prompts_for
from timesenclip.ground.taxonomy import Taxonomy, as_taxonomy
from timesenclip.manifest import Manifest
from timesenclip.mapping.output.class_map import AreaTally, answer_writers, cog_writers, write_answers
from timesenclip.mapping.output.cog import map_folder, write_class_sidecars
from timesenclip.mapping.output.illustrate import illustrated
from timesenclip.mapping.output.result import MapResult
from timesenclip.mapping.output.zones import check_zones, write_zones
from timesenclip.mapping.run.blocks import Progress, block_key, input_of, run_pieces
from timesenclip.mapping.run.executor import spread_over
from timesenclip.mapping.run.map_block import Examples, MapJob
from timesenclip.model.checkpoint import Model, as_model
from timesenclip.series import Cube
from timesenclip.tasks.heads import with_unknown_below

__all__ = ["map_cube"]

_MAX_CLASSES = 254


def map_cube(
    cube: Cube | AreaSource,
    taxonomy: Taxonomy | str | Path | Sequence[str],
    *,
    out: str | Path,
    model: Model | str | Path | None = None,
    period: Period | str | int | None = None,
    every: Every = "month",
    templates: str | Sequence[str] = "default",
    unknown_below: float | None = None,
    min_clear: int = 0,
    scores: bool = True,
    zones: str | Path | None = None,
    block: int = 128,
    workers: int | None = None,
    dask: str | None = None,
    progress: Progress | None = None,
) -> MapResult:
    """Map an area by words.

    Args:
        cube: a `Cube`, or an opened area (`CubeSource`, `StacSource`), read block by block, so that memory does not
            grow with the area.
        taxonomy: a taxonomy, its name, a YAML file, or a list of phrases; at most 254 classes.
        out: folder for the files; it is made. Where the same map was interrupted there, it is continued.
        model: a model or a checkpoint's name; default: the shipped one.
        period, every: what is read of an opened area; a `Cube` is taken as it is.
        templates: prompt templates.
        unknown_below: cosine below which a pixel is unknown, instead of the checkpoint's; -1: never.
        min_clear: pixels with fewer clear observations are nodata.
        scores: also write one score band a class.
        zones: polygons for which the answers are counted apart.
        block: side of a block in pixels; for scenes 512 or more, since their files hold tiles of up to 1,024.
        workers: blocks at the same time; default: one a core. Memory grows with them.
        dask: `tcp://host:port` or `local:N`: run the blocks on a cluster that reaches `out`, with the same result.
        progress: called with (done, all) in pixels.

    Returns:
        The result; the files are complete when this returns.

    Raises:
        NoClearObservationError: no pixel has (enough) clear observations.
        InputError: too many classes, the encoder reads patches, or another map was begun in `out`.
        PartialFailureError: some blocks failed; the others are kept, and the same call does what is missing.
    """
    chosen = with_unknown_below(as_model(model), unknown_below)
    classes = as_taxonomy(taxonomy)
    source = CubeInMemory(cube) if isinstance(cube, Cube) else cube
    _check(classes, min_clear, block, zones, source)
    check_offset(source, period)
    folder = map_folder(out)
    weights = class_vectors(classes, chosen.tower, templates)
    plain = Model(chosen.encoder, chosen.config, digest=chosen.digest)  # without its tower, which blocks do not need
    parts = folder.resolve() / ".map.partial"
    job = MapJob(source, plain, weights, as_period(period), every, min_clear, scores, parts)
    try:
        facts = _answer(job, classes, block, workers, dask, progress)
        result = _assemble(job, facts, classes, folder, chosen, templates, zones)
    except BaseException as error:
        if isinstance(error, NoClearObservationError) or not any(parts.glob("*.npz")):  # no use to a second run
            shutil.rmtree(parts, ignore_errors=True)
        raise
    shutil.rmtree(parts)
    return result


def _check(classes: Taxonomy, min_clear: int, block: int, zones: str | Path | None, source: AreaSource) -> None:
    if len(classes) > _MAX_CLASSES:
        raise InputError(f"{len(classes)} classes; a class map holds at most {_MAX_CLASSES}. Ask in several maps.")
    if min_clear < 0:
        raise InputError(f"min_clear is {min_clear}; expected 0 or more.")
    if block < 1:
        raise InputError(f"A block of {block} pixels; expected 1 or more.")
    if zones is not None:
        check_zones(zones, shape=source.shape, crs=source.crs, transform=source.transform)


def _answer(
    job: MapJob, classes: Taxonomy, block: int, workers: int | None, dask: str | None, progress: Progress | None
) -> dict[Window, dict[str, Any]]:
    """Do every block that is missing; what is known of each, in order."""
    windows = list(block_windows(job.source.shape, block))
    in_memory = isinstance(job.source, CubeInMemory)
    threads = torch.get_num_threads()
    with Manifest(job.folder / "manifest.jsonl", "map", _identity(job, classes, block), fresh=in_memory) as manifest:
        remove_temporary_files(job.folder)
        missing = [w for w in windows if not job.has(w, manifest.done.get(block_key(0, w)))]
        torch.set_num_threads(1)  # blocks run beside each other, and sums are the same in every surrounding
        try:
            with spread_over(workers, dask) as spread:
                run_pieces(spread, job, windows, missing, manifest, where=job.folder.parent, progress=progress)
        finally:
            torch.set_num_threads(threads)
        return {window: manifest.done[block_key(0, window)] for window in windows}


def _identity(job: MapJob, classes: Taxonomy, block: int) -> dict[str, Any]:
    """What a second run must share with the first to go on with it."""
    digest = hashlib.sha256(np.ascontiguousarray(job.weights).tobytes()).hexdigest()[:12]
    some = ", ".join(classes.names[:4]) + (", ..." if len(classes) > 4 else "")
    return {
        "source": job.source.identity,
        "checkpoint": job.model.config.name,
        "digest": job.model.digest,
        "question": f"{some} ({digest})",
        "period": str(job.period) if job.period is not None else "all",
        "every": job.every,
        "unknown_below": job.model.config.calibration.unknown_score,
        "min_clear": job.min_clear,
        "scores": job.scores,
        "block": block,
    }


def _assemble(
    job: MapJob,
    facts: dict[Window, dict[str, Any]],
    classes: Taxonomy,
    folder: Path,
    model: Model,
    templates: str | Sequence[str],
    zones: str | Path | None,
) -> MapResult:
    source = job.source
    grid: dict[str, Any] = {"shape": source.shape, "crs": source.crs, "transform": source.transform}
    tally, examples = AreaTally(source.shape, len(classes)), Examples()
    with cog_writers(answer_writers(folder, classes, scores=job.scores, **grid)) as writers:
        for window, about in facts.items():
            if about["seen"] == 0:  # what was never written reads as nodata
                tally.skip(window)
                continue
            piece = job.load(window)
            write_answers(writers, piece.answers, window)
            tally.add(piece.answers, window)
            examples.add(piece)
        if tally.seen == 0:
            enough = f"{job.min_clear} clear observations" if job.min_clear > 1 else "a clear observation"
            raise NoClearObservationError(
                f"No pixel of the area has {enough} in the period; choose another period"
                f"{', or lower --min-clear' if tally.masked else ''}."
            )
        files = {name: writer.finish() for name, writer in writers.items()}
    write_class_sidecars(files["classes"], classes)
    pixel_m = resolution_m(source.crs, source.transform, source.shape)
    areas = tally.areas(classes, pixel_m)
    if zones is not None:
        files |= write_zones(zones, folder, classes, pixel_m=pixel_m)
    about = {
        **_origin(model, classes, templates),
        "input": input_of(facts.values()),
        "min_clear": job.min_clear,
        "masked_pixels": tally.masked,
        "nodata_pixels": tally.nodata,
        "areas": [asdict(area) | {"mean_confidence": area.mean_confidence if area.pixels else None} for area in areas],
    }
    files["provenance"] = write_json(folder / "provenance.json", about)
    shown = examples.explained(tally.pixels, classes, job.weights, model)
    return illustrated(MapResult(folder, files, classes, areas, tally.nodata, tally.preview, shown, about))


def _origin(model: Model, classes: Taxonomy, templates: str | Sequence[str]) -> dict[str, Any]:

    return {
        "timesenclip": __version__,
        "torch": torch.__version__,
        "checkpoint": {"name": model.config.name, "digest": model.digest, "tower": model.config.tower.name},
        "calibration": model.config.calibration.model_dump(),
        "taxonomy": classes.name,
        "templates": templates,
        "prompts": {taxon.name: prompts_for(taxon, templates) for taxon in classes.classes},
    }
