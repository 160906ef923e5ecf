"""`embed-area`, `ask`, `change`: embed an area once, then put any number of questions to it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.console import note, print_json, print_table, progress_bar
from timesenclip.cli.map import (
    Baseline,
    BlockSide,
    BlockWorkers,
    Collection,
    DaskAddress,
    MinClear,
    OffsetDn,
    Provider,
    Zones,
    block_side,
    opened_cube,
    refuse_workers_and_cluster,
    report_map,
)
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.eo.cube import AreaSource
    from timesenclip.mapping.build import StoreResult
    from timesenclip.mapping.change import ChangeResult
    from timesenclip.mapping.embeddings import EmbeddingStore
    from timesenclip.mapping.plan import AreaPlan
    from timesenclip.mapping.question import Question

__all__ = ["ask", "change", "embed_area"]

_WORK = "How the work is done"
_QUESTION = "The question"

StorePath = Annotated[Path, typer.Argument(metavar="STORE", help="An embedding store, made by `embed-area`.")]
Dims = Annotated[
    int | None,
    typer.Option(metavar="N", help="Keep this many dimensions, such as 128 or 64; default: all.", min=1),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what it would cost, from a sample, and do nothing.", rich_help_panel=_WORK),
]


def embed_area(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="STORE", help="The store: a folder, x.zarr.")],
    cube: src.MaybeCubePath = None,
    dims: Dims = None,
    period: opt.PeriodText = None,
    year: opt.Year = None,
    units: opt.Units = "auto",
    every: opt.Every = "month",
    provider: Provider = None,
    collection: Collection = "sentinel-2-l2a",
    baseline: Baseline = None,
    offset_dn: OffsetDn = None,
    aoi: src.AoiText = None,
    catalog: src.Catalog = None,
    max_cloud: src.MaxCloud = 80.0,
    resampling: src.Resample = "nearest",
    readers: src.Readers = 4,
    workers: BlockWorkers = None,
    dask: DaskAddress = None,
    block: BlockSide = None,
    dry_run: DryRun = False,
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Embed every pixel of an area once, into a store that `ask` answers any question from.

    An interrupted run is continued by the same command.
    """
    from timesenclip.mapping import build
    from timesenclip.mapping.plan import plan_area
    from timesenclip.mapping.spread import worker_count

    refuse_workers_and_cluster(workers, dask)
    side = block_side(block, aoi)
    src.refuse_both(cube, aoi, catalog)
    span = opt.chosen_period(period, year)
    source: AreaSource
    if aoi is not None:
        source = src.searched_source(
            aoi,
            span,
            catalog=catalog,
            collection=collection,
            max_cloud=max_cloud,
            resampling=resampling,
            workers=readers,
            provider=provider,
            baseline=baseline,
            offset_dn=offset_dn,
            units=units,
        )
    else:
        source = opened_cube(cube, span, units, provider, collection, baseline, offset_dn)
    model = opt.chosen_model(checkpoint)
    if dry_run:
        from timesenclip.eo.period import as_period

        count = worker_count(workers, dask)
        kept = dims or model.encoder.config.embed_dim
        plan = plan_area(source, model, dims=kept, period=as_period(span), every=every, block=side, workers=count)
        _report_plan(plan, as_json=as_json)
        return
    with progress_bar("embed, pixels") as progress:
        result = build.embed_area(
            source,
            output,
            model=model,
            period=span,
            every=every,
            dims=dims,
            block=side,
            workers=workers,
            dask=dask,
            progress=progress,
        )
    _report_store(result, as_json=as_json)


def ask(
    store: StorePath,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the maps.")],
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    photo: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A photograph of what to look for; repeat it.", rich_help_panel=_QUESTION),
    ] = None,
    templates: opt.Templates = "default",
    unknown_below: opt.UnknownBelow = None,
    min_clear: MinClear = 0,
    zones: Zones = None,
    scores: Annotated[bool, typer.Option("--scores/--no-scores", help="Write one score band per phrase.")] = True,
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Answer a question for every pixel of a store, within seconds."""
    from timesenclip.mapping.ask import ask_store

    if photo and (prompt or taxonomy):
        raise InputError("--photo was given with --prompt or --taxonomy; ask with one of them.")
    question = {"photos": photo} if photo else {"taxonomy": opt.chosen_taxonomy(prompt, taxonomy)}
    with progress_bar("ask, pixels") as progress:
        result = ask_store(
            store,
            out=output,
            model=opt.chosen_model(checkpoint) if checkpoint else None,
            templates=templates,
            unknown_below=unknown_below,
            min_clear=min_clear,
            zones=zones,
            scores=scores,
            progress=progress,
            **question,
        )
    report_map(result, as_json=as_json)


def change(
    before: Annotated[Path, typer.Argument(metavar="STORE_A", help="The store of the earlier period.")],
    after: Annotated[Path, typer.Argument(metavar="STORE_B", help="The store of the later period, on the same grid.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the maps.")],
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.Templates = "default",
    threshold: Annotated[
        float | None,
        typer.Option(metavar="DISTANCE", help="Cosine distance that counts as change; default: what stands out."),
    ] = None,
    min_clear: MinClear = 0,
    cube_a: Annotated[
        Path | None, typer.Option(metavar="CUBE", help="The cube of STORE_A: say in which month pixels differ most.")
    ] = None,
    cube_b: Annotated[Path | None, typer.Option(metavar="CUBE", help="The cube of STORE_B.")] = None,
    aoi: src.AoiText = None,
    catalog: src.Catalog = None,
    collection: Collection = "sentinel-2-l2a",
    max_cloud: src.MaxCloud = 80.0,
    resampling: src.Resample = "nearest",
    readers: src.Readers = 4,
    provider: Provider = None,
    baseline: Baseline = None,
    offset_dn: OffsetDn = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Show where two periods of one area differ: in the embedding, in the answer, and in which month.

    Months need the pixels: of the cubes that the stores were made of, or searched for again with --aoi.
    """
    from timesenclip.eo.cube import open_cube
    from timesenclip.mapping.change import change_stores
    from timesenclip.mapping.embeddings import EmbeddingStore

    if (cube_a is None) != (cube_b is None):
        raise InputError("Only one of --cube-a and --cube-b was given; months are found by comparing both.")
    if cube_a is not None and aoi is not None:
        raise InputError(f"--cube-a and --aoi {aoi} were both given; give what the stores were made of.")
    if aoi is None and catalog is not None:
        raise InputError(f"--catalog {catalog} searches for an area, but --aoi was not given; say which area.")
    first, second = EmbeddingStore.open(before), EmbeddingStore.open(after)
    cubes: tuple[AreaSource, AreaSource] | None = None
    if cube_a is not None and cube_b is not None:
        cubes = open_cube(cube_a), open_cube(cube_b)
    elif aoi is not None:

        def searched(store: EmbeddingStore) -> AreaSource:
            return src.searched_source(
                aoi,
                store.info.period,
                catalog=catalog,
                collection=collection,
                max_cloud=max_cloud,
                resampling=resampling,
                workers=readers,
                provider=provider,
                baseline=baseline,
                offset_dn=offset_dn,
                units="auto",
            )

        cubes = searched(first), searched(second)
    with progress_bar("change, pixels") as progress:
        result = change_stores(
            first,
            second,
            out=output,
            question=_question(first, prompt, taxonomy, templates),
            threshold=threshold,
            min_clear=min_clear,
            cubes=cubes,
            progress=progress,
        )
    _report_change(result, as_json=as_json)


def _question(store: EmbeddingStore, prompt: list[str] | None, taxonomy: str | None, templates: str) -> Question | None:
    from timesenclip.mapping.question import question_of

    if not prompt and taxonomy is None:
        return None
    return question_of(store, opt.chosen_taxonomy(prompt, taxonomy), templates=templates)


def _report_plan(plan: AreaPlan, *, as_json: bool) -> None:
    facts: dict[str, Any] = {**asdict(plan), "hours": plan.hours}
    if as_json:
        print_json(facts)
        return
    rows = [
        ("area", f"{plan.shape[1]} x {plan.shape[0]} pixels, {plan.inside / plan.pixels:.0%} of them in the area"),
        ("blocks", f"{plan.blocks} of {plan.block} x {plan.block}"),
        ("to read", _size(plan.read_bytes) + " before compression" if plan.read_bytes is not None else "unknown"),
        ("store", _size(plan.output_bytes)),
        ("load", f"{plan.load_px_per_s:,.0f} pixels/s a worker, measured on a block"),
        ("embed", f"{plan.embed_px_per_s:,.0f} pixels/s a worker, measured on a sample"),
        ("expected", f"{_time(plan.hours)} with {plan.workers} worker(s)"),
    ]
    print_table(["plan", ""], rows)


def _report_store(result: StoreResult, *, as_json: bool) -> None:
    info = result.store.info
    facts = {
        "store": result.store.path,
        "blocks": result.blocks,
        "reused_blocks": result.reused,
        "pixels": result.pixels,
        "seen": result.seen,
        "dims": info.dims,
        "kept": info.kept,
        "levels": len(info.level_shapes),
        "item": result.item,
        "manifest": result.manifest,
    }
    if as_json:
        print_json(facts)
        return
    if result.reused:
        note(f"{result.reused} of {result.blocks} blocks were done by an earlier run")
    typer.echo(f"{result.seen:,} of {result.pixels:,} pixels embedded in {info.dims} dimensions: {result.store.path}")
    typer.echo(f"Ask it: timesenclip ask {result.store.path} --prompt maize -o answer/")


def _report_change(result: ChangeResult, *, as_json: bool) -> None:
    if as_json:
        content = asdict(result)
        content["files"] = {name: str(path) for name, path in result.files.items()}
        print_json({key: value for key, value in content.items() if key != "folder"})
        return
    share = result.changed / result.compared
    typer.echo(
        f"{result.changed:,} of {result.compared:,} pixels changed ({share:.1%}, {result.hectares:,.1f} ha): distance "
        f"above {result.threshold:.3f}, median {result.median_distance:.3f}"
    )
    if result.transitions:
        rows = [(t.before, t.after, f"{t.hectares:.1f}") for t in result.transitions[:10]]
        print_table(["before", "after", "hectares"], rows)
    if result.months:
        typer.echo("Months: " + ", ".join(f"{name} {share:.0%}" for name, share in result.months.items()))
    typer.echo(f"Maps:    {result.folder}")


def _size(count: int | None) -> str:
    value = float(count or 0)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB"


def _time(hours: float) -> str:
    if hours != hours:  # no pixel of the sample was seen
        return "unknown"
    return (
        f"{hours:,.1f} hours"
        if hours >= 1
        else f"{hours * 60:.1f} minutes"
        if hours > 0.05
        else f"{hours * 3600:.0f} s"
    )
