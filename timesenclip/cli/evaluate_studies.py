"""`evaluate scenic` (scenicness) and `evaluate sweep` (ablations listed in one file)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.console import note, print_json, print_table, progress_bar, quiet_libraries, say, training_bar
from timesenclip.cli.groups import with_groups
from timesenclip.errors import InputError, PartialFailureError

if TYPE_CHECKING:
    from timesenclip.eo.area import AreaSource
    from timesenclip.evaluation.scenic import Correlations, Scenicness
    from timesenclip.mapping.store.store import EmbeddingStore

__all__ = ["scenic", "sweep"]


@with_groups
def scenic(
    points: opt.Points,
    votes: Annotated[Path, opt.VOTES],
    read: opt.PointOptions,
    origin: src.OriginOptions,
    output: Annotated[Path | None, opt.output("FOLDER", "Folder for figures and the scores.", folder=True)] = None,
    beautiful: Annotated[
        list[str] | None, typer.Option(metavar="PHRASE", help="A phrase for beautiful places; repeat it.")
    ] = None,
    ugly: Annotated[
        list[str] | None, typer.Option(metavar="PHRASE", help="A phrase for ugly places; repeat it.")
    ] = None,
    area: Annotated[
        Path | None,
        typer.Option("--map", metavar="STORE|CUBE", help="Also map the scores: a store of embed-area, or a cube."),
    ] = None,
    seed: opt.Seed = 0,
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Compare scores with people's votes on how beautiful a place is.

    Scores come from prompts alone, and from a ridge regression that is tested on blocks of land it was not trained on.
    """
    from timesenclip.eo.points.read import read_points
    from timesenclip.evaluation.scenic import SCENIC_FILES, evaluate_scenicness, read_votes, write_scenicness
    from timesenclip.owned import require_own_names
    from timesenclip.tasks.scenic_score import BEAUTIFUL, UGLY

    if area is not None and output is None:
        raise InputError(f"--map {area} draws a map, but no folder was given; add -o FOLDER.")
    if area is None and origin.stated:
        raise InputError(f"{origin.text} tells how a cube is read, but --map was not given; leave it out.")
    if output is not None:
        drawn = () if area is None else tuple(f"scenic-map.{ending}" for ending in ("tif", "svg", "pdf"))
        require_own_names(output, "scenicness report", SCENIC_FILES)
        require_own_names(output, "score map", drawn)
    place = None if area is None else _area(area, read, origin)
    model = opt.chosen_model(checkpoint)
    table = read_votes(votes)
    series = read_points(points, strict=strict, **read.reading)
    found = evaluate_scenicness(
        series,
        table,
        model=model,
        beautiful=beautiful or BEAUTIFUL,
        ugly=ugly or UGLY,
        seed=seed,
    )
    written = {} if output is None else write_scenicness(found, series, output)
    if place is not None and output is not None:
        from timesenclip.mapping.score_map import map_scores

        with progress_bar("map, pixels") as progress:
            maps = map_scores(
                place,
                found.scores,
                model=model,
                out=output,
                period=read.span,
                every=read.every,
                outliers=read.outliers,
                progress=progress,
            )
        written |= {f"map_{name}": path for name, path in maps.items()}
    _report_scenic(found, written, output, as_json=as_json)


def _report_scenic(found: Scenicness, files: dict[str, Path], output: Path | None, *, as_json: bool) -> None:
    if as_json:
        print_json(found.to_dict() | {"files": {name: str(path) for name, path in files.items()}})
        return
    rows = [_row("prompts", found.contrast)]
    rows += [_row("ridge on embeddings", found.ridge)] if found.ridge is not None else []
    print_table(["score", "Pearson", "Spearman", "Kendall", "95 % interval of Pearson"], rows)
    say(f"{found.count} places, {found.blocks} blocks of land" + (f": {output}" if output else ""))
    for text in found.notes:
        say(text)
    if "map_raster" in files:
        say(f"Map: {files['map_raster']}, {files['map_picture']}")


def _area(path: Path, read: opt.PointOptions, origin: src.OriginOptions) -> EmbeddingStore | AreaSource:
    """A store if it is one, else the cube, whose offset is checked now: its pixels are read after all other work."""
    from timesenclip.eo.cube.open import open_cube
    from timesenclip.mapping.store.store import EmbeddingStore

    if (path / "zarr.json").is_file() and (path / "vectors").is_dir():
        if origin.stated:
            raise InputError(f"{origin.text} tells how a cube is read, but '{path}' is a store; leave it out.")
        return EmbeddingStore.open(path)
    source = open_cube(path, units=read.units, offset_dn=read.offset_dn, sensor=read.sensor, **origin.stated)
    source.check_offset(read.span)
    return source


def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file of the sweep (docs/cli.md).")],
    output: Annotated[
        Path, opt.output("FOLDER", "Folder for the cells and the table; finished cells are kept.", folder=True)
    ],
    accelerator: opt.Accelerator = "auto",
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Train and evaluate the checkpoints of a sweep file, for every combination that has no result yet."""
    from timesenclip.evaluation.sweep.config import read_sweep
    from timesenclip.evaluation.sweep.run import run_sweep

    config = read_sweep(file)
    if config.train is None:
        with progress_bar("sweep, cells") as progress:
            found = run_sweep(config, output, progress=progress)
    else:
        from timesenclip.train.ablation import run_ablation

        with quiet_libraries():
            found = run_ablation(config, output, accelerator=accelerator, watch=_training)
    if as_json:
        from dataclasses import asdict

        files = {name: str(path) for name, path in found.files.items()}
        entries = [asdict(entry) for entry in found.entries]
        cells = [asdict(cell) for cell in found.cells]
        print_json({"computed": found.computed, "entries": entries, "cells": cells, "files": files})
        return
    rows = [
        (c.checkpoint, c.templates, c.composite, c.months_kept, c.seed, c.accuracy, c.balanced_accuracy)
        for c in found.cells
    ]
    print_table(["checkpoint", "templates", "composite", "kept", "seed", "accuracy", "balanced"], rows)
    say(f"{len(found.cells)} cells, {found.computed} of them now: {found.files['table']}")
    diverged = [entry.name for entry in found.entries if entry.checkpoint is None]
    if diverged:
        raise PartialFailureError(f"Training diverged for {', '.join(diverged)}; the other rows are complete.")


@contextlib.contextmanager
def _training(name: str, number: int, count: int) -> Iterator[Callable[[int, int, dict[str, float]], None]]:
    note(f"training {number} of {count}: {name}")
    with training_bar() as progress:
        yield progress


def _row(name: str, found: Correlations) -> tuple[object, ...]:
    low, high = found.intervals.get("pearson", (float("nan"), float("nan")))
    spread = f"{low:.3f} to {high:.3f}" if found.intervals else "-"
    return (name, found.pearson, found.spearman, found.kendall, spread)
