"""`compare`: compare two checkpoints on the same labelled samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.completion import complete_checkpoint
from timesenclip.cli.console import left_out, note, print_json, print_table, say
from timesenclip.cli.groups import with_groups

__all__ = ["compare"]


@with_groups
def compare(
    first: Annotated[
        str, typer.Argument(metavar="A", help="A checkpoint, as for --checkpoint.", autocompletion=complete_checkpoint)
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="Another checkpoint.", autocompletion=complete_checkpoint)],
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="DATA",
            help="Labelled points (can be repeated to join tables), or one cube, or one training store.",
            rich_help_panel=opt.TRUTH,
        ),
    ],
    labels: opt.Labels,
    read: opt.PointOptions,
    origin: src.OriginOptions,
    sampling: opt.SamplingOptions,
    output: Annotated[Path | None, opt.output("FOLDER", "Folder for the page and the tables.", folder=True)] = None,
    mapping: opt.Mapping = None,
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.Templates = None,
    answer_all: opt.AnswerAll = False,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Compare the metrics of two checkpoints, in total and by class, with paired intervals over blocks of land."""
    from timesenclip.evaluation.compare import COMPARISON_FILES, compare_checkpoints, write_comparison
    from timesenclip.evaluation.labels.labelled_data import read_labelled
    from timesenclip.owned import require_own_names
    from timesenclip.tasks.heads import with_unknown_below
    from timesenclip.tasks.unknown import ANSWERED_ALL

    if output is not None:
        require_own_names(output, "comparison", COMPARISON_FILES)

    found = read_labelled(
        data,
        labels,
        taxonomy=opt.chosen_taxonomy(prompt, taxonomy),
        mapping=opt.chosen_mapping(mapping),
        block_deg=sampling.block_deg,
        strict=strict,
        **read.reading,
        **origin.stated,
    ).samples
    models = [opt.chosen_model(first), opt.chosen_model(second)]
    if answer_all:
        found = replace(found, notes=(*found.notes, ANSWERED_ALL))
        models = [with_unknown_below(model, None, answer_all=True) for model in models]
    result = compare_checkpoints(
        models[0],
        models[1],
        found,
        templates=opt.chosen_templates(templates),
        seed=sampling.seed,
        draws=sampling.draws,
    )
    files = {} if output is None else write_comparison(result, output)
    if as_json:
        print_json(result.to_dict() | {"files": {name: str(path) for name, path in files.items()}})
        return
    rows: list[Any] = [
        (row.name, row.first, row.second, f"{row.difference:+.3f}", row.range_text, row.verdict) for row in result.rows
    ]
    print_table(["", "A", "B", "B - A", "95 % interval", ""], rows)
    if found.skipped:
        note(left_out("samples", found.skipped))
    for text in result.notes:
        say(text)
    if files:
        say(f"\nPage: {files['page']}")
