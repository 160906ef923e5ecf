"""`change`: where two periods of one area differ."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.area_options import (
    Baseline,
    Collection,
    MinClear,
    OffsetDn,
    Provider,
)
from timesenclip.cli.console import print_json, print_table, progress_bar
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.eo.cube import AreaSource
    from timesenclip.mapping.change import ChangeResult
    from timesenclip.mapping.embeddings import EmbeddingStore
    from timesenclip.mapping.question import Question


__all__ = ["change"]


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
