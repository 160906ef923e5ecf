"""`adapt`: learn from a few labelled points, and keep what was learned as a small head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import left_out, note, print_json, print_table

__all__ = ["adapt"]

_TRUTH = "The truth"

Labels = Annotated[str, typer.Option(metavar="COLUMN", help="Column of the labels.", rich_help_panel=_TRUTH)]
Mappings = Annotated[
    list[str] | None,
    typer.Option(
        "--mapping",
        metavar="PAIRS|FILE|FILE:KEY",
        help="Which label is which class: '1200=maize,9120=grassland', or a YAML or JSON file; repeat it to apply one "
        "after the other. Other labels are left out.",
        rich_help_panel=_TRUTH,
    ),
]


def adapt(
    points: opt.Points,
    labels: Labels,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the head.")],
    mapping: Mappings = None,
    method: Annotated[
        Literal["anchored", "prototype", "probe"],
        typer.Option(help="anchored: words first, examples correct them; prototype: a mean; probe: examples only."),
    ] = "anchored",
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.Templates = "default",
    period: opt.PeriodText = None,
    units: opt.Units = "auto",
    every: opt.Every = "month",
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Learn from labelled points, for `classify --head` and `map --head`.

    The head belongs to the checkpoint it was made with and is refused by every other.
    """
    from timesenclip import __version__
    from timesenclip.evaluation.labels.labelled import labelled_points, parse_mapping
    from timesenclip.ground.prompts import class_vectors
    from timesenclip.model.embed import embed
    from timesenclip.tasks.heads import fit_head, save_head

    classes = opt.chosen_taxonomy(prompt, taxonomy)
    model = opt.chosen_model(checkpoint)
    data = labelled_points(
        points,
        label_column=labels,
        taxonomy=classes,
        mapping=[parse_mapping(text) for text in mapping] if mapping else None,
        period=period,
        units=units,
        every=every,
        strict=strict,
    )
    head = fit_head(
        embed(data.series, model=model),
        data.truth,
        classes,
        model=model,
        method=method,
        text=class_vectors(classes, model.tower, templates) if method != "probe" else None,
        about={
            "templates": templates,
            "points": str(points),
            "labels": labels,
            "skipped": data.skipped,
            "notes": list(data.notes),
            "timesenclip": __version__,
        },
    )
    save_head(head, output)
    examples = head.about["examples"]
    if data.skipped:
        note(left_out("points", data.skipped))
    for text in data.notes:
        note(text)
    if as_json:
        print_json({"output": output, "method": method, "examples": examples, "skipped": data.skipped})
        return
    print_table(["class", "examples"], list(examples.items()))
    typer.echo(f"{len(data)} examples, {len(examples)} classes: {output}")
