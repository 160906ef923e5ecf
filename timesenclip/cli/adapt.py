"""`adapt`: fit a head (one vector for each class) to a few labelled points, and save it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from timesenclip._version import __version__
from timesenclip.cli import options as opt
from timesenclip.cli.console import left_out, note, print_json, print_table, say
from timesenclip.cli.groups import with_groups

__all__ = ["adapt"]

Labels = Annotated[
    str, typer.Option("--labels", metavar="COLUMN", help="Column of the labels.", rich_help_panel=opt.TRUTH)
]


@with_groups
def adapt(
    points: opt.Points,
    labels: Labels,
    output: Annotated[Path, opt.output("FOLDER", "Folder for the head.")],
    read: opt.PointOptions,
    mapping: opt.Mapping = None,
    method: Annotated[
        Literal["anchored", "prototype", "probe"],
        typer.Option(
            help="anchored: starts at the text vectors; prototype: mean of examples and text; probe: examples only."
        ),
    ] = "anchored",
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.Templates = None,
    checkpoint: opt.CheckpointName = None,
    overwrite: opt.Overwrite = False,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Fit a head to labelled points, for --head of `classify`, `map`, `ask` and `evaluate suite`.

    The head can be used only with the checkpoint that it was fitted for.
    """
    from timesenclip.evaluation.labels.labelled import labelled_points
    from timesenclip.ground.prompts import class_vectors
    from timesenclip.model.embed import embed
    from timesenclip.owned import require_replaceable
    from timesenclip.tasks.heads import fit_head, save_head

    require_replaceable(output, "head", overwrite=overwrite)
    classes = opt.chosen_taxonomy(prompt, taxonomy)
    sentences = opt.chosen_templates(templates)
    model = opt.chosen_model(checkpoint)
    data = labelled_points(
        points,
        label_column=labels,
        taxonomy=classes,
        mapping=opt.chosen_mapping(mapping),
        strict=strict,
        **read.reading,
    )
    head = fit_head(
        embed(data.series, model=model),
        data.truth,
        classes,
        model=model,
        method=method,
        text=class_vectors(classes, model.tower, sentences) if method != "probe" else None,
        about={
            "templates": sentences,
            "points": str(points),
            "labels": labels,
            "skipped": data.skipped,
            "notes": list(data.notes),
            "timesenclip": __version__,
        },
    )
    save_head(head, output, overwrite=overwrite)
    examples = head.about["examples"]
    if data.skipped:
        note(left_out("points", data.skipped))
    for text in data.notes:
        note(text)
    if as_json:
        print_json({"output": output, "method": method, "examples": examples, "skipped": data.skipped})
        return
    print_table(["class", "examples"], list(examples.items()))
    say(f"{len(data)} examples, {len(examples)} classes: {output}")
