"""`embed`: keep the vectors of the points of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.classify import OffsetDn, Reading, Step
from timesenclip.cli.console import print_json, progress_bar

if TYPE_CHECKING:
    pass


__all__ = ["embed"]


def embed(
    points: opt.Points,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Parquet file to write.")],
    period: opt.PeriodText = None,
    units: opt.Units = "auto",
    offset_dn: OffsetDn = 0,
    every: opt.Every = "month",
    step: Step = "month",
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Turn each point of a table into a vector of unit length, for your own models and searches."""
    from timesenclip.model.embed import embed as embed_series
    from timesenclip.tasks import parquet as tables

    tables.check_output(output)
    model = opt.chosen_model(checkpoint)
    dim = model.encoder.config.embed_dim
    options = {"period": period, "units": units, "offset_dn": offset_dn, "every": every, "step": step, "strict": strict}
    reading = Reading(points, options)
    count = 0
    with tables.open_table(output, tables.embed_schema()) as table, progress_bar("embed") as progress:
        assert table is not None  # `output` is required here
        for series in reading.batches():
            vectors = embed_series(series, model=model, missing="nan")
            table.write(series, {"embedding": tables.embedding_column(vectors)})
            count += len(series)
            progress(count, 0)
        table.finish(reading.provenance(model))
    if as_json:
        print_json({"count": count, "dim": dim, "output": output})
    else:
        typer.echo(f"{count} embeddings of {dim} numbers: {output}")
