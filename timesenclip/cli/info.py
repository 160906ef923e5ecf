"""`demo`, `doctor`, `info` and `taxonomies`: a demonstration; the installation, checkpoints and class lists."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.completion import complete_checkpoint, complete_taxonomy
from timesenclip.cli.console import note, print_json, print_table, progress_bar, say

__all__ = ["demo", "doctor", "info", "taxonomies"]

_MARKS = {"ok": "ok  ", "warning": "warn", "failed": "FAIL"}


def demo(
    output: Annotated[Path, opt.output("FOLDER", "Folder for the results.")] = Path("demo-out"),
    checkpoint: opt.CheckpointName = None,
    strict: opt.Strict = False,
    as_json: opt.Json = False,
) -> None:
    """Map a simulated landscape by phrases, offline, in under a minute."""
    from timesenclip.cli.map import map_facts
    from timesenclip.demo import run_demo

    model = opt.chosen_model(checkpoint)
    with progress_bar("map, pixels") as progress:
        result = run_demo(output, model=model, progress=progress)
    files = result.map.files
    if as_json:
        found = [asdict(row) for row in result.found]
        print_json({"agreement": result.agreement, "found": found} | map_facts(result.map))
        return
    rows = [(row.phrase, *(_percent(x) for x in (row.share, row.precision, row.recall))) for row in result.found]
    print_table(["asked for", "share of map", "right", "found"], rows)
    say(f"\n{result.agreement:.0%} of the pixels of a simulated landscape got the right one of {len(rows)} phrases.")
    say(f"\nPicture: {files['picture']}\nPage:    {files['page']}   (open it in a browser)")


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"


def doctor(as_json: opt.Json = False) -> None:
    """Check the installation; the exit code is 1 if a check fails."""
    from timesenclip.doctor import diagnose

    checks = diagnose()
    failed = [check.name for check in checks if check.status == "failed"]
    if as_json:
        rows = [{"name": c.name, "status": c.status, "detail": c.detail, "remedy": c.remedy} for c in checks]
        print_json({"ok": not failed, "checks": rows})
    else:
        for check in checks:
            say(f"{_MARKS[check.status]}  {check.name}: {check.detail}")
            if check.remedy:
                say(f"      -> {check.remedy}")
    if failed:
        note(f"error: {len(failed)} of {len(checks)} checks failed: {', '.join(failed)}")
        raise typer.Exit(1)


def info(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="As for --checkpoint.", autocompletion=complete_checkpoint)
    ] = "default",
    as_json: opt.Json = False,
) -> None:
    """Show the encoder, the text tower, the training and the calibration of a checkpoint."""
    model = opt.chosen_model(checkpoint)
    facts = {
        "checkpoint": checkpoint,
        "digest": model.digest,
        "parameters": sum(parameter.numel() for parameter in model.encoder.parameters()),
        **model.config.model_dump(mode="json"),
    }
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            say(f"{name}:")
            for key, item in value.items():
                say(f"  {key}: {item}")
        else:
            say(f"{name}: {value}")


taxonomies = typer.Typer(help="List the shipped class lists, or show one.", invoke_without_command=True)


@taxonomies.callback()
def _list_by_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_(as_json=False)


@taxonomies.command("list")
def list_(as_json: opt.Json = False) -> None:
    """List every shipped class list."""
    from timesenclip.ground.taxonomy import BACKGROUND, BACKGROUND_FILE, list_taxonomies, load_taxonomy

    general = load_taxonomy(BACKGROUND)
    shipped = [load_taxonomy(name) for name in list_taxonomies()]
    if as_json:
        rows = [{"name": t.name, "title": t.title, "classes": len(t.classes), "source": t.source} for t in shipped]
        background = {"name": BACKGROUND, "classes": len(general), "file": str(BACKGROUND_FILE)}
        print_json({"taxonomies": rows, "background": background})
    else:
        print_table(["name", "classes", "title"], [(t.name, len(t.classes), t.title) for t in shipped])
        say(
            f"One phrase alone is compared with the {len(general)} general phrases of '{BACKGROUND}': {BACKGROUND_FILE}"
        )


@taxonomies.command("show")
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="As for --taxonomy.", autocompletion=complete_taxonomy)
    ],
    as_json: opt.Json = False,
) -> None:
    """Show the classes of one list, with their codes and synonyms."""
    from timesenclip.ground.taxonomy import load_taxonomy

    taxonomy = load_taxonomy(name)
    if as_json:
        rows = [
            {"name": c.name, "code": c.code, "colour": c.colour, "synonyms": c.synonyms, "prompts": c.prompts}
            for c in taxonomy.classes
        ]
        head = {"name": taxonomy.name, "title": taxonomy.title, "source": taxonomy.source}
        print_json({**head, "classes": rows})
        return
    rows_ = [(c.name, c.code or "", len(c.prompts), ", ".join(c.synonyms)) for c in taxonomy.classes]
    print_table(["class", "code", "prompts", "synonyms"], rows_, title=taxonomy.title)
    say(f"Source: {taxonomy.source}")
