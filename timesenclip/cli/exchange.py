"""`import`, `export` and `hub`: checkpoints from and for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import print_json

__all__ = ["export", "hub", "import_"]

import_ = typer.Typer(help="Read other people's weights.", no_args_is_help=True)
export = typer.Typer(help="Write weights for other people's code.", no_args_is_help=True)
hub = typer.Typer(help="Share a checkpoint on the Hugging Face hub.", no_args_is_help=True)


@import_.command("official")
def import_official_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The authors' .pt or .ckpt.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Checkpoint folder to write.")],
    tower: Annotated[
        str, typer.Option(metavar="NAME", help="Ground tower it was trained to meet.")
    ] = "openai/clip-vit-base-patch32",
    as_json: opt.Json = False,
) -> None:
    """Turn the authors' weights into a checkpoint folder; no pickled code runs."""
    from timesenclip.model.checkpoint import save
    from timesenclip.model.official import import_official

    found = import_official(file, tower=tower)
    save(found.model, out, card=_card(file, found.prefix))
    count = sum(p.numel() for p in found.model.encoder.parameters())
    patch = found.model.encoder.config.patch_size
    if as_json:
        print_json(
            {
                "output": str(out),
                "parameters": count,
                "patch_size": patch,
                "prefix": found.prefix,
                "used": len(found.used),
                "ignored": found.ignored,
                "notes": found.notes,
            }
        )
        return
    where = f"'{found.prefix}*'" if found.prefix else "bare names"
    typer.echo(f"{len(found.used)} tensors read from {where}: {count:,} parameters, patch {patch} x {patch}")
    for part, tensors in found.ignored.items():
        typer.echo(f"ignored: {part} ({tensors} tensors)")
    for line in found.notes:
        typer.echo(f"note: {line}")
    typer.echo(f"Use it: timesenclip classify POINTS --checkpoint {out}")


def _card(file: Path, prefix: str) -> str:
    return f"""# {file.stem}

Weights of the authors of TimeSenCLIP (Jain et al., arXiv 2508.11919), read from `{file.name}`
(prefix `{prefix or "none"}`) by `timesenclip import official`. Their code is MIT licensed; the licence of the weights
is the one that came with the file.

Composites: they were trained on the authors' own (`timesenclip data sen4map --compositing authors`), whose medians take
clouded values as 0. Clear composites are another input; measure before you trust the answers. Probabilities are not
calibrated.
"""


@export.command("official")
def export_official_(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="As for --checkpoint.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help=".pt file to write.")],
) -> None:
    """Write an encoder of the preset `paper` in the authors' layout."""
    from timesenclip.model.checkpoint import load
    from timesenclip.model.official import export_official

    typer.echo(str(export_official(load(checkpoint), out)))


@hub.command("push")
def push_(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Checkpoint folder.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository on the hub.")],
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch.")] = None,
) -> None:
    """Upload a checkpoint folder with its model card."""
    from timesenclip.model.share import push

    typer.echo(push(folder, repo, private=not public, revision=revision))
    typer.echo(f"Use it: timesenclip classify POINTS --checkpoint hf-hub:{repo}")
