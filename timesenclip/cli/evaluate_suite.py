"""`evaluate suite`: evaluate a checkpoint on labelled points, a labelled cube or a training store."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesenclip.cli import area_options as src
from timesenclip.cli import options as opt
from timesenclip.cli.console import left_out, note, print_json, print_table, progress_bar, say
from timesenclip.cli.groups import with_groups
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.evaluation.baselines.external import ExternalModels
    from timesenclip.evaluation.evaluate import Evaluation
    from timesenclip.evaluation.labels.labelled_data import LabelledData
    from timesenclip.evaluation.metrics import Metrics
    from timesenclip.evaluation.suite.run import SuiteResult
    from timesenclip.model.checkpoint import Model

__all__ = ["suite"]


@with_groups
def suite(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA",
            help="Labelled points (several tables are joined), or one cube, or one training store.",
        ),
    ],
    labels: opt.Labels,
    query: opt.QueryOptions,
    read: opt.PointOptions,
    origin: src.OriginOptions,
    comparison: opt.ComparisonOptions,
    sampling: opt.SamplingOptions,
    output: Annotated[
        Path | None, opt.output("FOLDER", "Folder for the whole report; without it a table is printed.", folder=True)
    ] = None,
    mapping: opt.Mapping = None,
    most: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="At most this many samples, drawn at random; default: all.",
            rich_help_panel=opt.TRUTH,
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Heading of the report.")] = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Compare predictions with labels, and with chance, the majority class and supervised models.

    With -o all experiments of the suite are run, and one report is written as HTML, JSON, CSV and LaTeX.
    """
    from timesenclip.evaluation.labels.labelled_data import read_labelled
    from timesenclip.evaluation.suite.report import report_files
    from timesenclip.evaluation.suite.run import run_suite
    from timesenclip.owned import require_own_names
    from timesenclip.tasks.heads import with_unknown_below
    from timesenclip.tasks.unknown import ANSWERED_ALL

    _refuse_what_has_no_effect(output, query, comparison, title)
    if output is not None:
        require_own_names(output, "suite report", report_files())
    classes = query.classes()
    photographs, models = comparison.photographs(), comparison.models()
    found = read_labelled(
        data,
        labels,
        taxonomy=classes,
        mapping=opt.chosen_mapping(mapping),
        block_deg=sampling.block_deg,
        strict=strict,
        **read.reading,
        **origin.stated,
    )
    found = found if most is None else found.drawn(most, seed=sampling.seed)
    model = with_unknown_below(query.model(), query.unknown_below, answer_all=query.answer_all, classes=len(classes))
    if query.answer_all:
        samples = found.samples
        found = replace(found, samples=replace(samples, notes=(*samples.notes, ANSWERED_ALL)))
    others = replace(models, cube=found.cube)
    if output is None:
        _report_table(_evaluate(found, model, others, query, sampling), as_json=as_json)
        return
    with progress_bar("suite") as progress:
        result = run_suite(
            model,
            found.samples,
            out=output,
            ground=photographs,
            templates=query.sentences,
            title=title,
            external=others,
            progress=progress,
            seed=sampling.seed,
            draws=sampling.draws,
        )
    _report_suite(result, as_json=as_json)


def _evaluate(
    found: LabelledData,
    model: Model,
    others: ExternalModels,
    query: opt.QueryOptions,
    sampling: opt.SamplingOptions,
) -> Evaluation:
    """Metrics of the checkpoint and of the baselines, without the rest of the suite."""
    from timesenclip.evaluation.baselines.external import predict_external
    from timesenclip.evaluation.evaluate import evaluate_labelled

    theirs = predict_external(found.samples, others, templates=query.sentences)
    return evaluate_labelled(
        found.samples,
        model=model,
        templates=query.sentences,
        unit=found.unit,
        others=theirs.features,
        asked=theirs.scores,
        notes=theirs.notes,
        seed=sampling.seed,
        draws=sampling.draws,
    )


def _refuse_what_has_no_effect(
    output: Path | None, query: opt.QueryOptions, comparison: opt.ComparisonOptions, title: str | None
) -> None:
    if output is not None and query.head is not None:
        raise InputError(
            f"--head was given with -o {output}: most of the report compares prompts, and a head has none; leave -o "
            "out."
        )
    if output is None and comparison.ground is not None:
        raise InputError(
            f"--ground {comparison.ground} adds retrieval to the report, but no folder was given; add -o FOLDER."
        )
    if output is None and title is not None:
        raise InputError(f"--title {title} is the heading of the report, but no folder was given; add -o FOLDER.")


def _report_table(evaluation: Evaluation, *, as_json: bool) -> None:
    if as_json:
        print_json(evaluation.to_dict())
        return
    say(f"{evaluation.title}\n")
    _print_methods(evaluation.methods)
    first = next(iter(evaluation.methods.values()))
    classes = [(c.name, c.support, _figure(c.precision), _figure(c.recall), _figure(c.f1)) for c in first.classes]
    say("")
    print_table(["class, zero-shot", "samples", "precision", "recall", "F1"], classes)
    say("")
    for text in evaluation.notes:
        say(text)
    if first.absent:
        say(f"Without a single sample, and counted nowhere: {', '.join(first.absent)}.")
    if evaluation.skipped:
        note(left_out("samples", evaluation.skipped))


def _report_suite(result: SuiteResult, *, as_json: bool) -> None:
    if as_json:
        print_json(result.report | {"files": {name: str(path) for name, path in result.files.items()}})
        return
    data = result.findings.data
    say(f"{result.findings.title}: {len(data)} samples, {len(data.present)} of {len(data.taxonomy)} classes\n")
    _print_methods(result.findings.comparison.methods)
    if data.skipped:
        note(left_out("samples", data.skipped))
    say(f"\nReport: {result.files['report']}\nTables: {result.files['tables']}")


def _print_methods(methods: Mapping[str, Metrics]) -> None:
    rows = []
    for name, one in methods.items():
        error = math.nan if one.calibration_error is None else one.calibration_error
        rows.append((name, *map(_figure, (one.accuracy, one.balanced_accuracy, one.macro_f1, error))))
    print_table(["method", "accuracy", "balanced", "macro F1", "calibration error"], rows)


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
