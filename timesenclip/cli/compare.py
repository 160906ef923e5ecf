"""`compare`: two checkpoints against each other, on the same labelled places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.adapt import Mappings
from timesenclip.cli.console import print_json, print_table
from timesenclip.cli.evaluate_suite import BlockDeg, Data, Draws, Labels, Seed, labelled, tell_skipped

if TYPE_CHECKING:
    pass


__all__ = ["compare"]


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A checkpoint.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another checkpoint.")],
    data: Data,
    labels: Labels,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", file_okay=False, help="Folder for the page and tables."),
    ] = None,
    mapping: Mappings = None,
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.Templates = "default",
    block_deg: BlockDeg = 0.25,
    seed: Seed = 0,
    draws: Draws = 1000,
    period: opt.PeriodText = None,
    units: opt.Units = "auto",
    every: opt.Every = "month",
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Say what changed between two checkpoints: paired, over blocks of land, class by class."""
    from timesenclip.tasks.compare import compare_checkpoints, write_comparison

    found, _ = labelled(
        data, labels, mapping, opt.chosen_taxonomy(prompt, taxonomy), block_deg, period, units, every, strict
    )
    result = compare_checkpoints(
        opt.chosen_model(first), opt.chosen_model(second), found, templates=templates, seed=seed, draws=draws
    )
    files = {} if output is None else write_comparison(result, output)
    if as_json:
        print_json(result.to_dict() | {"files": {name: str(path) for name, path in files.items()}})
        return
    rows: list[Any] = [
        (row.name, row.first, row.second, f"{row.difference:+.3f}", row.range_text, row.verdict) for row in result.rows
    ]
    print_table(["", "A", "B", "B - A", "95 % interval", ""], rows)
    tell_skipped(found)
    for text in result.notes:
        typer.echo(text)
    if files:
        typer.echo(f"\nPage: {files['page']}")
