"""`evaluate suite`: the whole report about a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.adapt import Mappings
from timesenclip.cli.console import left_out, note, print_json, print_table, progress_bar
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.series import Cube, PixelSeries
    from timesenclip.tasks.labelled import LabelledSet
    from timesenclip.tasks.paper_suite import PaperSuite
    from timesenclip.tasks.scenic import Votes

__all__ = ["BlockDeg", "Data", "Draws", "Labels", "Seed", "labelled", "suite", "tell_skipped"]

_TRUTH = "The truth"
_PEERS = "To compare with"

Data = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="FILE",
        help="Labelled points; repeat it to join several. Or one cube, with --labels FILE:NAME; or a training store.",
        rich_help_panel=_TRUTH,
    ),
]
Labels = Annotated[
    str,
    typer.Option(
        metavar="COLUMN|FILE",
        help="Column; for a cube FILE.tif or FILE.nc:NAME; for a store also FILE.csv:COLUMN, or auto.",
        rich_help_panel=_TRUTH,
    ),
]
BlockDeg = Annotated[
    float, typer.Option(help="Side of the blocks of land for intervals and splits, degrees.", rich_help_panel=_TRUTH)
]
Seed = Annotated[int, typer.Option(help="Of every random choice.", rich_help_panel=_TRUTH)]
Draws = Annotated[int, typer.Option(help="Draws of the bootstrap.", rich_help_panel=_TRUTH)]


def suite(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="`default`, a folder, or hf-hub:OWNER/NAME.")],
    data: Data,
    labels: Labels,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", file_okay=False, help="Folder for the report.")
    ],
    mapping: Mappings = None,
    prompt: opt.Prompt = None,
    taxonomy: opt.TaxonomyName = None,
    templates: opt.Templates = "default",
    ground: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Photographs' vectors, for retrieval: a store of `ground embed`, the published .pt, or Parquet with "
            "sample_id and embedding.",
        ),
    ] = None,
    presto: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Presto's weights (data/default_model.pt of nasaharvest/presto): its features get a linear probe.",
            rich_help_panel=_PEERS,
        ),
    ] = None,
    rgb: Annotated[
        str | None,
        typer.Option(
            "--rgb",
            metavar="NAME|FOLDER",
            help="A CLIP or SigLIP model, asked of true-colour patches: for a cube, or a store with patches.",
            rich_help_panel=_PEERS,
        ),
    ] = None,
    size_px: Annotated[
        int, typer.Option(min=1, help="Side of the patches cut from a cube for --rgb, pixels.", rich_help_panel=_PEERS)
    ] = 32,
    title: Annotated[str | None, typer.Option(help="Heading of the report.")] = None,
    tasks: Annotated[
        Literal["one", "paper"],
        typer.Option("--suite", help="`paper`: the six tasks of the paper, on a training store."),
    ] = "one",
    scenic: Annotated[
        Path | None,
        typer.Option(metavar="POINTS", help="With --suite paper: places with votes, for the task of scenicness."),
    ] = None,
    votes: Annotated[
        Path | None, typer.Option(metavar="FILE.tsv", help="ScenicOrNot's table of votes, for --scenic.")
    ] = None,
    block_deg: BlockDeg = 0.25,
    seed: Seed = 0,
    draws: Draws = 1000,
    period: opt.PeriodText = None,
    units: opt.Units = "auto",
    every: opt.Every = "month",
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Answer every question about a checkpoint: one report in HTML, JSON, CSV and LaTeX."""
    from timesenclip.ground.towers import load_tower
    from timesenclip.tasks.labelled_store import ground_views, is_store
    from timesenclip.tasks.paper_suite import run_paper_suite
    from timesenclip.tasks.peers import Peers
    from timesenclip.tasks.suite import read_ground, run_suite

    if (scenic is None) != (votes is None) or (scenic is not None and tasks != "paper"):
        raise InputError("--scenic and --votes go together, and with --suite paper; otherwise use `evaluate scenic`.")
    photographs = None
    if ground is not None:
        photographs = (read_ground if ground.suffix == ".parquet" else ground_views)(ground)
    peers = Peers(presto=presto, tower=None if rgb is None else load_tower(rgb), size_px=size_px)
    if tasks == "paper":
        if mapping or prompt or taxonomy:
            raise InputError("--suite paper asks its own class lists; leave --mapping, --prompt and --taxonomy out.")
        if len(data) > 1 or not is_store(data[0]):
            raise InputError(f"--suite paper needs one training store (`data sen4map` makes it), not '{data[0]}'.")
        with progress_bar("suite, tasks") as progress:
            answers = run_paper_suite(
                opt.chosen_model(checkpoint),
                data[0],
                out=output,
                labels=None if labels == "auto" else labels.removesuffix(":auto"),
                ground=photographs,
                templates=templates,
                peers=peers,
                scenic=None if scenic is None or votes is None else _voted(scenic, votes, period, units, every, strict),
                block_deg=block_deg,
                seed=seed,
                draws=draws,
                progress=progress,
            )
        _tell_paper(answers, as_json)
        return
    found, cube = labelled(
        data, labels, mapping, opt.chosen_taxonomy(prompt, taxonomy), block_deg, period, units, every, strict
    )
    with progress_bar("suite") as progress:
        result = run_suite(
            opt.chosen_model(checkpoint),
            found,
            out=output,
            ground=photographs,
            templates=templates,
            title=title,
            seed=seed,
            draws=draws,
            peers=replace(peers, cube=cube),
            progress=progress,
        )
    if as_json:
        print_json(result.report | {"files": {name: str(path) for name, path in result.files.items()}})
        return
    typer.echo(
        f"{result.findings.title}: {len(found)} samples, {len(found.present)} of {len(found.taxonomy)} classes\n"
    )
    rows = [
        (name, one.accuracy, one.balanced_accuracy, one.macro_f1)
        for name, one in result.findings.comparison.methods.items()
    ]
    print_table(["method", "accuracy", "balanced", "macro F1"], rows)
    tell_skipped(found)
    typer.echo(f"\nReport: {result.files['report']}\nTables: {result.files['tables']}")


def _voted(
    points: Path, votes: Path, period: str | None, units: Any, every: Any, strict: bool
) -> tuple[PixelSeries, Votes]:
    """Series of the places, and the votes."""
    from timesenclip.eo.points import read_points
    from timesenclip.tasks.scenic import read_votes

    return read_points(points, period=period, units=units, every=every, strict=strict), read_votes(votes)


def _tell_paper(result: PaperSuite, as_json: bool) -> None:
    for task, reason in result.skipped.items():
        note(f"{task} was not asked: {reason}")
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
        typer.echo("")
        print_table(["scenicness", "Pearson", "Spearman", "Kendall"], lines)
    typer.echo(f"\nReport: {result.files['report']}\nTables: {result.files['tables']}")


def labelled(
    data: list[Path],
    labels: str,
    mapping: list[str] | None,
    taxonomy: Any,
    block_deg: float,
    period: str | None,
    units: Any,
    every: Any,
    strict: bool,
) -> tuple[LabelledSet, Cube | None]:
    """The labelled samples, and the cube that they are pixels of."""
    from timesenclip.tasks.labelled import labelled_cube, labelled_points, parse_mapping, read_labels
    from timesenclip.tasks.labelled_store import is_store, labelled_store

    chain = [parse_mapping(text) for text in mapping] if mapping else None
    if is_store(data[0]):
        if len(data) > 1:
            raise InputError(f"{len(data)} --data were given, the first a training store; give one store.")
        return labelled_store(data[0], labels, taxonomy=taxonomy, mapping=chain, block_deg=block_deg), None
    if data[0].suffix.lower() in (".h5", ".hdf5"):
        raise InputError(
            f"'{data[0]}' is HDF5; make a training store of it first, and give that: "
            f"timesenclip data sen4map {data[0]} -o {data[0].with_suffix('.zarr').name}"
        )
    if data[0].is_dir() or data[0].suffix.lower() in (".nc", ".zarr"):
        from timesenclip.eo.cube import read_cube

        if len(data) > 1:
            raise InputError(f"{len(data)} --data were given, the first a cube; give one cube, or tables of points.")
        cube = read_cube(data[0], period=period, units=units, every=every)
        found = labelled_cube(cube, read_labels(labels), taxonomy=taxonomy, mapping=chain, title=data[0].name)
        return found, cube
    found = labelled_points(
        data,
        label_column=labels,
        taxonomy=taxonomy,
        mapping=chain,
        block_deg=block_deg,
        period=period,
        units=units,
        every=every,
        strict=strict,
    )
    return found, None


def tell_skipped(found: LabelledSet) -> None:
    """Say which labels are no class, on stderr."""
    if found.skipped:
        note(left_out("samples", found.skipped))
