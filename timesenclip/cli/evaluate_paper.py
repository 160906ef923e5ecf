"""`evaluate paper`: the six classification tasks of the paper on one training store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.console import note, print_json, print_table, progress_bar, say
from timesenclip.cli.groups import with_groups
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.evaluation.scenic import Votes
    from timesenclip.evaluation.suite.paper import PaperSuite
    from timesenclip.series import PixelSeries

__all__ = ["paper"]


@with_groups
def paper(
    context: typer.Context,
    store: opt.TrainingStore,
    output: Annotated[Path, opt.output("FOLDER", "Folder for the reports.", folder=True)],
    read: opt.PointOptions,
    comparison: opt.ComparisonOptions,
    sampling: opt.SamplingOptions,
    labels: Annotated[
        str,
        typer.Option(
            "--labels",
            metavar="auto|FILE",
            help="auto: the labels of the store; or a LUCAS table, or the authors' test labels.",
            rich_help_panel=opt.TRUTH,
        ),
    ] = "auto",
    templates: opt.Templates = None,
    checkpoint: opt.CheckpointName = None,
    scenic: Annotated[
        Path | None, typer.Option(metavar="POINTS", help="Points with votes, for the task of scenicness.")
    ] = None,
    votes: Annotated[Path | None, opt.VOTES] = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Evaluate the six tasks of the paper, each with its own class list, and write a report for each and one for all.

    --period, --units and --every apply to --scenic only, since a training store is composited already.
    """
    from timesenclip.evaluation.labels.store import is_store
    from timesenclip.evaluation.suite.paper import check_paper_folder, run_paper_suite

    check_paper_folder(output)
    if (scenic is None) != (votes is None):
        raise InputError("--scenic and --votes go together; give both, or neither.")
    if scenic is None and read.span is not None:
        raise InputError(f"--period {read.span} was given without --scenic; a training store has its own period.")
    if scenic is None:
        src.refuse_given(
            context, ("offset_dn", "step", "sensor"), "tells how points are read, but --scenic was not given"
        )
    if not is_store(store):
        raise InputError(f"`evaluate paper` needs one training store (`data sen4map` makes it), not '{store}'.")
    photographs, models = comparison.photographs(), comparison.models()
    with progress_bar("paper, tasks") as progress:
        answers = run_paper_suite(
            opt.chosen_model(checkpoint),
            store,
            out=output,
            labels=None if labels == "auto" else labels.removesuffix(":auto"),
            ground=photographs,
            templates=opt.chosen_templates(templates),
            external=models,
            scenic=None if scenic is None or votes is None else _voted(scenic, votes, read, strict),
            block_deg=sampling.block_deg,
            outliers=read.outliers,
            seed=sampling.seed,
            draws=sampling.draws,
            progress=progress,
        )
    _tell_paper(answers, as_json=as_json)


def _voted(points: Path, votes: Path, read: opt.PointOptions, strict: bool) -> tuple[PixelSeries, Votes]:
    """Series of the places, and the votes."""
    from timesenclip.eo.points.read import read_points
    from timesenclip.evaluation.scenic import read_votes

    return read_points(points, strict=strict, **read.reading), read_votes(votes)


def _tell_paper(result: PaperSuite, *, as_json: bool) -> None:
    for task, reason in result.skipped.items():
        note(f"{task} was skipped: {reason}")
    answers = {task: found.comparison.methods["zero-shot"] for task, found in result.findings.items()}
    if as_json:
        tasks = {task: figures.to_dict() for task, figures in answers.items()}
        files = {name: str(path) for name, path in result.files.items()}
        facts = {} if result.scenicness is None else {"scenicness": result.scenicness.to_dict()}
        print_json({"tasks": tasks, **facts, "skipped": result.skipped, "files": files})
        return
    rows = [(task, one.count, one.accuracy, one.balanced_accuracy, one.macro_f1) for task, one in answers.items()]
    print_table(["task", "samples", "accuracy", "balanced", "macro F1"], rows)
    if result.scenicness is not None:
        known = {"prompts": result.scenicness.contrast, "ridge on embeddings": result.scenicness.ridge}
        lines = [(name, one.pearson, one.spearman, one.kendall) for name, one in known.items() if one is not None]
        say("")
        print_table(["scenicness", "Pearson", "Spearman", "Kendall"], lines)
    say(f"\nReport: {result.files['report']}\nTables: {result.files['tables']}")
