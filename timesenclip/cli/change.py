"""`change`: compare two embedding stores of one area from two periods."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.console import print_json, print_table, progress_bar, say
from timesenclip.cli.groups import with_groups
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.eo.area import AreaSource
    from timesenclip.mapping.change import ChangeResult
    from timesenclip.mapping.query import Query
    from timesenclip.mapping.store.store import EmbeddingStore

__all__ = ["change"]


@with_groups
def change(
    context: typer.Context,
    before: Annotated[Path, typer.Argument(metavar="STORE_A", help="The store of the earlier period.")],
    after: Annotated[Path, typer.Argument(metavar="STORE_B", help="The store of the later period, on the same grid.")],
    output: Annotated[Path, opt.output("FOLDER", "Folder for the maps.")],
    area: src.AreaOptions,
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.Templates = None,
    against: opt.Against = None,
    answer_all: opt.AnswerAll = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="DISTANCE",
            help="Cosine distance above which a pixel has changed; default: median + 3 robust standard deviations.",
        ),
    ] = None,
    min_clear: src.MinClear = 0,
    cube_a: Annotated[
        Path | None,
        typer.Option(
            metavar="CUBE", help="The cube that STORE_A was made of, to find the month in which pixels differ most."
        ),
    ] = None,
    cube_b: Annotated[Path | None, typer.Option(metavar="CUBE", help="The cube that STORE_B was made of.")] = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Compare two periods of one area: where the embedding and the class differ, and in which month.

    To find the month, pixels are read again, from the cubes that the stores were made of or from a search with --aoi.
    --provider, --collection, --baseline, --offset-dn and --sensor apply to both cubes.
    """
    from timesenclip.mapping.change import change_stores
    from timesenclip.mapping.output.staging import CHANGE_FILES, check_map_folder
    from timesenclip.mapping.store.store import EmbeddingStore

    if (cube_a is None) != (cube_b is None):
        raise InputError("Only one of --cube-a and --cube-b was given; months are found by comparing both.")
    if cube_a is not None and area.aoi is not None:
        raise InputError(f"--cube-a and --aoi {area.aoi} were both given; give the one that the stores were made of.")
    area.refuse_catalog_alone()
    if area.aoi is None:
        src.refuse_given(context, src.SEARCH_ONLY, "applies to a search, but --aoi was not given")
    if area.aoi is None and cube_a is None:
        origin = "applies to pixels that are read, but neither --cube-a and --cube-b nor --aoi was given"
        src.refuse_given(context, ("provider", "collection", "baseline", "offset_dn", "sensor"), origin)
    check_map_folder(output, "change map", CHANGE_FILES)
    first, second = EmbeddingStore.open(before), EmbeddingStore.open(after)
    cubes = _cubes(first, second, cube_a, cube_b, area)
    with progress_bar("change, pixels") as progress:
        result = change_stores(
            first,
            second,
            out=output,
            query=_query(first, prompt, taxonomy, templates, against, answer_all),
            threshold=threshold,
            min_clear=min_clear,
            cubes=cubes,
            progress=progress,
        )
    _report_change(result, as_json=as_json)


def _cubes(
    first: EmbeddingStore, second: EmbeddingStore, cube_a: Path | None, cube_b: Path | None, area: src.AreaOptions
) -> tuple[AreaSource, AreaSource] | None:
    """The areas that both stores were made of; None if neither cubes nor --aoi were given."""
    if cube_a is not None and cube_b is not None:
        return src.open_cube_with_options(cube_a, area), src.open_cube_with_options(cube_b, area)
    if area.aoi is not None:
        return src.search_area(area, first.info.period), src.search_area(area, second.info.period)
    return None


def _query(
    store: EmbeddingStore,
    prompt: list[str] | None,
    taxonomy: str | None,
    templates: str | None,
    against: list[str] | None,
    answer_all: bool,
) -> Query | None:
    from timesenclip.mapping.query import make_query

    if not prompt and taxonomy is None:
        if against:
            raise InputError("--against was given without --prompt; give it with one phrase alone.")
        if answer_all:
            raise InputError("--answer-all was given, but no classes are compared; give --prompt or --taxonomy.")
        return None
    return make_query(
        store,
        opt.chosen_taxonomy(prompt, taxonomy),
        templates=opt.chosen_templates(templates),
        against=opt.chosen_against(against),
        answer_all=answer_all,
    )


def _report_change(result: ChangeResult, *, as_json: bool) -> None:
    if as_json:
        content = asdict(result)
        content["files"] = {name: str(path) for name, path in result.files.items()}
        print_json({key: value for key, value in content.items() if key != "folder"})
        return
    share = result.changed / result.compared
    say(
        f"{result.changed:,} of {result.compared:,} pixels changed ({share:.1%}, {result.hectares:,.1f} ha): distance "
        f"above {result.threshold:.3f}, median {result.median_distance:.3f}"
    )
    if result.transitions:
        rows = [(t.before, t.after, f"{t.hectares:.1f}") for t in result.transitions[:10]]
        print_table(["before", "after", "hectares"], rows)
    if result.months:
        say("Months: " + ", ".join(f"{name} {share:.0%}" for name, share in result.months.items()))
    say(f"Maps:    {result.folder}")
