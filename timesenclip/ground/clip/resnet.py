"""CLIP towers whose image side is OpenAI's modified ResNet: RemoteCLIP's and SenCLIP's RN50.

transformers has no such model. The text side is a CLIP's and goes through transformers; the image side is here, its
parameters named as in the published files. `import_clip` writes such folders; `config.json` marks them.

Source: openai/CLIP, clip/model.py, ModifiedResNet and AttentionPool2d: three 3 x 3 convolutions and an average pool as
stem, average pools in place of strided convolutions, and attention of the mean over the last map as pooling.
"""

from __future__ import annotations

from functools import cached_property
from math import isqrt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from timesenclip.errors import CheckpointError, TowerError
from timesenclip.ground.clip.state_dict import NO_WEIGHTS, Part, Tensors
from timesenclip.ground.clip.tower import ClipTower, check_sizes
from timesenclip.ground.clip.transformers_package import import_transformers
from timesenclip.messages import shorten_error
from timesenclip.weights_files import check_finite, read_config_json

__all__ = ["MODEL_TYPE", "ModifiedResNet", "ResNetClipTower", "read_resnet"]

MODEL_TYPE = "timesenclip_clip_resnet"
"""`model_type` in the config.json of such a folder; transformers itself refuses it."""

_STRIDE = 32
"""Pixels of the photograph for each position of the last feature map."""
_WIDENING = 4
"""Output channels of a block for each of its inner channels."""


class ModifiedResNet(nn.Module):
    """Encode photographs (B, 3, Y, X) to vectors (B, D)."""

    def __init__(self, layers: list[int], width: int, image_size: int, dim: int) -> None:
        """Build it with random weights.

        Args:
            layers: blocks of each of the four stages; RN50: 3, 4, 6, 3.
            width: channels after the stem; RN50: 64.
            image_size: side of the photographs in pixels.
            dim: D.
        """
        super().__init__()
        half = width // 2
        self.conv1 = nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        incoming = width
        for stage, blocks in enumerate(layers, start=1):
            inner = width * 2 ** (stage - 1)
            parts = []
            for i in range(blocks):
                parts.append(_Bottleneck(incoming, inner, stride=2 if i == 0 and stage > 1 else 1))
                incoming = inner * _WIDENING
            setattr(self, f"layer{stage}", nn.Sequential(*parts))
        self.attnpool = _AttentionPool(image_size // _STRIDE, incoming, heads=max(1, incoming // 64), dim=dim)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, D), not normalised."""
        x = pixels
        for i in (1, 2, 3):
            x = functional.relu(getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x)))
        x = functional.avg_pool2d(x, 2)  # (B, width, Y / 4, X / 4)
        for stage in (1, 2, 3, 4):
            x = getattr(self, f"layer{stage}")(x)
        return self.attnpool(x)  # type: ignore[no-any-return]  # (B, D)


class _Bottleneck(nn.Module):
    """Residual block with an average pool in place of a strided convolution."""

    def __init__(self, incoming: int, inner: int, *, stride: int) -> None:
        super().__init__()
        out = inner * _WIDENING
        self.stride = stride
        self.conv1 = nn.Conv2d(incoming, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        # The numbers "0" and "1" are the names of the published tensors.
        changes = stride > 1 or incoming != out
        self.downsample = (
            nn.Sequential(nn.Conv2d(incoming, out, 1, bias=False), nn.BatchNorm2d(out)) if changes else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        if self.stride > 1:
            x, y = functional.avg_pool2d(x, self.stride), functional.avg_pool2d(y, self.stride)
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class _AttentionPool(nn.Module):
    """Attention of the mean over the last feature map to all its positions, and a projection to D."""

    def __init__(self, side: int, width: int, *, heads: int, dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.zeros(side * side + 1, width))
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)  # (B, Y * X, W)
        x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1) + self.positional_embedding  # (B, 1 + Y * X, W)
        batch, _, width = x.shape
        q, k, v = (
            one.view(batch, -1, self.heads, width // self.heads).transpose(1, 2)
            for one in (self.q_proj(x[:, :1]), self.k_proj(x), self.v_proj(x))
        )  # (B, H, 1 or 1 + Y * X, W / H)
        pooled = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, width)
        return self.c_proj(pooled)  # type: ignore[no-any-return]  # (B, D)


def read_resnet(tensors: Tensors) -> Part:
    """Read a modified ResNet from the tensors of an image tower.

    Raises:
        CheckpointError: a tensor is missing or has another shape than the others say.
    """
    width = tensors.matrix("layer1.0.conv1.weight", 4)[0]
    layers = [tensors.count(f"layer{stage}.") for stage in (1, 2, 3, 4)]
    positions, _ = tensors.matrix("attnpool.positional_embedding")
    side = isqrt(max(positions - 1, 1))
    if side * side != positions - 1 or 0 in layers:
        raise tensors.fail(f"{positions} positions and stages of {layers} blocks are no ResNet of CLIP.")
    dim, _ = tensors.matrix("attnpool.c_proj.weight")
    sizes: dict[str, Any] = {"layers": layers, "width": width, "image_size": side * _STRIDE, "dim": dim}
    with torch.device("meta"):
        wanted = ModifiedResNet(**sizes).state_dict()
    state = {
        f"visual.{name}": tensors.take(name, *value.shape)
        for name, value in wanted.items()
        if not name.endswith(NO_WEIGHTS)
    }
    tensors.refuse_others("layer", "conv", "bn", "attnpool")
    return Part(sizes, state, dim)


def _check_visual(sizes: dict[str, Any]) -> None:
    """Check the sizes of the image side, before it is built.

    Raises:
        ValueError: a size is no whole number, or larger than that of any published model by far.
    """
    layers, most = sizes["layers"], {"width": 1024, "image_size": 4096, "dim": 16_384}
    if not isinstance(layers, list) or len(layers) != 4 or not all(type(n) is int and 1 <= n <= 128 for n in layers):
        raise ValueError("visual.layers are no four numbers of blocks")
    for name, limit in most.items():
        if type(sizes[name]) is not int or not 1 <= sizes[name] <= limit:
            raise ValueError(f"visual.{name} is {ascii(sizes[name])[:40]}, expected 1..{limit:,}")


class ResNetClipTower(ClipTower):
    """A frozen CLIP with a modified ResNet as image side."""

    def __init__(self, source: str | Path, *, device: str = "cpu", batch_size: int = 32) -> None:
        """Read the configuration (the weights come later).

        Args:
            source: a folder written by `import_clip`.
            device: where it runs, as torch names it.
            batch_size: images or texts in one pass.

        Raises:
            TowerError: the folder is broken.
            MissingExtraError: transformers is not installed.
        """
        self._transformers = import_transformers()
        self._source, self._revision = str(source), None
        self._device, self._batch, self._kind = device, batch_size, "clip"
        try:
            config = read_config_json(Path(source) / "config.json")
            self._visual = {key: config["visual"][key] for key in ("layers", "width", "image_size", "dim")}
            _check_visual(self._visual)
            text = self._transformers.CLIPTextConfig(**config["text_config"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TowerError(
                f"{source}: config.json cannot be read ({shorten_error(error)}); import the weights again."
            ) from error
        check_sizes(text.to_dict(), source_name=str(source))
        self._config: Any = SimpleNamespace(text_config=text, projection_dim=self._visual["dim"])

    @cached_property
    def _image_model(self) -> Any:
        from safetensors import SafetensorError, safe_open

        model = ModifiedResNet(**self._visual)
        try:
            with safe_open(Path(self._source) / "model.safetensors", framework="pt") as file:
                names = [name for name in file.keys() if name.startswith("visual.")]  # noqa: SIM118 (no mapping)
                state = {name.removeprefix("visual."): file.get_tensor(name) for name in names}
            check_finite(state, file=self._source)
            missing = [
                name for name in model.load_state_dict(state, strict=False).missing_keys if "batches" not in name
            ]
            if missing:  # counts of batches matter in training only and are not in the file
                raise RuntimeError(f"{len(missing)} tensors are missing, such as 'visual.{missing[0]}'")
        except (OSError, SafetensorError, RuntimeError, CheckpointError) as error:
            raise TowerError(
                f"{self._source}: the weights cannot be loaded ({shorten_error(error)}); import them again."
            ) from error
        model.eval().requires_grad_(False).to(self._device)
        return lambda pixel_values: SimpleNamespace(image_embeds=model(pixel_values))
