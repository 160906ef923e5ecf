"""`embed-area`: embed every pixel of an area into an embedding store."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.console import note, print_json, print_table, progress_bar, say
from timesenclip.cli.groups import with_groups

if TYPE_CHECKING:
    from timesenclip.mapping.embed_area import StoreResult
    from timesenclip.mapping.plan import AreaPlan

__all__ = ["embed_area"]


@with_groups
def embed_area(
    context: typer.Context,
    output: Annotated[Path, opt.output("STORE", "The store: a folder, x.zarr.")],
    read: opt.InputOptions,
    area: src.AreaOptions,
    work: src.WorkOptions,
    cube: src.CubePath = None,
    dims: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of dimensions to keep, such as 128 or 64; default: all.", min=1),
    ] = None,
    overwrite: opt.Overwrite = False,
    dry_run: opt.DryRun = False,
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Embed every pixel of an area into a store, which `ask` then classifies without reading scenes.

    The same command continues an interrupted run.
    """
    from timesenclip.eo.period import as_period
    from timesenclip.mapping import embed_area as build
    from timesenclip.mapping.plan import plan_area
    from timesenclip.mapping.run.executor import worker_count

    src.require_one_source(context, cube, area)
    work.check()
    if not dry_run:
        build.check_store_output(output)
    source = src.open_area(cube, area, read)
    model = opt.chosen_model(checkpoint)
    if dry_run:
        plan = plan_area(
            source,
            model,
            dims=dims or model.encoder.config.embed_dim,
            period=as_period(read.span),
            every=read.every,
            block=work.block,
            workers=worker_count(work.workers, work.dask),
        )
        _report_plan(plan, as_json=as_json)
        return
    with progress_bar("embed, pixels") as progress:
        result = build.embed_area(
            source,
            output,
            model=model,
            period=read.span,
            every=read.every,
            outliers=read.outliers,
            dims=dims,
            block=work.block,
            workers=work.workers,
            dask=work.dask,
            overwrite=overwrite,
            progress=progress,
        )
    _report_store(result, as_json=as_json)


def _report_plan(plan: AreaPlan, *, as_json: bool) -> None:
    from timesenclip.eo.band_presence import describe_bands

    facts: dict[str, Any] = {**asdict(plan), "hours": plan.hours}
    if as_json:
        print_json(facts)
        return
    rows = [
        ("area", f"{plan.shape[1]} x {plan.shape[0]} pixels, {plan.inside / plan.pixels:.0%} of them in the area"),
        ("bands", describe_bands(plan.bands)),
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
    say(f"{result.seen:,} of {result.pixels:,} pixels embedded in {info.dims} dimensions: {result.store.path}")
    say(f"Next: timesenclip ask {result.store.path} --prompt maize -o answer/")


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
