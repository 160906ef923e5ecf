"""`train`: train an encoder as a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import note, print_json, print_table, quiet_libraries, say, training_bar

if TYPE_CHECKING:
    from timesenclip.train.recipe import Recipe

__all__ = ["train"]


def train(
    recipe: Annotated[
        Path,
        typer.Argument(metavar="RECIPE", help="YAML: configs/paper.yaml, configs/better.yaml, configs/default.yaml."),
    ],
    output: Annotated[
        Path | None, opt.output("RUN", "Folder of the run; a run in it is continued. Default: runs/NAME of the recipe.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting of the recipe, such as data.series=my.zarr; can be repeated.",
        ),
    ] = None,
    dry_run: opt.DryRun = False,
    devices: Annotated[int, typer.Option(metavar="N", min=1, help="Processes, one a device.")] = 1,
    accelerator: opt.Accelerator = "auto",
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Train an encoder on photographs or field notes; the same command continues a run that was stopped."""
    from timesenclip.train.recipe import PhotoRecipe, read_recipe

    chosen = read_recipe(recipe, changes=change or ())
    if dry_run:
        _plan(chosen, as_json=as_json)
        return
    from timesenclip.train.trainer import check_run_folder, pretrain

    folder = output if output is not None else Path("runs") / chosen.name
    check_run_folder(folder)
    with quiet_libraries(), training_bar() as progress:
        trained = pretrain(chosen, folder, accelerator=accelerator, devices=devices, progress=progress)
    if trained.rank:
        return
    facts = {
        "run": str(trained.folder),
        "checkpoint": str(trained.checkpoint),
        "steps": trained.steps,
        "resumed_from": trained.resumed_from,
        "selection": trained.best,
        "stopped_early": trained.stopped_early,
    }
    if as_json:
        print_json(facts)
        return
    if trained.resumed_from:
        note(f"continued from step {trained.resumed_from}")
    done = f"{trained.steps:,} steps{' (stopped early)' if trained.stopped_early else ''}"
    if isinstance(chosen, PhotoRecipe):
        at = chosen.selection.recall_at
        done += f"; best held-out retrieval (mean Recall@{at} of both directions) {trained.best:.3f}"
    say(
        f"{done}\nCheckpoint: {trained.checkpoint}\n"
        f"Use it:     timesenclip classify POINTS --checkpoint {trained.checkpoint}"
    )


def _plan(recipe: Recipe, *, as_json: bool) -> None:
    from dataclasses import asdict

    from timesenclip.train.plan import plan_training

    plan = plan_training(recipe)
    samples = plan.steps * recipe.batch_size * recipe.accumulate
    if as_json:
        print_json(asdict(plan) | {"hours_on_this_cpu": samples / plan.samples_per_s / 3600})
        return
    batch = f"{recipe.batch_size} x {recipe.accumulate}" if recipe.accumulate > 1 else str(recipe.batch_size)
    rows: list[tuple[str, str]] = [(f"places, {name}", f"{count:,}") for name, count in plan.parts.items()]
    if plan.nearest_m is not None:
        rows.append(("nearest held-out place", f"{plan.nearest_m:,.0f} m"))
    epochs = max(1, round(plan.steps / plan.steps_per_epoch))
    rows += [
        ("parameters", f"{plan.parameters:,}"),
        ("steps", f"{plan.steps:,} ({epochs} epochs of {plan.steps_per_epoch:,}, batch {batch})"),
        ("memory, weights and optimiser", f"{plan.model_mb:,.0f} MB"),
        ("memory, data", f"{plan.data_mb:,.0f} MB"),
        ("memory, one batch (estimate)", f"{plan.activations_mb:,.0f} MB"),
        ("measured here, CPU, 32 bits", f"{plan.samples_per_s:,.0f} places/s"),
        ("hours on this CPU", f"{samples / plan.samples_per_s / 3600:,.1f}"),
    ]
    print_table(["plan", ""], rows)
