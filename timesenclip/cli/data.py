"""`data` and `ground`: make training stores, pairs and splits, and embed photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import note, print_json, print_table, progress_bar, say
from timesenclip.errors import InputError, PartialFailureError
from timesenclip.messages import list_some

__all__ = ["data", "ground"]


data = typer.Typer(help="Make training data: stores of pixel series, pairs and splits.", no_args_is_help=True)


ground = typer.Typer(help="Embed photographs taken on the ground.", no_args_is_help=True)


Share = Annotated[float, typer.Option(metavar="SHARE", min=0, max=1, callback=opt.finite, help="Share of the blocks.")]

_SHOWN = 5


@data.command("sen4map")
def sen4map(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Sen4Map .h5 files.")],
    output: Annotated[Path, opt.output("STORE", "The training store: a folder, x.zarr.")],
    patch: Annotated[int, typer.Option(metavar="PX", help="Side of the patch in pixels: 1, 5, 9.")] = 1,
    compositing: Annotated[
        Literal["clear", "authors"],
        typer.Option(help="clear: medians of clear observations; authors: as the authors of the paper."),
    ] = "clear",
    only: Annotated[Path | None, typer.Option(metavar="FILE", help="List of ids (.npy, .txt, .json).")] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Processes that read.")] = 1,
    overwrite: opt.Overwrite = False,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Convert Sen4Map HDF5 to a training store; the same command continues a run that was stopped."""
    from timesenclip.data.sen4map import convert_sen4map
    from timesenclip.data.splits import read_ids

    ids = read_ids(only) if only is not None else None
    with progress_bar("convert, places") as progress:
        done = convert_sen4map(
            files,
            output,
            patch_size=patch,
            compositing=compositing,
            only=ids,
            workers=workers,
            overwrite=overwrite,
            progress=progress,
        )
    _report(len(done.store), "places", str(output), done.failed, as_json=as_json)


@data.command("points")
def points(
    table: opt.Points,
    output: Annotated[Path, opt.output("STORE", "The training store: a folder, x.zarr.")],
    period: opt.PeriodText = None,
    year: opt.Year = None,
    units: opt.Units = "auto",
    offset_dn: opt.OffsetDn = None,
    step: opt.Step = "month",
    sensor: opt.Sensor = "auto",
    overwrite: opt.Overwrite = False,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Convert a table of points to a training store of monthly composites over one period."""
    import numpy as np

    from timesenclip.bands import BAND_NAMES
    from timesenclip.data.store_writer import check_store_folder, store_points
    from timesenclip.eo.composite import composite_series
    from timesenclip.eo.points.absent_bands import describe_absent_bands
    from timesenclip.eo.points.read import read_points

    span = opt.chosen_period(period, year)
    if span is None:
        raise InputError("A training store needs one period for all points; give --year 2018 or --period.")
    check_store_folder(output, overwrite=overwrite)
    # Every step is kept: a store is trained on too, and what reads it to answer leaves the outlying ones out.
    how: dict[str, Any] = {"step": opt.step_length(step), "sensor": sensor, "outliers": "keep"}
    read = read_points(table, period=span, units=units, offset_dn=offset_dn or 0, **how)
    series = composite_series(read, every="month", period=span)
    store = store_points([series], output, source=str(table), overwrite=overwrite)
    if "bands_seen" in store.attributes:
        seen = np.isin(BAND_NAMES, store.attributes["bands_seen"])
        absent = describe_absent_bands(seen, store.attributes.get("read_as"))
        note(f"{table}: {absent or 'some months lack single bands, and the store says which'}")
    _report(len(store), "places", str(output), {}, as_json=as_json)


@data.command("pair")
def pair(
    store: opt.TrainingStore,
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="Table with photo_id, lon, lat and, maybe, date.")],
    output: Annotated[Path, opt.output("FILE", "Table of pairs: .parquet or .csv.")],
    max_distance: Annotated[
        float,
        typer.Option(
            metavar="METRES",
            min=0,
            max=1e7,
            callback=opt.finite,
            help="Photographs farther from every place are left out.",
        ),
    ] = 30.0,
    max_days: Annotated[
        int | None,
        typer.Option(
            metavar="DAYS", min=0, help="Photographs taken more days before or after the series are left out."
        ),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Join photographs to pixel years by place and time."""
    from timesenclip.data.pairs import check_pairs_output, join_pairs, read_photo_table, write_pairs
    from timesenclip.data.store import SeriesStore

    check_pairs_output(output, photos)
    table = read_photo_table(photos)
    pairs = join_pairs(SeriesStore.open(store), table, max_distance_m=max_distance, max_days=max_days)
    write_pairs(pairs, output)
    places = int(pairs["series_id"].nunique())
    facts = {"photos": len(table), "pairs": len(pairs), "places": places, "output": str(output)}
    if as_json:
        print_json(facts)
    else:
        say(f"{facts['pairs']:,} of {facts['photos']:,} photographs at {facts['places']:,} places: {output}")


@data.command("split")
def split(
    store: opt.TrainingStore,
    output: Annotated[Path, opt.output("FOLDER", "Folder for the lists of ids.")],
    block_deg: Annotated[
        float,
        typer.Option(
            "--split-block-deg",
            metavar="DEG",
            min=0.001,
            max=90,
            callback=opt.finite,
            help="Side of a block of land, degrees.",
        ),
    ] = 0.5,
    validation: Share = 0.05,
    test: Share = 0.05,
    gap: Annotated[
        float,
        typer.Option(
            metavar="METRES", min=0, max=1e7, callback=opt.finite, help="Training places nearer to others are unused."
        ),
    ] = 2000.0,
    seed: opt.Seed = 0,
    as_json: opt.Json = False,
) -> None:
    """Split a store by spatial blocks, and write one list of ids for each part."""
    from timesenclip.data.split_store import split_store

    found = split_store(store, output, block_deg=block_deg, validation=validation, test=test, gap_m=gap, seed=seed)
    if as_json:
        print_json({"places": found.places, "nearest_m": found.nearest_m, "output": str(output)})
        return
    print_table(["part", "places"], [(name, f"{count:,}") for name, count in found.places.items()])
    say(f"nearest held-out place: {found.nearest_m:,.0f} m from a training place; lists in {output}")


@ground.command("embed")
def ground_embed(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="LUCAS photo tree, or a table with a column photo.")],
    output: Annotated[Path, opt.output("STORE", "The ground store: a folder.")],
    tower: opt.Tower = opt.DEFAULT_TOWER,
    revision: opt.Revision = None,
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, max=4096, help="Photographs at a time.")] = 32,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Embed photographs with a frozen tower; the same command continues a stopped run and adds new photographs."""
    from timesenclip.data.ground_views import check_ground_folder, embed_photos
    from timesenclip.data.photos import find_photos
    from timesenclip.ground.load import load_tower

    check_ground_folder(output)
    found = find_photos(photos)
    if found.ignored:
        note(f"{len(found.ignored)} images are not named after a point and view, such as {found.ignored[0]}: left out")
    with progress_bar("embed, photographs") as progress:
        done = embed_photos(
            found.photos, output, tower=load_tower(tower, revision=revision), batch_size=batch_size, progress=progress
        )
    if done.known and not as_json:
        note(f"{done.known:,} photographs were embedded before")
    if done.failed and not done.written and not done.known:
        reasons = list_some(list(done.failed.values()))
        raise InputError(f"None of the {len(done.failed):,} photographs could be read: {reasons}")
    _report(done.written, "photographs", str(output), done.failed, as_json=as_json)


def _report(count: int, what: str, output: str, failed: dict[str, str], *, as_json: bool) -> None:
    """Print what was written and the names of what failed; any failure gives exit code 1."""
    if as_json:
        print_json({"count": count, "failed": failed, "output": output})
    else:
        say(f"{count:,} {what}: {output}")
    for reason in list(failed.values())[:_SHOWN]:
        note(f"left out: {reason}")
    if failed:
        more = f" (the first {_SHOWN} are named above)" if len(failed) > _SHOWN else ""
        raise PartialFailureError(f"{len(failed):,} {what} could not be read{more}; the rest is kept.")
