"""Rename CLIP weights from the names of open_clip and OpenAI to those of transformers.

RemoteCLIP, GeoRSCLIP, SkyCLIP and SenCLIP are published with the former. The file holds tensors only: sizes are read
from their shapes, the number of heads follows from the width, and the activation function cannot be seen.

Source: names and shapes: openai/CLIP, clip/model.py (`build_model` infers the same sizes); open_clip, transformer.py;
head widths: open_clip, model_configs/ViT-{H,g,bigG}-14.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

from torch import Tensor

from timesenclip.errors import CheckpointError

__all__ = ["NO_WEIGHTS", "Part", "Tensors", "read_text", "read_vit", "whole_prefix"]

NO_WEIGHTS = ("num_batches_tracked", "attn_mask")
"""Ends of the names of tensors that change no embedding: counts for training, and the causal mask."""

_HEAD_WIDTH = {1280: 80, 1408: 88, 1664: 104}
"""Widths of ViT-H, ViT-g and ViT-bigG, whose heads are not 64 wide."""


@dataclass(frozen=True, slots=True)
class Part:
    """The image side or the text side of a CLIP, as transformers names it."""

    sizes: dict[str, Any]
    """Fields of transformers' configuration."""
    state: dict[str, Tensor]
    """Tensors by transformers' names."""
    dim: int
    """Length of the vectors."""


class Tensors:
    """The tensors of a file under one prefix, with a record of which were used."""

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str, *, source_name: str) -> None:
        """Take the tensors whose names start with a prefix.

        Args:
            tensors: all of the file.
            prefix: before each name.
            source_name: the file, for messages.
        """
        self._tensors, self._prefix, self._source_name = tensors, prefix, source_name
        self.used: list[str] = []

    def __contains__(self, name: str) -> bool:
        """Whether there is such a tensor."""
        return self._prefix + name in self._tensors

    def take(self, name: str, *shape: int) -> Tensor:
        """Return a tensor as float32 and record it as used.

        Args:
            name: without the prefix.
            shape: expected shape; nothing accepts any.

        Raises:
            CheckpointError: it is missing, or of another shape.
        """
        key = self._prefix + name
        if key not in self._tensors:
            raise self.fail(f"the tensor '{key}' is missing; the file is no complete CLIP.")
        value = self._tensors[key]
        if shape and tuple(value.shape) != shape:
            raise self.fail(f"'{key}' has shape {tuple(value.shape)}; expected {shape}, as the other tensors say.")
        self.used.append(key)
        return value.detach().float().contiguous()

    def matrix(self, name: str, dims: int = 2) -> tuple[int, ...]:
        """Shape of a tensor that must have `dims` axes.

        Raises:
            CheckpointError: it is missing, or has another number of axes.
        """
        shape = tuple(self.take(name).shape)
        self.used.pop()
        if len(shape) != dims or 0 in shape:
            raise self.fail(f"'{self._prefix}{name}' has shape {shape}; expected {dims} axes, as CLIP's has.")
        return shape

    def count(self, before: str) -> int:
        """Number of numbered parts under a name, such as the blocks of `transformer.resblocks.`."""
        start = self._prefix + before
        numbers = {key[len(start) :].split(".")[0] for key in self._tensors if key.startswith(start)}
        return len({number for number in numbers if number.isdigit()})

    def refuse_others(self, *starts: str) -> None:
        """Check that every tensor under these names was used; another one would be part of another architecture.

        Raises:
            CheckpointError: a tensor was not used.
        """
        mine = tuple(self._prefix + start for start in starts)
        used = set(self.used)
        left = [key for key in self._tensors if key.startswith(mine) and key not in used]
        left = [key for key in left if not key.endswith(NO_WEIGHTS)]
        if left:
            raise self.fail(f"{len(left)} tensors are no part of a CLIP, such as '{left[0]}'; it is another model.")

    def fail(self, reason: str) -> CheckpointError:
        """The error to raise about this file."""
        return CheckpointError(f"'{self._source_name}': {reason}")


def whole_prefix(names: Iterable[str], *, source_name: str, prefix: str | None = None) -> tuple[str, str]:
    """Find the model in a file: (prefix of the whole model, prefix of the image tower).

    The image tower is found by its first layer, whatever stands before it: `visual.`, `module.visual.`,
    `model.visual.`, `encoder.model.visual.`, or nothing.

    Args:
        names: names of all tensors.
        source_name: the file, for messages.
        prefix: the prefix to use where the file holds several models.

    Raises:
        CheckpointError: there is no CLIP image tower, or there are several.
    """
    known = set(names)
    roots = sorted(
        name.removesuffix("conv1.weight")
        for name in known
        if name.endswith("conv1.weight")
        and {name.removesuffix("conv1.weight") + mark for mark in ("class_embedding", "attnpool.positional_embedding")}
        & known
    )
    if not roots:
        some = ", ".join(sorted(known)[:4])
        kind = "a tower of timm" if any(".trunk." in name for name in known) else "no CLIP that is known here"
        raise CheckpointError(
            f"'{source_name}' holds {kind}: no 'visual.conv1.weight' beside 'visual.class_embedding' or "
            f"'visual.attnpool' (tensors: {some}, ...). Folders and hub ids in transformers' layout need no import."
        )
    found = {root.removesuffix("visual."): root for root in roots}
    if prefix is None and len(found) > 1:
        listed = ", ".join(f"'{name}'" for name in found)
        raise CheckpointError(
            f"'{source_name}' holds {len(found)} image towers, under {listed}; say which with --prefix."
        )
    chosen = next(iter(found)) if prefix is None else prefix
    if chosen not in found:
        listed = ", ".join(f"'{name}'" for name in found)
        raise CheckpointError(f"'{source_name}' has no image tower under the prefix '{chosen}'; there is {listed}.")
    return chosen, found[chosen]


def read_vit(tensors: Tensors) -> Part:
    """Read a vision transformer from the tensors of an image tower.

    Raises:
        CheckpointError: a tensor is missing or has another shape than the others say.
    """
    width, _, patch, _ = tensors.matrix("conv1.weight", 4)
    tokens, _ = tensors.matrix("positional_embedding")
    side = isqrt(max(tokens - 1, 1))
    if side * side != tokens - 1:
        raise tensors.fail(f"{tokens} positions are no square of patches and one class token.")
    _, dim = tensors.matrix("proj")
    name = "vision_model."
    state = {
        f"{name}embeddings.patch_embedding.weight": tensors.take("conv1.weight", width, 3, patch, patch),
        f"{name}embeddings.class_embedding": tensors.take("class_embedding", width),
        f"{name}embeddings.position_embedding.weight": tensors.take("positional_embedding", tokens, width),
        f"{name}pre_layrnorm.weight": tensors.take("ln_pre.weight", width),
        f"{name}pre_layrnorm.bias": tensors.take("ln_pre.bias", width),
        f"{name}post_layernorm.weight": tensors.take("ln_post.weight", width),
        f"{name}post_layernorm.bias": tensors.take("ln_post.bias", width),
        "visual_projection.weight": tensors.take("proj", width, dim).T.contiguous(),
    }
    blocks, sizes = _blocks(tensors, width, name, head_width=_HEAD_WIDTH.get(width, 64))
    tensors.refuse_others("transformer.", "ln_", "attn_pool")
    return Part(sizes | {"patch_size": patch, "image_size": side * patch}, state | blocks, dim)


def read_text(tensors: Tensors) -> Part:
    """Read the text transformer from the tensors of the whole model.

    Raises:
        CheckpointError: a tensor is missing or has another shape than the others say.
    """
    words, width = tensors.matrix("token_embedding.weight")
    length, _ = tensors.matrix("positional_embedding")
    _, dim = tensors.matrix("text_projection")
    name = "text_model."
    state = {
        f"{name}embeddings.token_embedding.weight": tensors.take("token_embedding.weight", words, width),
        f"{name}embeddings.position_embedding.weight": tensors.take("positional_embedding", length, width),
        f"{name}final_layer_norm.weight": tensors.take("ln_final.weight", width),
        f"{name}final_layer_norm.bias": tensors.take("ln_final.bias", width),
        "text_projection.weight": tensors.take("text_projection", width, dim).T.contiguous(),
    }
    blocks, sizes = _blocks(tensors, width, name, head_width=64)
    tensors.refuse_others("transformer.", "ln_")
    return Part(sizes | {"vocab_size": words, "max_position_embeddings": length}, state | blocks, dim)


def _blocks(tensors: Tensors, width: int, target: str, *, head_width: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The layers of a transformer and their sizes; the joint matrix of query, key and value is divided into three."""
    depth = tensors.count("transformer.resblocks.")
    hidden = tensors.matrix("transformer.resblocks.0.mlp.c_fc.weight")[0]
    out: dict[str, Tensor] = {}
    for i in range(depth):
        a, b = f"transformer.resblocks.{i}.", f"{target}encoder.layers.{i}."
        weight = tensors.take(a + "attn.in_proj_weight", 3 * width, width).chunk(3)
        bias = tensors.take(a + "attn.in_proj_bias", 3 * width).chunk(3)
        for j, letter in enumerate("qkv"):
            # Cloned: safetensors refuses tensors that share memory.
            out[f"{b}self_attn.{letter}_proj.weight"] = weight[j].clone()
            out[f"{b}self_attn.{letter}_proj.bias"] = bias[j].clone()
        for theirs, ours, shape in (
            ("attn.out_proj", "self_attn.out_proj", (width, width)),
            ("ln_1", "layer_norm1", (width,)),
            ("ln_2", "layer_norm2", (width,)),
            ("mlp.c_fc", "mlp.fc1", (hidden, width)),
            ("mlp.c_proj", "mlp.fc2", (width, hidden)),
        ):
            out[f"{b}{ours}.weight"] = tensors.take(f"{a}{theirs}.weight", *shape)
            out[f"{b}{ours}.bias"] = tensors.take(f"{a}{theirs}.bias", shape[0])
    sizes = {
        "hidden_size": width,
        "intermediate_size": hidden,
        "num_hidden_layers": depth,
        "num_attention_heads": max(1, width // head_width),
        "layer_norm_eps": 1e-5,
    }
    return out, sizes
