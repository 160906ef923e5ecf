"""`map`: classify every pixel of an area and write maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.console import print_json, print_table, progress_bar, say
from timesenclip.cli.groups import with_groups
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.mapping.output.result import MapResult

__all__ = ["map_", "map_facts", "report_map"]


@with_groups
def map_(
    context: typer.Context,
    output: Annotated[Path, opt.output("FOLDER", "Folder for the maps.")],
    query: opt.QueryOptions,
    read: opt.InputOptions,
    area: src.AreaOptions,
    work: src.WorkOptions,
    cube: src.CubePath = None,
    against: opt.Against = None,
    min_clear: src.MinClear = 0,
    zones: src.Zones = None,
    scores: src.Scores = True,
    overwrite: opt.Overwrite = False,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Classify every pixel of an area by phrases, a class list or a head, and write georeferenced maps.

    Writes GeoTIFFs of classes, confidence, clear observations and scores, a picture with legend, an HTML page and the
    provenance. The same command continues an interrupted run.

    One phrase alone is compared with general phrases (--against): where it does not fit the answer is unknown, and the
    confidence is the probability that it fits.
    """
    from timesenclip.mapping.map_area import map_cube
    from timesenclip.mapping.output.staging import MAP_FILES, check_map_folder

    src.require_one_source(context, cube, area)
    work.check()
    if cube is not None and cube.is_dir() and cube.resolve() == output.resolve():
        raise InputError(f"'{output}' is the cube that is read; maps in it would change it. Give another output.")
    check_map_folder(output, "map", MAP_FILES)
    classes = query.classes()
    source = src.open_area(cube, area, read)
    model = query.model()
    with progress_bar("map, pixels") as progress:
        result = map_cube(
            source,
            classes,
            out=output,
            model=model,
            period=read.span,
            every=read.every,
            outliers=read.outliers,
            templates=query.sentences,
            against=opt.chosen_against(against),
            unknown_below=query.unknown_below,
            answer_all=query.answer_all,
            min_clear=min_clear,
            scores=scores,
            zones=zones,
            block=work.block,
            workers=work.workers,
            dask=work.dask,
            overwrite=overwrite,
            progress=progress,
        )
    report_map(result, as_json=as_json)


def report_map(result: MapResult, *, as_json: bool) -> None:
    """Print the area of each class, and where the files are."""
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
        say(f"{result.nodata_pixels:,} pixels were not seen clearly{often}{beyond} (nodata)")
    say(f"\nMaps:    {result.folder}\nPicture: {result.files['picture']}\nPage:    {result.files['page']}")
    if "zones" in result.files:
        say(f"Zones:   {result.files['zones']}, {result.files['zones_csv']}")


def map_facts(result: MapResult) -> dict[str, Any]:
    """The JSON object that `--json` prints for a map."""
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
