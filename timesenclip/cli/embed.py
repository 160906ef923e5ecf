"""`embed`: embed the points of a table and write the vectors to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from timesenclip.cli import options as opt
from timesenclip.cli.console import print_json, progress_bar, say
from timesenclip.cli.groups import with_groups

__all__ = ["embed"]


@with_groups
def embed(
    points: opt.Points,
    output: Annotated[Path, opt.output("FILE", "Parquet file to write.")],
    read: opt.PointOptions,
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Embed each point of a table as a vector of unit length, for other models and searches."""
    from timesenclip.tasks.parquet import check_output
    from timesenclip.tasks.point_tables import embed_table

    check_output(output, points)
    model = opt.chosen_model(checkpoint)
    dim = model.encoder.config.embed_dim
    with progress_bar("embed") as progress:
        count = embed_table(
            points,
            output,
            model=model,
            progress=progress,
            strict=strict,
            **read.reading,
        )
    if as_json:
        print_json({"count": count, "dim": dim, "output": output})
    else:
        say(f"{count} embeddings of {dim} numbers: {output}")
