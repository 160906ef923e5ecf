"""Options that several commands share, so that they are named, explained and read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from timesenclip.cli.console import make_strict
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.ground.taxonomy import Taxonomy
    from timesenclip.model.checkpoint import Model

__all__ = [
    "DEFAULT_TAXONOMY",
    "chosen_model",
    "chosen_period",
    "chosen_taxonomy",
    "refuse_beside_head",
    "with_head",
]

DEFAULT_TAXONOMY = "lucas-land-cover"
"""What `classify` and `map` ask when neither --prompt nor --taxonomy is given."""

_QUESTION = "The question"
_INPUT = "The input"
_MODEL = "The model"

Points = Annotated[
    Path, typer.Argument(metavar="POINTS", help="Point table, wide or long: .parquet, .geoparquet or .csv.")
]
CubePath = Annotated[
    Path, typer.Argument(metavar="CUBE", help="A .nc, a folder of .nc, a .zarr, or a folder of GeoTIFFs.")
]
Prompt = Annotated[
    list[str] | None,
    typer.Option("--prompt", "-p", help="A phrase to look for; repeat it.", rich_help_panel=_QUESTION),
]
TaxonomyName = Annotated[
    str | None,
    typer.Option(
        "--taxonomy", "-t", metavar="NAME|FILE", help="A class list by name or YAML file.", rich_help_panel=_QUESTION
    ),
]
Templates = Annotated[
    str,
    typer.Option(
        help="Sentences the class names are put into: default, name, generic, ..., or one of your own with {name}.",
        rich_help_panel=_QUESTION,
    ),
]
TemplatesOrHead = Annotated[
    str | None,
    typer.Option(
        "--templates",
        help="Sentences the class names are put into: default, name, generic, ..., or one of your own with {name}.",
        rich_help_panel=_QUESTION,
        show_default="default",
    ),
]
"""As `Templates`, where --head is possible too: None when it was not given."""
UnknownBelow = Annotated[
    float | None,
    typer.Option(
        metavar="COSINE",
        min=-1,
        max=1,
        help="Similarity below which nothing fits, instead of the checkpoint's; -1: never unknown.",
        rich_help_panel=_QUESTION,
    ),
]
PeriodText = Annotated[
    str | None,
    typer.Option("--period", help="2018, 2018-07..2019-06 or 2018-03-15..2018-10-01.", rich_help_panel=_INPUT),
]
Year = Annotated[int | None, typer.Option("--year", help="Short for --period YEAR.", rich_help_panel=_INPUT)]
Units = Annotated[
    Literal["auto", "dn", "reflectance"],
    typer.Option(help="What the numbers are: DN is reflectance x 10000.", rich_help_panel=_INPUT),
]
Every = Annotated[
    Literal["month", "dekad", "quarter", "year"],
    typer.Option(help="Composite length: the median of clear observations.", rich_help_panel=_INPUT),
]
CheckpointName = Annotated[
    str | None,
    typer.Option(
        "--checkpoint", metavar="NAME", help="A folder, local-dir:, hf-hub:, or a shipped name.", rich_help_panel=_MODEL
    ),
]
HeadFolder = Annotated[
    Path | None,
    typer.Option(
        "--head",
        metavar="FOLDER",
        help="Ask with a head that `adapt` saved, instead of words.",
        rich_help_panel=_QUESTION,
    ),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Treat warnings as errors.", callback=make_strict, is_eager=True),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]


def chosen_taxonomy(prompt: list[str] | None, taxonomy: str | None) -> Taxonomy:
    """The class list that --prompt or --taxonomy asks for, `DEFAULT_TAXONOMY` when neither does.

    Raises:
        InputError: both were given.
    """
    from timesenclip.ground.taxonomy import load_taxonomy, taxonomy_from_phrases

    if prompt and taxonomy:
        raise InputError("--prompt and --taxonomy were both given; ask with one of them.")
    return taxonomy_from_phrases(prompt) if prompt else load_taxonomy(taxonomy or DEFAULT_TAXONOMY)


def chosen_model(checkpoint: str | None) -> Model:
    """The checkpoint that --checkpoint or the settings name, with torch's threads set as the settings say."""
    import torch

    from timesenclip.model.checkpoint import load
    from timesenclip.settings import settings

    threads = settings().threads
    if threads:
        torch.set_num_threads(threads)
    return load(checkpoint or settings().checkpoint)


def chosen_period(period: str | None, year: int | None) -> str | int | None:
    """--period or --year, not both."""
    if period is not None and year is not None:
        raise InputError(f"--period {period} and --year {year} were both given; give one of them.")
    return period if period is not None else year


def with_head(model: Model, head: Path) -> tuple[Model, Taxonomy]:
    """The model and the classes of --head, to be asked with the templates "name".

    Raises:
        CheckpointError: there is no head, or it was made for another checkpoint.
    """
    from timesenclip.tasks.heads import adapted, load_head

    found = load_head(head)
    return adapted(model, found), found.taxonomy


def refuse_beside_head(
    head: Path | None, *, prompt: list[str] | None, taxonomy: str | None, templates: str | None
) -> None:
    """A head brings its own classes, and asks them without words.

    Raises:
        InputError: words were given too.
    """
    if head is None:
        return
    if prompt or taxonomy:
        raise InputError("--head was given with --prompt or --taxonomy; a head brings its own classes, give only one.")
    if templates is not None:
        raise InputError(
            f"--head was given with --templates {templates}; a head asks without words, leave --templates out."
        )
