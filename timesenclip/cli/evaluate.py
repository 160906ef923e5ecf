"""`evaluate`: compare answers with labels, beside chance, the majority class and a random forest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import SuiteByDefault, left_out, note, print_json, print_table

if TYPE_CHECKING:
    from timesenclip.tasks.evaluate import Evaluation

__all__ = ["evaluate"]

evaluate = typer.Typer(
    cls=SuiteByDefault,
    help="Compare answers with labels, beside chance, majority and a random forest.",
    epilog="`evaluate CHECKPOINT --data ...` is `evaluate suite CHECKPOINT --data ...`.",
)

_TRUTH = "The truth"

Mapping = Annotated[
    str | None,
    typer.Option(
        metavar="PAIRS|FILE",
        help="Which label is which class: '1200=maize,9120=grassland', or a YAML file. Other labels are left out.",
        rich_help_panel=_TRUTH,
    ),
]
PriorCorrection = Annotated[
    bool, typer.Option("--prior-correction", help="As in classify.", rich_help_panel="The question")
]
Seed = Annotated[int, typer.Option(help="Of chance and of the forest.", rich_help_panel=_TRUTH)]


@evaluate.command("points")
def points_(
    points: opt.Points,
    labels: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the labels.", rich_help_panel=_TRUTH)],
    mapping: Mapping = None,
    seed: Seed = 0,
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    prior_correction: PriorCorrection = False,
    period: opt.PeriodText = None,
    units: opt.Units = "auto",
    every: opt.Every = "month",
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Evaluate a table of points that has a column of labels.

    The forest is trained on other places than those it is tested on. Points never seen clearly do not count.
    """
    from timesenclip.tasks.evaluate import evaluate_points, parse_mapping

    evaluation = evaluate_points(
        points,
        label_column=labels,
        taxonomy=opt.chosen_taxonomy(prompt, taxonomy),
        mapping=parse_mapping(mapping) if mapping else None,
        model=opt.chosen_model(checkpoint),
        prior_correction=prior_correction,
        seed=seed,
        period=period,
        units=units,
        every=every,
        strict=strict,
    )
    _report(evaluation, as_json=as_json)


@evaluate.command("map")
def map_(
    cube: opt.CubePath,
    labels: Annotated[
        str,
        typer.Option(metavar="FILE.tif|FILE.nc:NAME", help="Label raster on the same grid.", rich_help_panel=_TRUTH),
    ],
    mapping: Annotated[
        str,
        typer.Option(
            metavar="PAIRS|FILE",
            help="Which value is which class: '1200=maize,9120=grassland', or a YAML file. Others are left out.",
            rich_help_panel=_TRUTH,
        ),
    ],
    seed: Seed = 0,
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    prior_correction: PriorCorrection = False,
    period: opt.PeriodText = None,
    year: opt.Year = None,
    units: opt.Units = "auto",
    every: opt.Every = "month",
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Evaluate the pixels of a cube against a raster of labels.

    The forest is trained on other strips of the same area than those it is tested on.
    """
    from timesenclip.eo.cube import read_cube
    from timesenclip.tasks.evaluate import evaluate_cube, parse_mapping, read_labels

    evaluation = evaluate_cube(
        read_cube(cube, period=opt.chosen_period(period, year), units=units, every=every),
        read_labels(labels),
        taxonomy=opt.chosen_taxonomy(prompt, taxonomy),
        mapping=parse_mapping(mapping),
        model=opt.chosen_model(checkpoint),
        prior_correction=prior_correction,
        seed=seed,
    )
    _report(evaluation, as_json=as_json)


def _report(evaluation: Evaluation, *, as_json: bool) -> None:
    if as_json:
        print_json(evaluation.to_dict())
        return
    typer.echo(f"{evaluation.title}\n")
    methods = [(name, *map(_figure, figures)) for name, *figures in evaluation.rows()]
    print_table(["method", "accuracy", "balanced", "macro F1", "calibration error"], methods)
    first = next(iter(evaluation.methods.values()))
    classes = [(c.name, c.support, _figure(c.precision), _figure(c.recall), _figure(c.f1)) for c in first.classes]
    typer.echo()
    print_table(["class, zero-shot", "samples", "precision", "recall", "F1"], classes)
    typer.echo()
    for text in evaluation.notes:
        typer.echo(text)
    if first.absent:
        typer.echo(f"Without a single sample, and counted nowhere: {', '.join(first.absent)}.")
    if evaluation.skipped:
        note(left_out("samples", evaluation.skipped))


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
