"""`import`, `export` and `hub`: convert weights of other projects, write the authors' layout, upload checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.completion import complete_checkpoint
from timesenclip.cli.console import print_json, say
from timesenclip.errors import InputError

__all__ = ["export", "hub", "import_"]

import_ = typer.Typer(help="Convert weights of other projects.", no_args_is_help=True)
export = typer.Typer(help="Write weights in the layout of other projects.", no_args_is_help=True)
hub = typer.Typer(help="Upload a checkpoint to the Hugging Face hub.", no_args_is_help=True)


@import_.command("official")
def import_official_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The authors' .pt or .ckpt.")],
    output: Annotated[Path, opt.output("FOLDER", "Checkpoint folder to write.")],
    tower: opt.Tower = opt.DEFAULT_TOWER,
    overwrite: opt.Overwrite = False,
    as_json: opt.Json = False,
) -> None:
    """Convert the authors' weights to a checkpoint folder; no pickled code runs.

    --tower must be the ground tower that they were trained with.
    """
    from timesenclip.model.checkpoint import save
    from timesenclip.model.official import import_official
    from timesenclip.owned import require_replaceable

    require_replaceable(output, "checkpoint", overwrite=overwrite)
    found = import_official(file, tower=tower)
    save(found.model, output, card=_card(file, found.prefix), overwrite=overwrite)
    count = sum(p.numel() for p in found.model.encoder.parameters())
    patch = found.model.encoder.config.patch_size
    if as_json:
        print_json(
            {
                "output": str(output),
                "parameters": count,
                "patch_size": patch,
                "prefix": found.prefix,
                "used": len(found.used),
                "ignored": found.ignored,
                "notes": found.notes,
            }
        )
        return
    prefix = f"'{found.prefix}*'" if found.prefix else "bare names"
    say(f"{len(found.used)} tensors read from {prefix}: {count:,} parameters, patch {patch} x {patch}")
    for part, tensors in found.ignored.items():
        say(f"ignored: {part} ({tensors} tensors)")
    for line in found.notes:
        say(f"note: {line}")
    say(f"Use it: timesenclip classify POINTS --checkpoint {output}")


@import_.command("clip")
def import_clip_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CLIP weights as open_clip or OpenAI name them.")],
    output: Annotated[Path, opt.output("FOLDER", "Folder to write, to be used with --rgb and --tower.")],
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="A CLIP (hub id or folder) whose tokenizer is taken; default: openai/clip-vit-base-patch32.",
        ),
    ] = None,
    text_from: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER", help="A CLIP whose text encoder is taken, for files that hold an image encoder only."
        ),
    ] = None,
    activation: Annotated[
        Literal["quick_gelu", "gelu"],
        typer.Option(help="quick_gelu: OpenAI's weights and models fine-tuned from them; gelu: most of LAION's."),
    ] = "quick_gelu",
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B", help="Mean and standard deviation of the training photographs, 0..1; default: OpenAI's."
        ),
    ] = None,
    std: Annotated[str | None, typer.Option(metavar="R,G,B", help="As --mean.")] = None,
    prefix: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Where the model stands in a file that holds several: 'student.'."),
    ] = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.Json = False,
) -> None:
    """Convert RemoteCLIP, GeoRSCLIP, SkyCLIP or SenCLIP weights to a folder for `--tower`; no pickled code runs."""
    from timesenclip.ground.import_clip import import_clip

    colours = {name: _three(text, name) for name, text in (("mean", mean), ("std", std)) if text is not None}
    found = import_clip(
        file,
        output,
        tokenizer=tokenizer,
        text_from=text_from,
        activation=activation,
        prefix=prefix,
        overwrite=overwrite,
        **colours,
    )
    if as_json:
        print_json(
            {
                "output": str(output),
                "kind": found.kind,
                "prefix": found.prefix,
                "dim": found.dim,
                "image": found.image,
                "text": {key: found.text[key] for key in _TEXT_SIZES if key in found.text},
                "text_from": found.text_from,
                "activation": found.activation,
                "used": len(found.used),
                "ignored": found.ignored,
                "notes": found.notes,
            }
        )
        return
    prefix = f"'{found.prefix}*'" if found.prefix else "bare names"
    image = ", ".join(f"{key} {value}" for key, value in found.image.items() if key in _IMAGE_SIZES)
    say(f"{len(found.used)} tensors read from {prefix}: {found.kind} with {image}, vectors of {found.dim}")
    for part, tensors in found.ignored.items():
        say(f"ignored: {part} ({tensors} tensors)")
    for line in found.notes:
        say(f"note: {line}")
    say(f"Use it: timesenclip evaluate suite CUBE --rgb {output} ...")


_IMAGE_SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "patch_size",
    "image_size",
    "layers",
    "width",
)
_TEXT_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings")


def _three(text: str, name: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--{name} is '{text}'; expected three numbers such as 0.48,0.46,0.41.") from error


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
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="As for --checkpoint.", autocompletion=complete_checkpoint)
    ],
    output: Annotated[Path, opt.output("FILE", ".pt file to write.")],
) -> None:
    """Write an encoder of the preset `paper` as a `.pt` file in the authors' layout."""
    from timesenclip.model.checkpoint import load
    from timesenclip.model.official import export_official

    say(str(export_official(load(checkpoint), output)))


@hub.command("push")
def push_(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Checkpoint folder.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository on the hub.")],
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public.")] = False,
    revision: opt.Revision = None,
) -> None:
    """Upload a checkpoint folder with its model card."""
    from timesenclip.model.hub import push

    say(push(folder, repo, private=not public, revision=revision))
    say(f"Use it: timesenclip classify POINTS --checkpoint hf-hub:{repo}")
