"""The table of options: name, help, type and default of every option that several commands share.

Options of areas are in `area_options`. Options that belong together are a frozen dataclass, which a command takes as
one parameter (`groups.with_groups`).
"""

from __future__ import annotations

import math
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
    "QUERY",
    "TRUTH",
    "WORK",
    "ComparisonOptions",
    "InputOptions",
    "PointOptions",
    "QueryOptions",
    "SamplingOptions",
    "chosen_against",
    "chosen_mapping",
    "chosen_model",
    "chosen_period",
    "chosen_taxonomy",
    "chosen_templates",
    "finite",
    "output",
    "step_length",
]

DEFAULT_TAXONOMY = "lucas-land-cover"
"""Class list that is used if neither --prompt nor --taxonomy is given."""

QUERY = "Classes"
INPUT = "Input"
TRUTH = "Labels"
WORK = "Execution"
_MODEL = "Model"
_COMPARE = "Comparison"


def output(metavar: str, help_text: str, *, folder: bool = False) -> Any:
    """The option `-o/--output` of a command, with a help text of its own.

    Args:
        metavar: kind of value in the help: FILE, FOLDER, STORE.
        help_text: what is written there.
        folder: whether an existing file of that name is refused before any work.
    """
    return typer.Option("--output", "-o", metavar=metavar, help=help_text, file_okay=not folder)


def finite(value: float | None) -> float | None:
    """Callback of options that take a number: a range alone lets `nan` pass.

    Raises:
        typer.BadParameter: the number is not finite.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number.")
    return value


# Input.
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
    Literal["auto", "dn", "reflectance", "landsat-c2"],
    typer.Option(
        "--units",
        help="Units of the values; DN is reflectance x 10000, landsat-c2 the numbers of Landsat Collection 2.",
        rich_help_panel=INPUT,
    ),
]
Sensor = Annotated[
    Literal["auto", "sentinel-2", "sentinel-2-10m", "rgb", "landsat", "hls-l30", "hls-s30", "brazil-data-cube"],
    typer.Option(
        "--sensor",
        help="Whose names the bands have; auto decides by names that only one sensor has.",
        rich_help_panel=INPUT,
    ),
]
Every = Annotated[
    Literal["month", "dekad", "quarter", "year"],
    typer.Option("--every", help="Interval of the composites (medians of clear observations).", rich_help_panel=INPUT),
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
OutliersOption = Annotated[
    Literal["drop", "keep"],
    typer.Option(
        "--outliers",
        help="drop leaves out steps that stand out as clouds do that were not masked; keep reads all steps.",
        rich_help_panel=INPUT,
    ),
]
OffsetDn = Annotated[
    int | None,
    typer.Option(
        "--offset-dn",
        metavar="DN",
        min=-10_000,
        max=10_000,
        help="Number that is subtracted from every DN: 1000 where the offset of processing baseline 04.00 (since "
        "January 2022) is still in them. Default: 0 for points; for areas what their provider and baseline say.",
        rich_help_panel=INPUT,
    ),
]

# Classes.
Prompt = Annotated[
    list[str] | None,
    typer.Option("--prompt", "-p", metavar="PHRASE", help="A phrase to look for; repeat it.", rich_help_panel=QUERY),
]
TaxonomyName = Annotated[
    str | None,
    typer.Option(
        "--taxonomy",
        "-t",
        metavar="NAME|FILE",
        help="A class list: name or YAML file.",
        autocompletion=complete_taxonomy,
        rich_help_panel=QUERY,
    ),
]
Templates = Annotated[
    str | None,
    typer.Option(
        "--templates",
        metavar="NAME|SENTENCE",
        help="Sentences the class names are put into: default (if nothing is given), name, generic, ..., or one of "
        "your own with {name}.",
        rich_help_panel=QUERY,
    ),
]
Against = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="PHRASE|NAME|FILE",
        help="With one phrase alone: what it is compared with, instead of the list `background` of general "
        "phrases: phrases (repeat it), or a class list by name or YAML file. The phrase fits where it describes a "
        "place better than those of them that mean something else.",
        rich_help_panel=QUERY,
    ),
]
HeadFolder = Annotated[
    Path | None,
    typer.Option(
        "--head",
        metavar="FOLDER",
        help="Use a head that `adapt` saved, instead of phrases.",
        rich_help_panel=QUERY,
    ),
]
UnknownBelow = Annotated[
    float | None,
    typer.Option(
        "--unknown-below",
        metavar="COSINE",
        min=-1,
        max=1,
        callback=finite,
        help="Cosine below which the class is unknown, instead of the checkpoint's; -1: never unknown.",
        rich_help_panel=QUERY,
    ),
]
AnswerAll = Annotated[
    bool,
    typer.Option(
        "--answer-all",
        help="Give everything that was seen clearly its best class: unknown is only what was never seen.",
        rich_help_panel=QUERY,
    ),
]
CheckpointName = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="NAME",
        help="Checkpoint: a folder, local-dir:FOLDER, hf-hub:OWNER/NAME, or a shipped name.",
        autocompletion=complete_checkpoint,
        rich_help_panel=_MODEL,
    ),
]

# Labels.
Labels = Annotated[
    str,
    typer.Option(
        "--labels",
        metavar="COLUMN|FILE",
        help="Column of labels; for a cube FILE.tif or FILE.nc:NAME; for a store also FILE.csv:COLUMN, or auto.",
        rich_help_panel=TRUTH,
    ),
]
Mapping = Annotated[
    list[str] | None,
    typer.Option(
        "--mapping",
        metavar="PAIRS|FILE|FILE:KEY",
        help="Class of each label: '1200=maize,9120=grassland', or a YAML or JSON file; several are applied one after "
        "the other. Samples with other labels are left out.",
        rich_help_panel=TRUTH,
    ),
]
VOTES: Any = typer.Option(
    "--votes", metavar="FILE.tsv", help="ScenicOrNot's table of votes; its ID is the sample_id of the points."
)
"""Needed by `evaluate scenic`, and by `evaluate paper` together with --scenic."""
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        max=2**32 - 1,
        help="Seed of all random numbers: the same seed, the same result.",
    ),
]

# Execution and output.
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
    Literal["auto", "cpu", "gpu"], typer.Option("--accelerator", help="Device to train on.", rich_help_panel=WORK)
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print the plan and the expected cost, and write nothing.", rich_help_panel=WORK),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace another output of timesenclip that stands in the place; files of yours are never replaced.",
        rich_help_panel=WORK,
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Treat warnings as errors.", callback=make_strict, is_eager=True)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]


@dataclass(frozen=True, slots=True)
class InputOptions:
    """Period, units and composites of the input."""

    period: PeriodText = None
    year: Year = None
    units: Units = "auto"
    every: Every = "month"
    outliers: OutliersOption = "drop"

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
        """Keyword arguments for `read_points` and `read_cube`."""
        return {"period": self.span, "units": self.units, "every": self.every}


@dataclass(frozen=True)  # without slots, in whose classes super() fails
class PointOptions(InputOptions):
    """How tables of points are read, by the commands that answer and by those that evaluate alike."""

    offset_dn: OffsetDn = None
    step: Step = "month"
    sensor: Sensor = "auto"

    @property
    def reading(self) -> dict[str, Any]:
        """As `read_points` takes them; what cubes do not have, or is as usual, only where it was stated."""
        stated: dict[str, Any] = {} if self.offset_dn is None else {"offset_dn": self.offset_dn}
        if self.step != "month":
            stated["step"] = step_length(self.step)
        if self.sensor != "auto":
            stated["sensor"] = self.sensor
        if self.outliers != "drop":
            stated["outliers"] = self.outliers
        return super().reading | stated


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """Classes, prompts and checkpoint."""

    prompt: Prompt = None
    taxonomy: TaxonomyName = None
    templates: Templates = None
    head: HeadFolder = None
    unknown_below: UnknownBelow = None
    answer_all: AnswerAll = False
    checkpoint: CheckpointName = None

    def classes(self) -> Taxonomy:
        """The classes of --head, --prompt or --taxonomy.

        Raises:
            InputError: two of them were given, or --head with --templates.
            CheckpointError: the head does not exist.
        """
        if self.head is None:
            return chosen_taxonomy(self.prompt, self.taxonomy)
        if self.prompt or self.taxonomy:
            raise InputError("--head was given with --prompt or --taxonomy; a head has its own classes, give only one.")
        if self.templates is not None:
            raise InputError(
                f"--head was given with --templates {self.templates}; a head has no prompts, leave --templates out."
            )
        from timesenclip.tasks.heads import load_head

        return load_head(self.head).taxonomy

    def model(self) -> Model:
        """The checkpoint; with --head, the head replaces its text tower.

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
        """The prompt templates; a head has class names only."""
        return chosen_templates(self.templates) if self.head is None else "name"


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """Options of bootstrap intervals and spatial splits."""

    block_deg: Annotated[
        float,
        typer.Option(
            "--block-deg",
            metavar="DEG",
            min=0.001,
            max=90,
            callback=finite,
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
            min=1,
            max=1_000_000,
            help="Bootstrap draws (samples with replacement) that a 95 % interval is estimated from.",
            rich_help_panel=TRUTH,
        ),
    ] = 1000


@dataclass(frozen=True, slots=True)
class ComparisonOptions:
    """External models and photographs that the checkpoint is compared with."""

    ground: Annotated[
        Path | None,
        typer.Option(
            "--ground",
            metavar="FILE",
            help="Vectors of photographs, for retrieval: a store of `ground embed`, the published .pt, or Parquet with "
            "sample_id and embedding.",
            rich_help_panel=_COMPARE,
        ),
    ] = None
    presto: Annotated[
        Path | None,
        typer.Option(
            "--presto",
            metavar="FILE",
            help="Weights of Presto (data/default_model.pt of nasaharvest/presto), for a linear probe on its features.",
            rich_help_panel=_COMPARE,
        ),
    ] = None
    rgb: Annotated[
        str | None,
        typer.Option(
            "--rgb",
            metavar="NAME|FOLDER",
            help="A CLIP or SigLIP model for true-colour patches of a cube, or of a store with patches.",
            rich_help_panel=_COMPARE,
        ),
    ] = None
    size_px: Annotated[
        int,
        typer.Option(
            "--size-px",
            metavar="PX",
            min=1,
            max=4096,
            help="Side of the patches cut from a cube for --rgb, pixels.",
            rich_help_panel=_COMPARE,
        ),
    ] = 32

    def photographs(self) -> Ground | None:
        """Read the vectors of --ground."""
        if self.ground is None:
            return None
        from timesenclip.evaluation.labels.ground_vectors import read_ground
        from timesenclip.evaluation.labels.store import ground_views

        return (read_ground if self.ground.suffix == ".parquet" else ground_views)(self.ground)

    def models(self) -> ExternalModels:
        """Load the models of --presto and --rgb."""
        from timesenclip.evaluation.baselines.external import ExternalModels
        from timesenclip.ground.load import load_tower

        return ExternalModels(
            presto=self.presto, tower=None if self.rgb is None else load_tower(self.rgb), size_px=self.size_px
        )


def chosen_taxonomy(prompt: list[str] | None, taxonomy: str | None) -> Taxonomy:
    """The class list of --prompt or --taxonomy; `DEFAULT_TAXONOMY` if neither was given.

    Raises:
        InputError: both were given.
    """
    from timesenclip.ground.taxonomy import load_taxonomy, taxonomy_from_phrases

    if prompt and taxonomy:
        raise InputError("--prompt and --taxonomy were both given; give one of them.")
    return taxonomy_from_phrases(prompt) if prompt else load_taxonomy(taxonomy or DEFAULT_TAXONOMY)


def chosen_against(against: list[str] | None) -> str | list[str] | None:
    """The value of --against: a class list's name or file, phrases, or None if it was not given."""
    from timesenclip.ground.taxonomy import BACKGROUND, list_taxonomies

    if not against:
        return None
    first = against[0]
    one_list = len(against) == 1 and (
        first in (*list_taxonomies(), BACKGROUND) or first.lower().endswith((".yaml", ".yml"))
    )
    return first if one_list else against


def chosen_templates(templates: str | None) -> str:
    """The value of --templates, "default" if it was not given."""
    return templates or "default"


def chosen_model(checkpoint: str | None) -> Model:
    """Load the checkpoint of --checkpoint or of the settings, and set torch's threads as the settings say."""
    import torch

    from timesenclip.model.checkpoint import load
    from timesenclip.settings import settings

    threads = settings().threads
    if threads:
        torch.set_num_threads(threads)
    return load(checkpoint or settings().checkpoint)


def chosen_period(period: str | None, year: int | None) -> str | int | None:
    """The value of --period or of --year; both together are refused."""
    if period is not None and year is not None:
        raise InputError(f"--period {period} and --year {year} were both given; give one of them.")
    return period if period is not None else year


def step_length(step: str) -> Interval | int:
    """--step, as `read_points` takes it: an interval's name, or a number of days."""
    if step.isdecimal() and len(step) > 4:
        raise InputError(f"--step {step[:20]} is longer than any series; expected at most 9999 days.")
    return int(step) if step.isdecimal() else cast("Interval", step)  # `read_points` refuses other names


def chosen_mapping(mapping: list[str] | None) -> list[dict[str, str]] | None:
    """The values of --mapping, in the order in which they are applied."""
    from timesenclip.evaluation.labels.labelled import parse_mapping

    return [parse_mapping(text) for text in mapping] if mapping else None
