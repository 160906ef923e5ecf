"""`classify`: classify the points of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import note, print_json, print_table, progress_bar, say
from timesenclip.cli.groups import with_groups

if TYPE_CHECKING:
    from timesenclip.tasks.point_tables import TableSummary

__all__ = ["classify"]


@with_groups
def classify(
    points: opt.Points,
    query: opt.QueryOptions,
    read: opt.PointOptions,
    output: Annotated[Path | None, opt.output("FILE", "Parquet file to write.")] = None,
    against: opt.Against = None,
    prior_correction: Annotated[
        bool,
        typer.Option(
            "--prior-correction",
            help="Adjust to the class shares of this table (transductive); the whole table is held in memory.",
            rich_help_panel=opt.QUERY,
        ),
    ] = False,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Classify each point of a table by phrases, a class list or a head.

    Without --prompt or --taxonomy the classes are the eight LUCAS land covers.

    One phrase alone is compared with general phrases (--against): where it does not fit the answer is unknown, and the
    confidence is the probability that it fits.
    """
    from timesenclip.tasks.parquet import check_output
    from timesenclip.tasks.point_tables import classify_table

    check_output(output, points)
    classes = query.classes()
    model = query.model()
    with progress_bar("classify") as progress:
        summary = classify_table(
            points,
            classes,
            model=model,
            out=output,
            templates=query.sentences,
            against=opt.chosen_against(against),
            prior_correction=prior_correction,
            unknown_below=query.unknown_below,
            answer_all=query.answer_all,
            head=query.head,
            progress=progress,
            strict=strict,
            **read.reading,
        )
    _report(summary, output, as_json=as_json)


def _report(summary: TableSummary, output: Path | None, *, as_json: bool) -> None:
    found = summary.rows()
    if as_json:
        classes = [dict(zip(("label", "count", "share", "mean_confidence"), row, strict=True)) for row in found]
        facts = {"count": summary.count, "unknown_share": summary.unknown_share, "classes": classes}
        print_json({**facts, "output": output})
        return
    if summary.count <= len(summary.first):
        print_table(["sample_id", "label", "confidence"], summary.first)
    else:
        most_first = sorted((row for row in found if row[1]), key=lambda row: row[1], reverse=True)
        rows = [(label, points, f"{share:.1%}", confidence) for label, points, share, confidence in most_first]
        print_table(["label", "points", "share", "confidence"], rows)
    say(f"{summary.count} points, {summary.unknown_share:.1%} unknown" + (f": {output}" if output else ""))
    if not output:
        note("nothing was written; add -o FILE.parquet to write the class of every point")
