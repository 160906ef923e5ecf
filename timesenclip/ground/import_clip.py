"""Convert published CLIP weights (RemoteCLIP, GeoRSCLIP, SkyCLIP, SenCLIP) to a folder that `load_tower` reads.

The published files hold tensors in open_clip's or OpenAI's naming, and neither tokenizer nor configuration. Sizes come
from the tensors, the tokenizer from a CLIP that the user names. The activation function must be given: OpenAI's weights
and models fine-tuned from them use QuickGELU, most of LAION's use GELU, and the tensors look the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from timesenclip.errors import CheckpointError, InputError, TowerError
from timesenclip.files import write_json
from timesenclip.ground.clip import CLIP_MEAN, CLIP_STD
from timesenclip.ground.clip.resnet import MODEL_TYPE, read_resnet
from timesenclip.ground.clip.state_dict import NO_WEIGHTS, Part, Tensors, read_text, read_vit, whole_prefix
from timesenclip.ground.clip.tower import ClipTower
from timesenclip.ground.clip.transformers_package import import_transformers
from timesenclip.ground.load import load_tower
from timesenclip.messages import redact, shorten_error
from timesenclip.owned import atomic_folder, require_replaceable
from timesenclip.safe_torch_load import read_tensors
from timesenclip.weights_files import check_finite

__all__ = ["TOKENIZER", "Activation", "ImportedClip", "import_clip"]

TOKENIZER = "openai/clip-vit-base-patch32"
"""All CLIPs named above share its vocabulary of 49,408 pieces."""

Activation = Literal["quick_gelu", "gelu"]


@dataclass(frozen=True, slots=True)
class ImportedClip:
    """The folder that was written, and which tensors of the file were used."""

    folder: Path
    """`load_tower` loads it; transformers too where the image side is a vision transformer."""
    kind: Literal["vit", "resnet"]
    """The image side."""
    prefix: str
    """Prefix of the model's tensors in the file; "" where there is none."""
    dim: int
    """Length of the vectors."""
    image: dict[str, Any]
    """Sizes of the image side, read from the shapes."""
    text: dict[str, Any]
    """Sizes of the text side."""
    text_from: str
    """The file, or the CLIP that the text side was taken from."""
    activation: str
    """Activation function of the transformers in the file, as it was given; it cannot be read."""
    used: tuple[str, ...]
    """Names of the tensors that were used."""
    ignored: dict[str, int]
    """Number of unused tensors by the part of the file that they belong to."""
    notes: tuple[str, ...]
    """Remarks for the user: the assumed activation, where the text side comes from, the stored data type."""


def import_clip(
    path: str | Path,
    folder: str | Path,
    *,
    tokenizer: str | Path | None = None,
    text_from: str | Path | None = None,
    activation: Activation = "quick_gelu",
    mean: Sequence[float] = CLIP_MEAN,
    std: Sequence[float] = CLIP_STD,
    prefix: str | None = None,
    overwrite: bool = False,
) -> ImportedClip:
    """Convert a file of CLIP weights to a folder for `load_tower` and `--tower`.

    Args:
        path: `.pt`, `.pth`, `.ckpt` or `.safetensors` in open_clip's or OpenAI's naming; no pickled code runs.
        folder: where to write; an older import is replaced, other content is refused.
        tokenizer: folder or hub id with a CLIP's tokenizer; default: that of `text_from`, else OpenAI's ViT-B/32.
        text_from: a CLIP (folder or hub id) whose text side is taken; needed where the file holds an image side only.
        activation: activation function of the transformers in the file.
        mean, std: of red, green and blue in 0..1; default: OpenAI's.
        prefix: where the model stands in the file, if it holds several.
        overwrite: another output of ours in the folder's place is replaced, too.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: the file cannot be read, or holds no CLIP or an incomplete one.
        TowerError: the tokenizer or the text side cannot be loaded, or does not fit.
        InputError: the folder holds something else, or `mean` and `std` are no three numbers.
        MissingExtraError: transformers is not installed.
    """
    target = Path(folder)
    _check(target, mean, std, overwrite)
    tensors = read_tensors(path)
    prefix, image_prefix = whole_prefix(tensors, source_name=str(path), prefix=prefix)
    visual = Tensors(tensors, image_prefix, source_name=str(path))
    kind: Literal["vit", "resnet"] = "vit" if "class_embedding" in visual else "resnet"
    image = read_vit(visual) if kind == "vit" else read_resnet(visual)
    text_prefix = _text_prefix(tensors, prefix)
    spoken = None if text_prefix is None else Tensors(tensors, text_prefix, source_name=str(path))
    if text_from is None:
        text, pieces = _read_text_file(spoken, path, tokenizer=tokenizer or TOKENIZER, activation=activation)
    else:
        text, pieces = _read_text_of_clip(text_from, tokenizer=tokenizer or text_from)
    if image.dim != text.dim:
        raise TowerError(
            f"The image side of '{path}' gives {image.dim} numbers and the text side of '{text_from or path}' "
            f"{text.dim}; give the CLIP that it was trained beside."
        )
    state = image.state | text.state
    used = [*visual.used, *(spoken.used if spoken is not None else ())]
    if prefix + "logit_scale" in tensors:
        state["logit_scale"] = _scalar(tensors[prefix + "logit_scale"])
        used.append(prefix + "logit_scale")
    check_finite(state, file=path)
    found = ImportedClip(
        target,
        kind,
        prefix,
        image.dim,
        image.sizes,
        {key: value for key, value in text.sizes.items() if "token_id" not in key},
        str(text_from or path),
        activation,
        tuple(sorted(used)),
        _ignored(tensors, set(used), prefix),
        _notes(kind, activation, text_from, used, tensors),
    )
    _write(found, state, text, pieces, activation, mean, std, card=_card(Path(path), found), overwrite=overwrite)
    return found


def _scalar(value: Tensor) -> Tensor:
    """A tensor of one value as a scalar; some files store the logit scale with shape (1,)."""
    return value.detach().float().reshape(-1)[0].clone()


def _check(target: Path, mean: Sequence[float], std: Sequence[float], overwrite: bool) -> None:
    for name, values in (("mean", mean), ("std", std)):
        if len(values) != 3 or not all(math.isfinite(value) and (value > 0 or name == "mean") for value in values):
            raise InputError(f"{name} is {list(values)}; expected three numbers, for red, green and blue in 0..1.")
    require_replaceable(target, "tower", overwrite=overwrite)


def _text_prefix(tensors: dict[str, Tensor], prefix: str) -> str | None:
    """Prefix of the text side: beside `visual.`, or under `text.` in open_clip's models with another text tower."""
    return next((p for p in (prefix, prefix + "text.") if p + "token_embedding.weight" in tensors), None)


def _read_text_file(
    tensors: Tensors | None, path: str | Path, *, tokenizer: str | Path, activation: Activation
) -> tuple[Part, Any]:
    """The text side of the file, and its tokenizer."""
    if tensors is None:
        raise CheckpointError(
            f"'{path}' holds an image side only; say with --text-from which CLIP (folder or hub id) its text side "
            "was left as it is."
        )
    text, pieces = read_text(tensors), _tokenizer(tokenizer)
    text.sizes.update(hidden_act=activation, **_special_tokens(pieces, text, tokenizer))
    return text, pieces


def _read_text_of_clip(source: str | Path, *, tokenizer: str | Path) -> tuple[Part, Any]:
    """The text side of another CLIP, and its tokenizer."""
    tower = load_tower(source)
    if not isinstance(tower, ClipTower) or type(tower.text_model).__name__ != "CLIPTextModelWithProjection":
        raise TowerError(f"'{source}' is no CLIP, so its text side does not fit a CLIP's image side; name a CLIP.")
    model = tower.text_model
    state = {key: value.detach().clone().contiguous() for key, value in model.state_dict().items()}
    state = {key: value for key, value in state.items() if not key.endswith("position_ids")}
    text, pieces = Part(model.config.to_dict(), state, tower.dim), _tokenizer(tokenizer)
    _special_tokens(pieces, text, tokenizer)  # raises where they do not fit
    return text, pieces


def _tokenizer(source: str | Path) -> Any:
    transformers = import_transformers()
    try:
        return transformers.AutoTokenizer.from_pretrained(str(source))
    except Exception as error:  # OSError from the hub; ValueError, KeyError, ImportError from broken folders
        raise TowerError(
            f"The weights hold no tokenizer, and '{source}' gives none ({shorten_error(error)}); name a "
            "folder or hub id "
            "of a CLIP with --tokenizer."
        ) from error


def _special_tokens(pieces: Any, text: Part, source: str | Path) -> dict[str, int]:
    """Ids of the start, end and padding tokens; the vector of a text is read at its end token.

    Raises:
        TowerError: the tokenizer has more tokens than the weights.
    """
    last, rows = pieces.eos_token_id, text.sizes["vocab_size"]
    if last is None or last >= rows or len(pieces) > rows:
        raise TowerError(
            f"The tokenizer of '{source}' has {len(pieces)} pieces and ends a text with number {last}; the weights "
            f"know {rows} pieces. Name the tokenizer of the same family with --tokenizer."
        )
    first, padding = pieces.bos_token_id, pieces.pad_token_id
    return {
        "eos_token_id": last,
        "bos_token_id": last if first is None else first,
        "pad_token_id": last if padding is None else padding,
    }


def _ignored(tensors: dict[str, Tensor], used: set[str], prefix: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for key in tensors:
        if key not in used and not key.endswith(NO_WEIGHTS):
            inside = bool(prefix) and key.startswith(prefix)
            part = prefix + key.removeprefix(prefix).split(".")[0] if inside else key.split(".")[0]
            counts[part] = counts.get(part, 0) + 1
    return counts


def _notes(
    kind: str, activation: str, text_from: str | Path | None, used: Sequence[str], tensors: dict[str, Tensor]
) -> tuple[str, ...]:
    sides = "the text side" if kind == "resnet" else "both sides" if text_from is None else "the image side"
    notes = []
    if kind == "vit" or text_from is None:
        other = "gelu" if activation == "quick_gelu" else "quick_gelu"
        notes.append(
            f"activation {activation} in {sides}, as asked: it cannot be read from the file; import again with "
            f"--activation {other} if the authors load it so"
        )
    if text_from is not None:
        notes.append(f"the text side, its tokenizer and its activation are those of {text_from}")
    kinds = sorted({str(tensors[key].dtype).removeprefix("torch.") for key in used})
    if kinds != ["float32"]:
        notes.append(f"stored as {', '.join(kinds)}, read as float32")
    return tuple(notes)


def _write(
    found: ImportedClip,
    state: dict[str, Tensor],
    text: Part,
    pieces: Any,
    activation: str,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    card: str,
    overwrite: bool,
) -> None:
    """Write the folder under a temporary name; it gets its name after it was loaded and tried once."""
    from safetensors.torch import save_file

    target, side = found.folder, found.image["image_size"]
    with atomic_folder(target, "tower", overwrite=overwrite) as scratch:
        save_file(state, scratch / "model.safetensors", metadata={"format": "pt"})
        write_json(scratch / "config.json", _config(found, text, activation))
        image_processor = {
            "image_processor_type": "CLIPImageProcessor",
            "do_resize": True,
            "size": {"shortest_edge": side},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": {"height": side, "width": side},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "do_convert_rgb": True,
            "image_mean": list(mean),
            "image_std": list(std),
        }
        write_json(scratch / "preprocessor_config.json", image_processor)
        (scratch / "README.md").write_text(redact(card), encoding="utf-8")
        pieces.save_pretrained(scratch)
        _check_vectors(scratch, side)


def _config(found: ImportedClip, text: Part, activation: str) -> dict[str, Any]:
    if found.kind == "resnet":
        return {"model_type": MODEL_TYPE, "visual": found.image, "text_config": text.sizes}
    image = found.image | {"hidden_act": activation, "projection_dim": found.dim}
    transformers = import_transformers()
    config = transformers.CLIPConfig(
        text_config=text.sizes | {"projection_dim": found.dim}, vision_config=image, projection_dim=found.dim
    )
    return config.to_dict() | {"architectures": ["CLIPModel"]}  # type: ignore[no-any-return]


def _check_vectors(folder: Path, side: int) -> None:
    """Load the folder and embed a text and an image.

    Raises:
        CheckpointError: a vector is not finite.
    """
    import numpy as np
    from PIL import Image

    tower = load_tower(folder)
    vectors = [tower.encode_text(["a field"]), tower.encode_images([Image.new("RGB", (side, side), (90, 120, 60))])]
    if not all(np.isfinite(one).all() for one in vectors):
        raise CheckpointError("The imported model gives NaN for a field; the weights are damaged, fetch them again.")


def _card(file: Path, found: ImportedClip) -> str:
    notes = "".join(f"\n- {note}" for note in found.notes)
    return f"""# {file.stem}

CLIP weights read from `{file.name}` (prefix `{found.prefix or "none"}`) by `timesenclip import clip`.
The licence is the one that came with the file.
{notes}
"""
