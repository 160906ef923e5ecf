"""`classify`: put a question to the points of a table."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import note, print_json, print_table, progress_bar
from timesenclip.errors import DegradedInputWarning, NoClearObservationError

if TYPE_CHECKING:
    from timesenclip.model.checkpoint import Model
    from timesenclip.series import PixelSeries
    from timesenclip.tasks.classify import Classification

__all__ = ["OffsetDn", "Reading", "Step", "classify"]

_BATCH = 20_000
"""Series read at once: some 10 MB of reflectance for twelve months, whatever the size of the table."""
_UNKNOWN = "unknown"
_NAME_AT_MOST = 5
_SHOW_ROWS = 20
"""Up to this many points are listed one by one; more are counted by class."""

Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Parquet file to write.")]
Step = Annotated[
    str,
    typer.Option(
        metavar="month|dekad|quarter|year|DAYS", help="Length of a wide table's step.", rich_help_panel="The input"
    ),
]
OffsetDn = Annotated[
    int,
    typer.Option(
        metavar="DN", help="Subtract this: 1000 where baseline 04.00's is left in.", rich_help_panel="The input"
    ),
]


def classify(
    points: opt.Points,
    output: Output = None,
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.TemplatesOrHead = None,
    head: opt.HeadFolder = None,
    unknown_below: opt.UnknownBelow = None,
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
    offset_dn: OffsetDn = 0,
    every: opt.Every = "month",
    step: Step = "month",
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Name what grows or stands at each point of a table.

    Without --prompt or --taxonomy the classes are the eight LUCAS land covers.
    """
    from timesenclip.tasks import parquet as tables
    from timesenclip.tasks.classify import classify as ask

    tables.check_output(output)
    opt.refuse_beside_head(head, prompt=prompt, taxonomy=taxonomy, templates=templates)
    classes = opt.chosen_taxonomy(prompt, taxonomy)
    model = opt.chosen_model(checkpoint)
    if head is not None:
        model, classes = opt.with_head(model, head)
    chosen = "name" if head is not None else templates or "default"
    summary = _Summary(classes.names)
    options = {"period": period, "units": units, "offset_dn": offset_dn, "every": every, "step": step, "strict": strict}
    reading = Reading(points, options)
    question = {
        "taxonomy": classes.name,
        "templates": chosen,
        "head": None if head is None else str(head),
        "unknown_below": unknown_below,
        "prior_correction": prior_correction,
    }
    with (
        tables.open_table(output, tables.classify_schema(classes.names)) as table,
        progress_bar("classify") as progress,
    ):
        for series in reading.batches(whole=prior_correction):
            answer = ask(
                series,
                classes,
                model=model,
                templates=chosen,
                prior_correction=prior_correction,
                unknown_below=unknown_below,
            )
            summary.add(answer)
            if table:
                table.write(series, tables.classify_columns(answer))
            progress(summary.count, 0)
        if table:
            table.finish(reading.provenance(model) | question)
    summary.report(output, as_json=as_json)


class Reading:
    """A table that is read in pieces of bounded size, and what is to be said of it afterwards."""

    def __init__(self, points: Path, options: dict[str, Any]) -> None:
        step = str(options["step"])
        self._points = points
        self._options = options | {"step": int(step) if step.isdigit() else step}
        self._said: dict[str, Any] = {}

    def batches(self, *, whole: bool = False) -> Iterator[PixelSeries]:
        """The table in pieces, or `whole` where the answer to one point depends on all of them.

        Raises:
            NoClearObservationError: after the last piece, when no point of any was seen clearly.
        """
        from timesenclip.eo.points import iter_points, read_points

        if whole:
            pieces: Iterator[PixelSeries] = iter([read_points(self._points, **self._options)])
        else:
            pieces = iter_points(self._points, batch_size=_BATCH, **self._options)
        count, unseen = 0, 0
        names: list[str] = []
        for series in pieces:
            self._said = dict(series.provenance)
            cloudy = np.flatnonzero(~np.asarray(series.valid.any(axis=1)))
            count, unseen = count + len(series), unseen + len(cloudy)
            names += [series.sample_id[i] for i in cloudy[: _NAME_AT_MOST - len(names)]]
            yield series
        if unseen:
            self._tell_unseen(count, unseen, names)

    def _tell_unseen(self, count: int, unseen: int, names: list[str]) -> None:
        listed = ", ".join(names) + (", ..." if unseen > len(names) else "")
        found = f"{self._points}: {unseen} of {count} points have no clear observation ({listed})"
        if unseen == count:
            raise NoClearObservationError(f"{found}; choose another --period, or points that were seen.")
        warnings.warn(f"{found}; they are left without an answer.", DegradedInputWarning, stacklevel=2)

    def provenance(self, model: Model) -> dict[str, Any]:
        """How the answers came about, for the file's metadata."""
        from timesenclip import __version__

        return {
            "timesenclip": __version__,
            "points": str(self._points),
            "checkpoint": {"name": model.config.name, "digest": model.digest},
            "options": self._options,
            "input": self._said,
        }


class _Summary:
    """What was found, counted while it streams by."""

    def __init__(self, names: Sequence[str]) -> None:
        self.count = 0
        self._points = dict.fromkeys([*names, _UNKNOWN], 0)
        self._confidence = dict.fromkeys([*names, _UNKNOWN], 0.0)
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
        unknown = self._points[_UNKNOWN] / self.count
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
