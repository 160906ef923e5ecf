"""CLIP weights in open_clip's layout, as RemoteCLIP, GeoRSCLIP and SkyCLIP publish them, turned into a tower's folder.

    open_clip                                    transformers (CLIPModel)
    visual.conv1.weight                          vision_model.embeddings.patch_embedding.weight
    visual.class_embedding                       vision_model.embeddings.class_embedding
    visual.positional_embedding                  vision_model.embeddings.position_embedding.weight
    visual.ln_pre, visual.ln_post                vision_model.pre_layrnorm (sic), .post_layernorm
    visual.proj (W, D)                           visual_projection.weight (D, W)
    token_embedding.weight, positional_embedding text_model.embeddings.{token,position}_embedding.weight
    ln_final, text_projection (W, D)             text_model.final_layer_norm, text_projection.weight (D, W)
    [visual.]transformer.resblocks.N.            {vision,text}_model.encoder.layers.N.
      ln_1, ln_2                                   layer_norm1, layer_norm2
      attn.in_proj_{weight,bias} (3 W, ...)        self_attn.{q,k,v}_proj.{weight,bias}
      attn.out_proj, mlp.c_fc, mlp.c_proj          self_attn.out_proj, mlp.fc1, mlp.fc2

Prefixes in front (`module.`, `model.`, `clip_model.`, ...) are found, not known. Weights that are in transformers' own
layout under a prefix, as Lightning saves them, are read too. What the file cannot say comes from a base, a CLIP folder
or hub id: the tokenizer, and the text side where only the visual one was trained (SenCLIP).

Source of the names: open_clip's and transformers' public code.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from timesenclip.errors import CheckpointError, InputError, TowerError
from timesenclip.ground.clip import import_transformers, quiet
from timesenclip.tensors import read_tensors

__all__ = ["Activation", "ImportedClip", "import_clip"]

Activation = Literal["quick_gelu", "gelu"]
_WIDE_HEADS = {1280: 16, 1408: 16, 1664: 16}
"""Attention heads of wide visual towers (ViT-H, ViT-g, ViT-bigG); all others have one for 64 dimensions."""
_LAYER = (
    ("ln_1", "layer_norm1"),
    ("ln_2", "layer_norm2"),
    ("attn.out_proj", "self_attn.out_proj"),
    ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
)
_GELU_FILES = ("remoteclip", "skyclip", "skyscript")
"""Files whose authors build open_clip's plain `ViT-B-32`, whose activation is GELU."""


@dataclass(frozen=True, slots=True)
class ImportedClip:
    """What was read and written."""

    folder: Path
    """The tower: give it to `--tower`."""
    dim: int
    """D, length of a vector."""
    image_px: int
    """Side of the picture that the model sees."""
    patch_px: int
    """Side of its patches."""
    layers: tuple[int, int]
    """Of the visual and of the text side."""
    activation: Activation
    """Which GELU; the weights do not say."""
    vision: str
    """Prefix of the visual side in the file."""
    text: str | None
    """Prefix of the text side; None: it is the base's."""
    ignored: tuple[str, ...]
    """Tensors that were not used."""


def import_clip(
    path: str | Path,
    out: str | Path,
    *,
    base: str | Path = "openai/clip-vit-base-patch32",
    activation: Activation | None = None,
    prefix: str | None = None,
) -> ImportedClip:
    """Turn a file of CLIP weights into a folder that `load_tower` takes; no pickled code runs.

    Args:
        path: `.pt`, `.pth`, `.ckpt` or `.safetensors`.
        out: folder to write; it must not exist.
        base: CLIP folder or hub id: tokenizer and, where the file has none, the text side.
        activation: which GELU the weights were trained with; default: `gelu` for files named RemoteCLIP or SkyCLIP,
            `quick_gelu`, OpenAI's, for all others.
        prefix: of the visual side, where the file has several.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: it holds no visual transformer, or not all of one; the message names what is missing.
        InputError: `out` exists, or several visual sides are there and none was chosen.
        TowerError: the base cannot be loaded, or does not fit.
    """
    target = Path(out)
    if target.exists():
        raise InputError(f"'{target}' exists; give a new folder.")
    tensors = {name: value.float() for name, value in read_tensors(path).items() if value.is_floating_point()}
    chosen = activation or ("gelu" if Path(path).name.lower().startswith(_GELU_FILES) else "quick_gelu")
    seen = _Side.find(tensors, Path(path), "vision", prefix)
    read = _Side.find(tensors, Path(path), "text", None, needed=False)
    transformers = import_transformers()
    state = dict(seen.state)
    if read is None:
        text_config, text_state = _text_of(transformers, base, seen.dim)
        state |= text_state
    else:
        if read.dim != seen.dim:
            raise CheckpointError(f"'{path}': the visual side gives {seen.dim} dimensions, the text side {read.dim}.")
        text_config = read.config(chosen)
        state |= read.state
    config = transformers.CLIPConfig(
        vision_config=seen.config(chosen), text_config=text_config, projection_dim=seen.dim
    )
    scale = next((value for name, value in tensors.items() if name.endswith("logit_scale")), None)
    state["logit_scale"] = torch.tensor(float(scale) if scale is not None else 2.6592)
    model = transformers.CLIPModel(config)
    _fill(model, state, Path(path))
    _write(transformers, model, target, base, seen.image_px)
    used = seen.used | (read.used if read is not None else set())
    rest = tuple(sorted(name for name in tensors if name not in used and not name.endswith("logit_scale")))
    depth = seen.layers, int(config.text_config.num_hidden_layers)
    text = None if read is None else read.prefix
    return ImportedClip(target, seen.dim, seen.image_px, seen.patch_px, depth, chosen, seen.prefix, text, rest)


class _Side:
    """One of the two towers in a file, under the names of transformers."""

    def __init__(self, kind: Literal["vision", "text"], prefix: str, state: dict[str, Tensor], used: set[str]) -> None:
        self.kind, self.prefix, self.state, self.used = kind, prefix, state, used
        self.layers = len({name.split(".")[3] for name in state if ".encoder.layers." in name})

    @classmethod
    def find(
        cls,
        tensors: Mapping[str, Tensor],
        path: Path,
        kind: Literal["vision", "text"],
        prefix: str | None,
        *,
        needed: bool = True,
    ) -> Any:
        """The side, in whichever layout; None where it is not there and not needed."""
        theirs, ours = ("class_embedding", "vision_model.embeddings.class_embedding")
        if kind == "text":
            theirs, ours = ("token_embedding.weight", "text_model.embeddings.token_embedding.weight")
        hits = {name[: -len(ours)]: True for name in tensors if name.endswith(ours)}
        if not hits:
            hits = {name[: -len(theirs)]: False for name in tensors if name.endswith(theirs)}
        if prefix is not None:
            hits = {name: own for name, own in hits.items() if name in (prefix, f"{prefix}.")}
        if not hits:
            if not needed:
                return None
            raise CheckpointError(_why_not(tensors, path, prefix))
        if len(hits) > 1 and kind == "vision":
            names = ", ".join(f"'{name}'" for name in hits)
            raise InputError(f"'{path}' holds {len(hits)} visual towers ({names}); say which with --prefix.")
        found, own = next(iter(hits.items()))
        return cls(kind, found, *(_own if own else _translated)(tensors, found, kind))

    @property
    def dim(self) -> int:
        """D"""
        name = "visual_projection.weight" if self.kind == "vision" else "text_projection.weight"
        if name not in self.state:
            raise CheckpointError(f"Under '{self.prefix}' is no projection into the shared space; is it a CLIP model?")
        return len(self.state[name])

    @property
    def patch_px(self) -> int:
        """Side of a patch."""
        kernel: Tensor = self.state["vision_model.embeddings.patch_embedding.weight"]
        return int(kernel.shape[-1])

    @property
    def image_px(self) -> int:
        """Side of the picture."""
        places = len(self.state["vision_model.embeddings.position_embedding.weight"]) - 1
        side = math.isqrt(places)
        if side * side != places:
            raise CheckpointError(f"{places} positions of patches under '{self.prefix}'; expected a square.")
        return side * self.patch_px

    def config(self, activation: Activation) -> dict[str, Any]:
        """Fields of transformers' configuration of this side, from the shapes of the tensors."""
        first = self.state.get(f"{self.kind}_model.encoder.layers.0.mlp.fc1.weight")
        if first is None:
            raise CheckpointError(f"Under '{self.prefix}' are no transformer layers; expected resblocks.0 and so on.")
        wide, width = first.shape
        common = {
            "hidden_size": width,
            "intermediate_size": wide,
            "num_hidden_layers": self.layers,
            "hidden_act": activation,
            "projection_dim": self.dim,
        }
        if self.kind == "vision":
            heads = _WIDE_HEADS.get(width, max(width // 64, 1))
            return common | {"num_attention_heads": heads, "image_size": self.image_px, "patch_size": self.patch_px}
        words = len(self.state["text_model.embeddings.token_embedding.weight"])
        places = len(self.state["text_model.embeddings.position_embedding.weight"])
        return common | {
            "num_attention_heads": max(width // 64, 1),
            "vocab_size": words,
            "max_position_embeddings": places,
            "bos_token_id": words - 2,
            "eos_token_id": words - 1,  # the last of the vocabulary in every CLIP
        }


def _own(tensors: Mapping[str, Tensor], prefix: str, kind: str) -> tuple[dict[str, Tensor], set[str]]:
    """A side that has transformers' names already."""
    projection = "visual_projection.weight" if kind == "vision" else "text_projection.weight"
    names = {
        name: name.removeprefix(prefix)
        for name in tensors
        if name.startswith((f"{prefix}{kind}_model.", f"{prefix}{projection}")) and not name.endswith("position_ids")
    }
    return {new: tensors[old] for old, new in names.items()}, set(names)


def _translated(tensors: Mapping[str, Tensor], prefix: str, kind: str) -> tuple[dict[str, Tensor], set[str]]:
    """A side that has open_clip's names."""
    if kind == "vision":
        table = {
            "class_embedding": "vision_model.embeddings.class_embedding",
            "positional_embedding": "vision_model.embeddings.position_embedding.weight",
            "conv1.weight": "vision_model.embeddings.patch_embedding.weight",
            "proj": "visual_projection.weight",
            **{f"ln_pre.{part}": f"vision_model.pre_layrnorm.{part}" for part in ("weight", "bias")},
            **{f"ln_post.{part}": f"vision_model.post_layernorm.{part}" for part in ("weight", "bias")},
        }
    else:
        table = {
            "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
            "positional_embedding": "text_model.embeddings.position_embedding.weight",
            "text_projection": "text_projection.weight",
            **{f"ln_final.{part}": f"text_model.final_layer_norm.{part}" for part in ("weight", "bias")},
        }
    state, used = {}, set()
    for old, new in table.items():
        if prefix + old in tensors:
            value = tensors[prefix + old]
            state[new] = value.T.contiguous() if old in ("proj", "text_projection") else value
            used.add(prefix + old)
    blocks = f"{prefix}transformer.resblocks."
    for name in (name for name in tensors if name.startswith(blocks)):
        number, rest = name.removeprefix(blocks).split(".", 1)
        home = f"{kind}_model.encoder.layers.{number}."
        if rest.startswith("attn.in_proj_"):
            part = rest.removeprefix("attn.in_proj_")
            for letter, value in zip("qkv", tensors[name].chunk(3), strict=True):
                state[f"{home}self_attn.{letter}_proj.{part}"] = value.contiguous()
            used.add(name)
        for old, new in _LAYER:
            if rest.startswith(f"{old}."):
                state[home + new + rest.removeprefix(old)] = tensors[name]
                used.add(name)
    return state, used


def _why_not(tensors: Mapping[str, Tensor], path: Path, prefix: str | None) -> str:
    if prefix is not None:
        return f"'{path}' has no visual transformer under the prefix '{prefix}'."
    if any("attnpool." in name or ".layer4." in name for name in tensors):
        return (
            f"'{path}' is a ResNet (RN50, ...), for which transformers has no model; take the ViT of the same authors."
        )
    some = ", ".join(list(tensors)[:4]) or "none"
    return f"'{path}' holds no visual transformer of CLIP: no tensor '...class_embedding' (tensors: {some}, ...)."


def _fill(model: Any, state: dict[str, Tensor], path: Path) -> None:
    wanted = model.state_dict()
    wanted = {name: value for name, value in wanted.items() if not name.endswith("position_ids")}
    missing = sorted(wanted.keys() - state.keys())
    wrong = sorted(name for name in wanted.keys() & state.keys() if wanted[name].shape != state[name].shape)
    if missing or wrong:
        name = (missing or wrong)[0]
        shape = f" {tuple(state[name].shape)}, expected {tuple(wanted[name].shape)}" if name in state else ""
        raise CheckpointError(
            f"'{path}': {len(missing)} tensors are missing and {len(wrong)} have another shape, such as "
            f"'{name}'{shape}; is the file whole?"
        )
    model.load_state_dict({name: state[name] for name in wanted}, strict=False)


def _text_of(transformers: Any, base: str | Path, dim: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights of the base's text side."""
    try:
        with quiet():
            model = transformers.CLIPModel.from_pretrained(str(base))
    except Exception as error:  # OSError from the hub, ValueError and KeyError from broken folders
        raise TowerError(
            f"The file has no text side, and that of '{base}' cannot be loaded ({_line(error)}); give a CLIP folder "
            "with --base."
        ) from error
    found = int(model.config.projection_dim)
    if found != dim:
        raise TowerError(f"'{base}' gives {found} dimensions, the file {dim}; name the CLIP that it was trained from.")
    state = {name: value for name, value in model.state_dict().items() if name.startswith("text_")}
    return model.config.text_config.to_dict(), state


def _write(transformers: Any, model: Any, target: Path, base: str | Path, image_px: int) -> None:
    """Save model, tokenizer and picture preparation; the folder appears under its name when it is whole."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(base))
        except Exception as error:
            raise TowerError(
                f"Weights hold no tokenizer, and that of '{base}' cannot be loaded ({_line(error)}); give a CLIP "
                "folder with --base."
            ) from error
        words = int(model.config.text_config.vocab_size)
        if len(tokenizer) != words:
            raise TowerError(f"The tokenizer of '{base}' has {len(tokenizer)} words, the weights {words}; give theirs.")
        with quiet():
            model.save_pretrained(part)
        tokenizer.save_pretrained(part)
        prepared = {
            "image_processor_type": "CLIPImageProcessor",
            "do_resize": True,
            "size": {"shortest_edge": image_px},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": {"height": image_px, "width": image_px},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],  # OpenAI's, which all of these models kept
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "do_convert_rgb": True,
        }
        (part / "preprocessor_config.json").write_text(json.dumps(prepared, indent=2) + "\n", encoding="utf-8")
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
