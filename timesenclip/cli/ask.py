"""`ask`: classify every pixel of an embedding store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.console import progress_bar
from timesenclip.cli.groups import with_groups
from timesenclip.cli.map import report_map
from timesenclip.errors import InputError

__all__ = ["ask"]


@with_groups
def ask(
    store: opt.StorePath,
    output: Annotated[Path, opt.output("FOLDER", "Folder for the maps.")],
    query: opt.QueryOptions,
    photo: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="A photograph of what to look for; can be repeated.", rich_help_panel=opt.QUERY
        ),
    ] = None,
    against: opt.Against = None,
    min_clear: src.MinClear = 0,
    zones: src.Zones = None,
    scores: src.Scores = True,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Classify every pixel of an embedding store by phrases, a class list, photographs or a head; no scene is read.

    One phrase alone is compared with general phrases (--against): where it does not fit the answer is unknown, and the
    confidence is the probability that it fits.
    """
    from timesenclip.mapping.ask_store import ask_store

    asked: dict[str, Any]
    if photo:
        if query.prompt or query.taxonomy or query.head is not None:
            raise InputError("--photo was given with --prompt, --taxonomy or --head; give one of them.")
        asked = {"photos": photo}
    elif query.head is not None:
        query.classes()  # refuses --prompt, --taxonomy and --templates together with --head
        if query.checkpoint is not None:
            raise InputError(
                f"--head was given with --checkpoint {query.checkpoint}; a head is "
                "used with the checkpoint of the store, leave --checkpoint out."
            )
        asked = {"head": query.head}
    else:
        asked = {"taxonomy": query.classes()}
    with progress_bar("ask, pixels") as progress:
        result = ask_store(
            store,
            out=output,
            model=opt.chosen_model(query.checkpoint) if query.checkpoint else None,
            templates=query.sentences,
            against=opt.chosen_against(against),
            unknown_below=query.unknown_below,
            answer_all=query.answer_all,
            min_clear=min_clear,
            zones=zones,
            scores=scores,
            progress=progress,
            **asked,
        )
    report_map(result, as_json=as_json)
