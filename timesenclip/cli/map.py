"""`map`: put a question to every pixel of an area."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.area_options import (
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
)
from timesenclip.cli.console import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from timesenclip.eo.cube import AreaSource
    from timesenclip.mapping.result import MapResult

__all__ = ["map_", "map_facts", "report_map"]


def map_(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the maps.")],
    cube: src.MaybeCubePath = None,
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.TemplatesOrHead = None,
    head: opt.HeadFolder = None,
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
    min_clear: MinClear = 0,
    zones: Zones = None,
    scores: Annotated[bool, typer.Option("--scores/--no-scores", help="Write one score band per phrase.")] = True,
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Draw a georeferenced map of an area from words.

    GeoTIFFs of classes, confidence, clear observations and scores, a picture with legend, a page for the browser, and
    how they came about. An interrupted run is continued by the same command.
    """
    from timesenclip.mapping.run import map_cube

    src.refuse_both(cube, aoi, catalog)
    refuse_workers_and_cluster(workers, dask)
    opt.refuse_beside_head(head, prompt=prompt, taxonomy=taxonomy, templates=templates)
    span = opt.chosen_period(period, year)
    classes = opt.chosen_taxonomy(prompt, taxonomy)
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
    if head is not None:
        model, classes = opt.with_head(model, head)
    chosen = "name" if head is not None else templates or "default"
    with progress_bar("map, pixels") as progress:
        result = map_cube(
            source,
            classes,
            out=output,
            model=model,
            period=span,
            every=every,
            templates=chosen,
            min_clear=min_clear,
            scores=scores,
            zones=zones,
            block=block_side(block, aoi),
            workers=workers,
            dask=dask,
            progress=progress,
        )
    report_map(result, as_json=as_json)


def report_map(result: MapResult, *, as_json: bool) -> None:
    """Say how much of the area each class covers, and where the files are."""
    if as_json:
        print_json(map_facts(result))
        return
    found = [area for area in result.areas if area.pixels]
    rows = [(area.name, f"{area.hectares:.1f}", f"{area.share:.1%}", area.mean_confidence) for area in found]
    print_table(["class", "hectares", "share", "confidence"], rows)
    if result.nodata_pixels:
        rare = result.provenance["masked_pixels"]
        often = f", {rare:,} of them not often enough" if rare else ""
        beyond = " or lie outside the area" if result.clipped else ""
        typer.echo(f"{result.nodata_pixels:,} pixels were not seen clearly{often}{beyond} (nodata)")
    typer.echo(f"\nMaps:    {result.folder}\nPicture: {result.files['picture']}\nPage:    {result.files['page']}")
    if "zones" in result.files:
        typer.echo(f"Zones:   {result.files['zones']}, {result.files['zones_csv']}")


def map_facts(result: MapResult) -> dict[str, Any]:
    """What `--json` says of a map."""
    classes = [
        {
            "label": area.name,
            "value": area.value,
            "count": area.pixels,
            "hectares": area.hectares,
            "share": area.share,
            "mean_confidence": area.mean_confidence,
        }
        for area in result.areas
    ]
    files = {name: str(path) for name, path in result.files.items()}
    counts = {"nodata_count": result.nodata_pixels, "masked_count": result.provenance["masked_pixels"]}
    return {"classes": classes, **counts, "files": files}
