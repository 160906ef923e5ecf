"""The table of options: what several commands share has one name, one help, one type and one default here.

`area_options` holds those of areas. Options that go together are a frozen dataclass, which a command takes as one
parameter (`groups.with_groups`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from timesenclip.cli.completion import complete_checkpoint, complete_taxonomy
from timesenclip.cli.console import make_strict
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.eo.period import Every as Interval
    from timesenclip.evaluation.baselines.external import ExternalModels
    from timesenclip.evaluation.labels.ground_vectors import Ground
    from timesenclip.ground.taxonomy import Taxonomy
    from timesenclip.model.checkpoint import Model

__all__ = [
    "DEFAULT_TAXONOMY",
    "INPUT",
    "QUESTION",
    "TRUTH",
    "WORK",
    "InputOptions",
    "PeerOptions",
    "PointOptions",
    "QueryOptions",
    "SamplingOptions",
    "chosen_mapping",
    "chosen_model",
    "chosen_period",
    "chosen_taxonomy",
    "chosen_templates",
    "output",
    "step_length",
]

DEFAULT_TAXONOMY = "lucas-land-cover"
"""What is asked when neither --prompt nor --taxonomy is given."""

QUESTION = "The question"
INPUT = "The input"
TRUTH = "The truth"
WORK = "How the work is done"
_MODEL = "The model"
_COMPARE = "To compare with"


def output(metavar: str, help_text: str, *, folder: bool = False) -> Any:
    """`-o/--output` of a command: what it writes differs, its name does not.

    Args:
        metavar: what to give: FILE, FOLDER, STORE.
        help_text: what is written there.
        folder: a file of that name is refused before any work.
    """
    return typer.Option("--output", "-o", metavar=metavar, help=help_text, file_okay=not folder)


# What is read.
Points = Annotated[
    Path, typer.Argument(metavar="POINTS", help="Point table, wide or long: .parquet, .geoparquet or .csv.")
]
StorePath = Annotated[Path, typer.Argument(metavar="STORE", help="An embedding store, made by `embed-area`.")]
TrainingStore = Annotated[Path, typer.Argument(metavar="STORE", help="A training store, made by `data`.")]
PeriodText = Annotated[
    str | None,
    typer.Option(
        "--period", metavar="PERIOD", help="2018, 2018-07..2019-06 or 2018-03-15..2018-10-01.", rich_help_panel=INPUT
    ),
]
Year = Annotated[
    int | None, typer.Option("--year", metavar="YEAR", help="Short for --period YEAR.", rich_help_panel=INPUT)
]
Units = Annotated[
    Literal["auto", "dn", "reflectance"],
    typer.Option("--units", help="What the numbers are: DN is reflectance x 10000.", rich_help_panel=INPUT),
]
Every = Annotated[
    Literal["month", "dekad", "quarter", "year"],
    typer.Option("--every", help="Composite length: the median of clear observations.", rich_help_panel=INPUT),
]
Step = Annotated[
    str,
    typer.Option(
        "--step",
        metavar="NAME|DAYS",
        help="Length of a wide table's step: month, dekad, quarter, year, or a number of days.",
        rich_help_panel=INPUT,
    ),
]
OffsetDn = Annotated[
    int | None,
    typer.Option(
        "--offset-dn",
        metavar="DN",
        help="Number that is subtracted from every DN: 1000 where the offset of processing baseline 04.00 (since "
        "January 2022) is still in them. Default: 0 for points; for areas what their provider and baseline say.",
        rich_help_panel=INPUT,
    ),
]

# What is asked.
Prompt = Annotated[
    list[str] | None,
    typer.Option("--prompt", "-p", metavar="PHRASE", help="A phrase to look for; repeat it.", rich_help_panel=QUESTION),
]
TaxonomyName = Annotated[
    str | None,
    typer.Option(
        "--taxonomy",
        "-t",
        metavar="NAME|FILE",
        help="A class list by name or YAML file.",
        autocompletion=complete_taxonomy,
        rich_help_panel=QUESTION,
    ),
]
Templates = Annotated[
    str | None,
    typer.Option(
        "--templates",
        metavar="NAME|SENTENCE",
        help="Sentences the class names are put into: default (if nothing is given), name, generic, ..., or one of "
        "your own with {name}.",
        rich_help_panel=QUESTION,
    ),
]
HeadFolder = Annotated[
    Path | None,
    typer.Option(
        "--head",
        metavar="FOLDER",
        help="Ask with a head that `adapt` saved, instead of words.",
        rich_help_panel=QUESTION,
    ),
]
UnknownBelow = Annotated[
    float | None,
    typer.Option(
        "--unknown-below",
        metavar="COSINE",
        min=-1,
        max=1,
        help="Similarity below which nothing fits, instead of the checkpoint's; -1: never unknown.",
        rich_help_panel=QUESTION,
    ),
]
CheckpointName = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="NAME",
        help="A folder, local-dir:, hf-hub:, or a shipped name.",
        autocompletion=complete_checkpoint,
        rich_help_panel=_MODEL,
    ),
]

# What is true.
Labels = Annotated[
    str,
    typer.Option(
        "--labels",
        metavar="COLUMN|FILE",
        help="Column; for a cube FILE.tif or FILE.nc:NAME; for a store also FILE.csv:COLUMN, or auto.",
        rich_help_panel=TRUTH,
    ),
]
Mapping = Annotated[
    list[str] | None,
    typer.Option(
        "--mapping",
        metavar="PAIRS|FILE|FILE:KEY",
        help="Which label is which class: '1200=maize,9120=grassland', or a YAML or JSON file; repeat it to apply one "
        "after the other. Other labels are left out.",
        rich_help_panel=TRUTH,
    ),
]
VOTES: Any = typer.Option(
    "--votes", metavar="FILE.tsv", help="ScenicOrNot's table of votes; sample_id of the points is its ID."
)
"""Needed by `evaluate scenic`, and by `evaluate paper` together with --scenic."""
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", help="Seed of all random numbers: the same seed, the same result.")
]

# How it is done, and what is said.
Tower = Annotated[
    str,
    typer.Option(
        "--tower",
        metavar="NAME|FOLDER",
        help="Ground tower: a CLIP-like model by hub id or folder.",
        rich_help_panel=_MODEL,
    ),
]
DEFAULT_TOWER = "openai/clip-vit-base-patch32"
Revision = Annotated[
    str | None, typer.Option("--revision", metavar="NAME", help="Branch on the hub; to read, also a tag or commit.")
]
Accelerator = Annotated[
    Literal["auto", "cpu", "gpu"], typer.Option("--accelerator", help="Where to train.", rich_help_panel=WORK)
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan and what it would cost; do nothing.", rich_help_panel=WORK)
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Treat warnings as errors.", callback=make_strict, is_eager=True)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]


@dataclass(frozen=True, slots=True)
class InputOptions:
    """Which time is read, and how the numbers are understood."""

    period: PeriodText = None
    year: Year = None
    units: Units = "auto"
    every: Every = "month"

    def __post_init__(self) -> None:
        """Refuse --period beside --year, and what is no period, before a command opens anything."""
        from timesenclip.eo.period import as_period

        as_period(chosen_period(self.period, self.year))

    @property
    def span(self) -> str | int | None:
        """--period or --year."""
        return chosen_period(self.period, self.year)

    @property
    def reading(self) -> dict[str, Any]:
        """As `read_points` and `read_cube` take them."""
        return {"period": self.span, "units": self.units, "every": self.every}


@dataclass(frozen=True)  # without slots, in whose classes super() fails
class PointOptions(InputOptions):
    """How tables of points are read, by the commands that answer and by those that evaluate alike."""

    offset_dn: OffsetDn = None
    step: Step = "month"

    @property
    def reading(self) -> dict[str, Any]:
        """As `read_points` takes them; an offset and a step only where they were stated, as cubes have no step."""
        stated: dict[str, Any] = {} if self.offset_dn is None else {"offset_dn": self.offset_dn}
        if self.step != "month":
            stated["step"] = step_length(self.step)
        return super().reading | stated


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What is asked, and of which model."""

    prompt: Prompt = None
    taxonomy: TaxonomyName = None
    templates: Templates = None
    head: HeadFolder = None
    unknown_below: UnknownBelow = None
    checkpoint: CheckpointName = None

    def classes(self) -> Taxonomy:
        """The classes: the head's, the phrases, or the class list.

        Raises:
            InputError: a head was given with words, or phrases with a class list.
            CheckpointError: there is no such head.
        """
        if self.head is None:
            return chosen_taxonomy(self.prompt, self.taxonomy)
        if self.prompt or self.taxonomy:
            raise InputError(
                "--head was given with --prompt or --taxonomy; a head brings its own classes, give only one."
            )
        if self.templates is not None:
            raise InputError(
                f"--head was given with --templates {self.templates}; a head asks without words, leave --templates out."
            )
        from timesenclip.tasks.heads import load_head

        return load_head(self.head).taxonomy

    def model(self) -> Model:
        """The checkpoint, with the head in place of its words.

        Raises:
            CheckpointError: the head was made for another checkpoint.
        """
        model = chosen_model(self.checkpoint)
        if self.head is None:
            return model
        from timesenclip.tasks.heads import adapted, load_head

        return adapted(model, load_head(self.head))

    @property
    def sentences(self) -> str:
        """The templates that the classes are asked with; a head knows their names only."""
        return chosen_templates(self.templates) if self.head is None else "name"


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How intervals and splits are drawn."""

    block_deg: Annotated[
        float,
        typer.Option(
            "--block-deg",
            metavar="DEG",
            help="Side of the blocks of land for intervals and splits, degrees.",
            rich_help_panel=TRUTH,
        ),
    ] = 0.25
    seed: Seed = 0
    draws: Annotated[
        int,
        typer.Option(
            "--draws",
            metavar="N",
            help="Bootstrap draws (samples with replacement) that a 95 % interval is estimated from.",
            rich_help_panel=TRUTH,
        ),
    ] = 1000


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """What the checkpoint is compared with."""

    ground: Annotated[
        Path | None,
        typer.Option(
            "--ground",
            metavar="FILE",
            help="Photographs' vectors, for retrieval: a store of `ground embed`, the published .pt, or Parquet with "
            "sample_id and embedding.",
            rich_help_panel=_COMPARE,
        ),
    ] = None
    presto: Annotated[
        Path | None,
        typer.Option(
            "--presto",
            metavar="FILE",
            help="Presto's weights (data/default_model.pt of nasaharvest/presto): its features get a linear probe.",
            rich_help_panel=_COMPARE,
        ),
    ] = None
    rgb: Annotated[
        str | None,
        typer.Option(
            "--rgb",
            metavar="NAME|FOLDER",
            help="A CLIP or SigLIP model, asked of true-colour patches: for a cube, or a store with patches.",
            rich_help_panel=_COMPARE,
        ),
    ] = None
    size_px: Annotated[
        int,
        typer.Option(
            "--size-px",
            metavar="PX",
            min=1,
            help="Side of the patches cut from a cube for --rgb, pixels.",
            rich_help_panel=_COMPARE,
        ),
    ] = 32

    def photographs(self) -> Ground | None:
        """The vectors of --ground."""
        if self.ground is None:
            return None
        from timesenclip.evaluation.labels.ground_vectors import read_ground
        from timesenclip.evaluation.labels.store import ground_views

        return (read_ground if self.ground.suffix == ".parquet" else ground_views)(self.ground)

    def models(self) -> ExternalModels:
        """The models of --presto and --rgb."""
        from timesenclip.evaluation.baselines.external import ExternalModels
        from timesenclip.ground.load import load_tower

        return ExternalModels(
            presto=self.presto, tower=None if self.rgb is None else load_tower(self.rgb), size_px=self.size_px
        )


def chosen_taxonomy(prompt: list[str] | None, taxonomy: str | None) -> Taxonomy:
    """The class list that --prompt or --taxonomy asks for, `DEFAULT_TAXONOMY` when neither does.

    Raises:
        InputError: both were given.
    """
    from timesenclip.ground.taxonomy import load_taxonomy, taxonomy_from_phrases

    if prompt and taxonomy:
        raise InputError("--prompt and --taxonomy were both given; ask with one of them.")
    return taxonomy_from_phrases(prompt) if prompt else load_taxonomy(taxonomy or DEFAULT_TAXONOMY)


def chosen_templates(templates: str | None) -> str:
    """--templates, "default" when it was not given."""
    return templates or "default"


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


def step_length(step: str) -> Interval | int:
    """--step, as `read_points` takes it: an interval's name, or a number of days."""
    return int(step) if step.isdigit() else cast("Interval", step)  # `read_points` refuses other names


def chosen_mapping(mapping: list[str] | None) -> list[dict[str, str]] | None:
    """Every --mapping, in the order in which they are applied."""
    from timesenclip.evaluation.labels.labelled import parse_mapping

    return [parse_mapping(text) for text in mapping] if mapping else None
