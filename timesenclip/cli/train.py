"""`train`, `data` and `ground`: from public files to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import note, print_json, print_table, progress_bar, quiet_libraries, training_bar
from timesenclip.errors import InputError, PartialFailureError
from timesenclip.files import atomic_path, write_text

if TYPE_CHECKING:
    from timesenclip.train.recipe import Recipe

__all__ = ["data", "ground", "train"]

data = typer.Typer(help="Make training data: pixel years in one store, paired and split.", no_args_is_help=True)
ground = typer.Typer(help="Embed photographs taken on the ground.", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", "-o", metavar="PATH", help="What to write.")]
_SHOWN = 5


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML: configs/paper.yaml, configs/better.yaml.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="RUN", help="Folder; a run in it goes on.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: data.series=my.zarr")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, train nothing.")] = False,
    devices: Annotated[int, typer.Option(min=1, help="Processes, one a device.")] = 1,
    accelerator: Annotated[Literal["auto", "cpu", "gpu"], typer.Option(help="Where to train.")] = "auto",
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Train an encoder on photographs; killed runs go on where they were."""
    from timesenclip.train.recipe import read_recipe

    chosen = read_recipe(recipe, changes=change or ())
    if dry_run:
        _plan(chosen, as_json=as_json)
        return
    from timesenclip.train.pretrain import pretrain

    folder = out if out is not None else Path("runs") / chosen.name
    with quiet_libraries(), training_bar() as progress:
        trained = pretrain(chosen, folder, accelerator=accelerator, devices=devices, progress=progress)
    if trained.rank:
        return
    facts = {
        "run": str(trained.folder),
        "checkpoint": str(trained.checkpoint),
        "steps": trained.steps,
        "resumed_from": trained.resumed_from,
        "selection": trained.best,
        "stopped_early": trained.stopped_early,
    }
    if as_json:
        print_json(facts)
        return
    if trained.resumed_from:
        note(f"went on from step {trained.resumed_from}")
    at = chosen.selection.recall_at
    typer.echo(
        f"{trained.steps:,} steps{' (stopped early)' if trained.stopped_early else ''}; best held-out retrieval "
        f"(mean Recall@{at} of both directions) {trained.best:.3f}\nCheckpoint: {trained.checkpoint}\n"
        f"Use it:     timesenclip classify POINTS --checkpoint {trained.checkpoint}"
    )


def _plan(recipe: Recipe, *, as_json: bool) -> None:
    from dataclasses import asdict

    from timesenclip.train.train_plan import plan_training
    from timesenclip.train.training_data import read_training_data

    plan = plan_training(recipe, read_training_data(recipe))
    samples = plan.steps * recipe.batch_size * recipe.accumulate
    if as_json:
        print_json(asdict(plan) | {"hours_on_this_cpu": samples / plan.samples_per_s / 3600})
        return
    batch = f"{recipe.batch_size} x {recipe.accumulate}" if recipe.accumulate > 1 else str(recipe.batch_size)
    rows: list[tuple[str, str]] = [(f"places, {name}", f"{count:,}") for name, count in plan.parts.items()]
    rows += [
        ("nearest held-out place", f"{plan.nearest_m:,.0f} m"),
        ("parameters", f"{plan.parameters:,}"),
        ("steps", f"{plan.steps:,} ({recipe.epochs} epochs of {plan.steps_per_epoch:,}, batch {batch})"),
        ("memory, weights and optimiser", f"{plan.model_mb:,.0f} MB"),
        ("memory, data", f"{plan.data_mb:,.0f} MB"),
        ("memory, one batch (estimate)", f"{plan.activations_mb:,.0f} MB"),
        ("measured here, CPU, 32 bits", f"{plan.samples_per_s:,.0f} places/s"),
        ("hours on this CPU", f"{samples / plan.samples_per_s / 3600:,.1f}"),
    ]
    print_table(["plan", ""], rows)


@data.command("sen4map")
def sen4map(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Sen4Map .h5 files.")],
    out: Out,
    patch: Annotated[int, typer.Option(help="Side of the patch in pixels: 1, 5, 9.")] = 1,
    compositing: Annotated[
        Literal["clear", "authors"], typer.Option(help="Clear observations only, or exactly as the authors.")
    ] = "clear",
    only: Annotated[Path | None, typer.Option(metavar="FILE", help="List of ids (.npy, .txt, .json).")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that read.")] = 1,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Convert Sen4Map HDF5 to a training store; a stopped run goes on."""
    from timesenclip.data.sen4map import convert_sen4map
    from timesenclip.data.splits import read_ids

    ids = read_ids(only) if only is not None else None
    with progress_bar("convert, places") as progress:
        done = convert_sen4map(
            files, out, patch_size=patch, compositing=compositing, only=ids, workers=workers, progress=progress
        )
    _report(len(done.store), "places", str(out), done.failed, as_json=as_json)


@data.command("points")
def points(
    table: opt.Points,
    out: Out,
    period: opt.PeriodText = None,
    year: opt.Year = None,
    units: opt.Units = "auto",
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Convert any table of points to a training store: monthly, over one period."""
    from timesenclip.data.store_writer import store_points
    from timesenclip.eo.composite import composite_series
    from timesenclip.eo.points.read import read_points

    span = opt.chosen_period(period, year)
    if span is None:
        raise InputError("A training store needs one period for all points; give --year 2018 or --period.")
    series = composite_series(read_points(table, period=span, units=units), every="month", period=span)
    store = store_points([series], out, source=str(table))
    _report(len(store), "places", str(out), {}, as_json=as_json)


@data.command("pair")
def pair(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="Training store.")],
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="Table with photo_id, lon, lat and, maybe, date.")],
    out: Out,
    max_distance: Annotated[float, typer.Option(metavar="METRES", help="Farther photographs are left out.")] = 30.0,
    max_days: Annotated[
        int | None, typer.Option(metavar="DAYS", help="So are those taken longer before or after the series.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Join photographs to pixel years by place and time."""
    from timesenclip.data.pairs import join_pairs
    from timesenclip.data.store import SeriesStore
    from timesenclip.tasks.parquet import read_any_table

    table = read_any_table(photos)
    pairs = join_pairs(SeriesStore.open(store), table, max_distance_m=max_distance, max_days=max_days)
    with atomic_path(out) as scratch:
        pairs.to_csv(scratch, index=False) if out.suffix == ".csv" else pairs.to_parquet(scratch)
    facts = {"photos": len(table), "pairs": len(pairs), "places": int(pairs["series_id"].nunique()), "output": str(out)}
    if as_json:
        print_json(facts)
    else:
        typer.echo(f"{facts['pairs']:,} of {facts['photos']:,} photographs at {facts['places']:,} places: {out}")


@data.command("split")
def split(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="Training store.")],
    out: Out,
    block_deg: Annotated[float, typer.Option(metavar="DEGREES", help="Side of a block.")] = 0.5,
    validation: Annotated[float, typer.Option(help="Share of the blocks.")] = 0.05,
    test: Annotated[float, typer.Option(help="Share of the blocks.")] = 0.05,
    gap: Annotated[float, typer.Option(metavar="METRES", help="Training places nearer to others are unused.")] = 2000.0,
    seed: Annotated[int, typer.Option(help="Which block falls where.")] = 0,
    as_json: opt.Json = False,
) -> None:
    """Split a store by spatial blocks: one list of ids for each part, and how far they are apart."""
    from timesenclip.data.splits import check_apart
    from timesenclip.data.store import SeriesStore
    from timesenclip.spatial import spatial_parts

    index = SeriesStore.open(store).index
    lon, lat = index["lon"].to_numpy(), index["lat"].to_numpy()
    shares = {"train": 1 - validation - test, "validation": validation, "test": test}
    part = spatial_parts(lat_deg=lat, lon_deg=lon, block_deg=block_deg, shares=shares, seed=seed, gap_m=gap)
    nearest = check_apart(part, lat_deg=lat, lon_deg=lon, min_distance_m=gap)
    out.mkdir(parents=True, exist_ok=True)
    for name in (*shares, "unused"):
        ids = index["sample_id"].astype(str).to_numpy()[part == name]
        write_text(out / f"{name}.txt", "\n".join(ids) + "\n" * bool(len(ids)))
    counts = {name: int((part == name).sum()) for name in (*shares, "unused")}
    if as_json:
        print_json({"places": counts, "nearest_m": nearest, "output": str(out)})
        return
    print_table(["part", "places"], [(name, f"{count:,}") for name, count in counts.items()])
    typer.echo(f"nearest held-out place: {nearest:,.0f} m from a training place; lists in {out}")


@ground.command("embed")
def ground_embed(
    photos: Annotated[Path, typer.Argument(metavar="PHOTOS", help="LUCAS photo tree, or a table with a column photo.")],
    out: Out,
    tower: Annotated[
        str, typer.Option(metavar="NAME", help="CLIP-like model: a hub id or a folder.")
    ] = "openai/clip-vit-base-patch32",
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch on the hub.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Photographs at a time.")] = 32,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Embed photographs with a frozen tower; a stopped run goes on, new photographs are added."""
    from timesenclip.data.ground_views import embed_photos
    from timesenclip.data.photos import find_photos
    from timesenclip.ground.load import load_tower

    found = find_photos(photos)
    if found.ignored:
        note(f"{len(found.ignored)} images are not named after a point and view, such as {found.ignored[0]}: left out")
    with progress_bar("embed, photographs") as progress:
        done = embed_photos(
            found.photos, out, tower=load_tower(tower, revision=revision), batch_size=batch_size, progress=progress
        )
    if done.known and not as_json:
        note(f"{done.known:,} photographs were embedded before")
    _report(done.written, "photographs", str(out), done.failed, as_json=as_json)


def _report(count: int, what: str, out: str, failed: dict[str, str], *, as_json: bool) -> None:
    """Say what was written; name what failed, and leave with exit code 1 if anything did."""
    if as_json:
        print_json({"count": count, "failed": failed, "output": out})
    else:
        typer.echo(f"{count:,} {what}: {out}")
    for reason in list(failed.values())[:_SHOWN]:
        note(f"left out: {reason}")
    if failed:
        more = f" (the first {_SHOWN} are named above)" if len(failed) > _SHOWN else ""
        raise PartialFailureError(f"{len(failed):,} {what} could not be read{more}; the rest is kept.")
