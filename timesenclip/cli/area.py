"""`map`: put a question to every pixel of an area."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import progress_bar

__all__ = ["map_"]


def map_(
    cube: opt.CubePath,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the maps.")],
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.Templates = "default",
    period: opt.PeriodText = None,
    year: opt.Year = None,
    units: opt.Units = "auto",
    every: opt.Every = "month",
    scores: Annotated[bool, typer.Option("--scores/--no-scores", help="Write one score band per phrase.")] = True,
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Draw a georeferenced map of an area from words.

    Writes cloud-optimised GeoTIFFs (classes, confidence, scores), a PNG with a legend, an HTML page and a provenance
    file. In the class map 1..K are the phrases in the order given, 0 is unknown, 255 is nodata.
    """
    from timesenclip.eo.cube import read_cube
    from timesenclip.mapping.run import map_cube

    classes = opt.chosen_taxonomy(prompt, taxonomy)
    model = opt.chosen_model(checkpoint)
    area = read_cube(cube, period=opt.chosen_period(period, year), units=units, every=every)
    with progress_bar("map") as progress:
        result = map_cube(area, classes, model=model, out=output, scores=scores, progress=progress)
    raise NotImplementedError(result)
