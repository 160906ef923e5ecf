"""`classify` and `embed`: put a question to the points of a table, or keep their vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import note, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from timesenclip.series import PixelSeries
    from timesenclip.tasks.classify import Classification

__all__ = ["classify", "embed"]

_BATCH = 20_000
"""Series read at once: some 10 MB of reflectance for twelve months, whatever the size of the table."""
_SHOW_ROWS = 20
"""Up to this many points are listed one by one; more are counted by class."""

Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Parquet file to write.")]


def classify(
    points: opt.Points,
    output: Output = None,
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.Templates = "default",
    prior_correction: Annotated[
        bool,
        typer.Option(
            "--prior-correction",
            help="Transductive: adjust to the class shares of this very table, which is then read whole.",
            rich_help_panel="The question",
        ),
    ] = False,
    period: opt.PeriodText = None,
    units: opt.Units = "auto",
    every: opt.Every = "month",
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Name what grows or stands at each point of a table.

    Without --prompt or --taxonomy the classes are the eight LUCAS land covers.
    """
    from timesenclip.cli import tables
    from timesenclip.tasks.classify import classify as ask

    tables.check_output(output)
    classes = opt.chosen_taxonomy(prompt, taxonomy)
    model = opt.chosen_model(checkpoint)
    summary = _Summary(classes.names)
    with (
        tables.open_table(output, tables.classify_schema(classes.names)) as table,
        progress_bar("classify") as progress,
    ):
        for series in _batches(points, whole=prior_correction, period=period, units=units, every=every, strict=strict):
            answer = ask(series, classes, model=model, templates=templates, prior_correction=prior_correction)
            summary.add(answer)
            if table:
                probabilities = {f"p_{name}": answer.probabilities[:, k] for k, name in enumerate(classes.names)}
                columns = {"label": answer.label, "confidence": answer.confidence, "unknown": answer.unknown}
                table.write(series, columns | probabilities)
            progress(summary.count, 0)
        if table:
            question = {"templates": templates, "prior_correction": prior_correction, "period": period}
            table.finish(_provenance(points, model, series) | {"taxonomy": classes.name} | question)
    summary.report(output, as_json=as_json)


def embed(
    points: opt.Points,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Parquet file to write.")],
    period: opt.PeriodText = None,
    units: opt.Units = "auto",
    every: opt.Every = "month",
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Turn each point of a table into a vector of unit length, for your own models and searches."""
    from timesenclip.cli import tables
    from timesenclip.model.embed import embed as embed_series
    from timesenclip.settings import settings

    tables.check_output(output)
    model = opt.chosen_model(checkpoint)
    dim = model.encoder.config.embed_dim
    count = 0
    with tables.open_table(output, tables.embed_schema(dim)) as table, progress_bar("embed") as progress:
        assert table is not None  # `output` is required here
        for series in _batches(points, period=period, units=units, every=every, strict=strict):
            vectors = embed_series(series, model=model, batch_size=settings().batch_size)
            table.write(series, {"embedding": tables.embedding_column(vectors)})
            count += len(series)
            progress(count, 0)
        table.finish(_provenance(points, model, series) | {"period": period})
    if as_json:
        print_json({"count": count, "dim": dim, "output": str(output)})
    else:
        typer.echo(f"{count} embeddings of {dim} numbers: {output}")


def _batches(points: Path, *, whole: bool = False, **options: Any) -> Iterator[PixelSeries]:
    """The table in pieces of bounded size, or as one piece where the answer depends on all of it."""
    from timesenclip.eo.points import iter_points, read_points

    if whole:
        yield read_points(points, **options)
    else:
        yield from iter_points(points, batch_size=_BATCH, **options)


def _provenance(points: Path, model: Any, series: PixelSeries) -> dict[str, Any]:
    from timesenclip import __version__

    return {
        "timesenclip": __version__,
        "points": str(points),
        "checkpoint": model.digest,
        "input": dict(series.provenance),
    }


class _Summary:
    """What was found, counted while it streams by."""

    def __init__(self, names: Sequence[str]) -> None:
        self.count = 0
        self._points = dict.fromkeys([*names, UNKNOWN], 0)
        self._confidence = dict.fromkeys([*names, UNKNOWN], 0.0)
        self._rows: list[tuple[str, str, float]] = []

    def add(self, answer: Classification) -> None:
        for sample, label, confidence in zip(answer.sample_id, answer.label, answer.confidence, strict=True):
            self.count += 1
            self._points[label] += 1
            self._confidence[label] += float(confidence)
            if self.count <= _SHOW_ROWS:
                self._rows.append((sample, label, float(confidence)))

    def report(self, output: Path | None, *, as_json: bool) -> None:
        found = [
            (label, points, points / self.count, self._confidence[label] / points if points else float("nan"))
            for label, points in self._points.items()
        ]
        unknown = self._points[UNKNOWN] / self.count
        if as_json:
            classes = [dict(zip(("label", "count", "share", "mean_confidence"), row, strict=True)) for row in found]
            print_json({"count": self.count, "unknown_share": unknown, "classes": classes, "output": output})
            return
        if self.count <= _SHOW_ROWS:
            print_table(["sample_id", "label", "confidence"], self._rows)
        else:
            most_first = sorted((row for row in found if row[1]), key=lambda row: row[1], reverse=True)
            rows = [(label, points, f"{share:.1%}", confidence) for label, points, share, confidence in most_first]
            print_table(["label", "points", "share", "confidence"], rows)
        typer.echo(f"{self.count} points, {unknown:.1%} unknown" + (f": {output}" if output else ""))
        if not output:
            note("nothing was written; add -o FILE.parquet to keep every point's answer")
