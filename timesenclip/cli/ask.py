"""`ask`: put a question to a store, for every pixel of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.area_options import MinClear, Zones
from timesenclip.cli.console import progress_bar
from timesenclip.cli.map import report_map
from timesenclip.errors import InputError

if TYPE_CHECKING:
    pass

__all__ = ["ask"]

_QUESTION = "The question"

StorePath = Annotated[Path, typer.Argument(metavar="STORE", help="An embedding store, made by `embed-area`.")]


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
