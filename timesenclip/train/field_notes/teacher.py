"""Presto as a teacher: how likely each Dynamic World class is at a place, and features of the place.

Presto was pre-trained on pixel years of the whole Earth; what it had to fill in included the Dynamic World class of
each month. Its decoder therefore says, with no label of ours, what a series looks like. It is asked while training
only; nothing of its file is written anywhere.

Presto also reads where on Earth a place is, and takes that for more than it should: in the tropics it calls dry fields
water. It is therefore asked at several temperate places on land, never at the true one, and its answers are averaged.

Source: nasaharvest/presto, presto/presto.py (Decoder), MIT; arXiv 2304.14065. Written from its description, with the
parameter names of the published file. The encoder is `timesenclip.evaluation.baselines.presto`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from timesenclip.errors import CheckpointError
from timesenclip.evaluation.baselines.presto import (
    GROUPS,
    HEADS,
    PrestoEncoder,
    PrestoLayer,
    load_presto,
    presto_input,
)
from timesenclip.safe_torch_load import read_tensors
from timesenclip.series import PixelSeries

__all__ = ["CLASSES", "PLACES", "Lessons", "Teacher", "balanced", "load_teacher"]

CLASSES: tuple[str, ...] = (
    "Water",
    "Trees",
    "Grass",
    "Flooded vegetation",
    "Crops",
    "Shrub and scrub",
    "Built area",
    "Bare ground",
    "Snow and ice",
)
"""Dynamic World classes in the teacher's order, by their names in the taxonomy `dynamic-world`."""

PLACES: tuple[tuple[float, float], ...] = ((11.0, 48.0), (-95.0, 40.0), (60.0, 60.0), (147.0, -36.0))
"""(lon, lat) in degrees of the places that the teacher is told: central Europe, the Great Plains, the Urals, south-east
Australia. Differs: Presto is used with the true place."""

_DYNAMIC_WORLD = len(GROUPS)  # its row among the channel embeddings
_TERRAIN = "SRTM"


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the teacher says about N places."""

    probabilities: NDArray[np.float32]
    """(N, 9) probabilities of `CLASSES`, mean over the clear months and the places that it was told."""
    features: NDArray[np.float32]
    """(N, D) features, mean over the places that it was told."""


class _Decoder(nn.Module):
    """The decoder of Presto, as far as Dynamic World needs it."""

    def __init__(self, dim: int, *, depth: int, hidden: int, heads: int, most_months: int) -> None:
        super().__init__()
        self.decoder_embed = nn.Linear(dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        self.decoder_blocks = nn.ModuleList([PrestoLayer(dim, hidden, heads) for _ in range(depth)])
        self.decoder_norm = nn.LayerNorm(dim)
        self.dw_decoder_pred = nn.Linear(dim, len(CLASSES))
        rest = (dim - dim // 4) // 2
        self.month_embed = nn.Embedding(12, rest)
        self.channel_embeddings = nn.Embedding(len(GROUPS) + 1, dim // 4)
        self.pos_embed = nn.Parameter(torch.zeros(1, most_months, rest))

    def forward(self, state: Tensor, use: Tensor, stand: dict[str, slice], month: Tensor, steps: int) -> Tensor:
        """Logits (B, T, 9) of the Dynamic World class of each month; arguments as `PrestoEncoder.states` returns them.

        Every token that is missing, those of Dynamic World among them, is the mask token with its month and group.
        """
        seen = torch.where(use[..., None], self.decoder_embed(state), self.mask_token)  # (B, L, D)
        batch = len(state)
        when = self.month_embed((month[:, None] + torch.arange(steps)) % 12)  # (B, T, R)
        where = self.pos_embed[:, :steps].expand(batch, -1, -1)
        tokens = [seen[:, :1]]  # the place, without month, group and position
        for i, name in enumerate([*GROUPS, "dynamic world"]):
            group = self.channel_embeddings.weight[i].expand(batch, steps, -1)
            added = torch.cat([when, group, where], dim=-1)  # (B, T, D)
            if name == _TERRAIN:
                added = torch.cat([0 * when, group, 0 * where], dim=-1)[:, :1]
            tokens.append((seen[:, stand[name]] if name in stand else self.mask_token) + added)
        full = torch.cat(tokens, dim=1)
        everything = torch.ones(1, 1, 1, full.shape[1], dtype=torch.bool)
        for block in self.decoder_blocks:
            full = block(full, everything)
        return self.dw_decoder_pred(self.decoder_norm(full[:, -steps:]))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Teacher:
    """Presto with its decoder, in evaluation mode."""

    encoder: PrestoEncoder
    decoder: _Decoder
    source: str
    """Name of the file."""

    @torch.inference_mode()
    def teach(
        self,
        series: PixelSeries,
        *,
        places: tuple[tuple[float, float], ...] = PLACES,
        batch_size: int = 256,
        progress: Callable[[int, int], None] | None = None,
    ) -> Lessons:
        """Ask the teacher about series, at each of the places in turn.

        Args:
            series: N series with at least one clear step each. Bands that are missing are masked by group.
            places: (lon, lat) in degrees that the teacher is told.
            batch_size: series asked at a time.
            progress: called with (done, N) after each batch.

        Raises:
            TimeError, NoClearObservationError: as `presto_input`.
        """
        probabilities, features = [], []
        for start in range(0, len(series), batch_size):
            part = series.take(slice(start, start + batch_size))
            arrays = presto_input(part, most_months=self.encoder.pos_embed.shape[1])
            x, masked, month = (torch.from_numpy(array) for array in arrays)
            clear = ~masked[..., 2:12].all(dim=-1)  # (B, T)
            likely, told = [], []
            for lon, lat in places:
                at = torch.tensor([[lon, lat]]).expand(len(x), -1)
                state, use, stand = self.encoder.states(x, masked, month, at)
                told.append(self.encoder.norm((state * use[..., None]).sum(1) / use.sum(1, keepdim=True)))
                by_month = self.decoder(self.encoder.norm(state), use, stand, month, x.shape[1]).softmax(dim=-1)
                likely.append((by_month * clear[..., None]).sum(1) / clear.sum(1, keepdim=True))
            probabilities.append(torch.stack(likely).mean(dim=0).numpy())
            features.append(torch.stack(told).mean(dim=0).numpy())
            if progress is not None:
                progress(start + len(part), len(series))
        return Lessons(np.concatenate(probabilities), np.concatenate(features))


def load_teacher(path: str | Path) -> Teacher:
    """Read Presto's published weights with their decoder; no pickled code runs.

    Args:
        path: `default_model.pt` of nasaharvest/presto.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: it cannot be read, or holds no Presto with this decoder.
    """
    encoder = load_presto(path).encoder
    tensors = read_tensors(path)
    state = {key.removeprefix("decoder."): value.float() for key, value in tensors.items() if "decoder." in key[:8]}
    state = {key: value for key, value in state.items() if not key.startswith("eo_decoder_pred.")}
    dim, heads = encoder.norm.normalized_shape[0], HEADS
    depth = len({key.split(".")[1] for key in state if key.startswith("decoder_blocks.")})
    hidden, months = state.get("decoder_blocks.0.mlp.fc1.weight"), state.get("pos_embed")
    if hidden is None or months is None or months.ndim != 3:
        raise CheckpointError(f"'{path}' holds no decoder of Presto; a teacher needs the whole published file.")
    decoder = _Decoder(dim, depth=depth, hidden=hidden.shape[0], heads=heads, most_months=months.shape[1])
    wanted = decoder.state_dict()
    wrong = [key for key in wanted if key not in state or state[key].shape != wanted[key].shape]
    if wrong:
        raise CheckpointError(
            f"'{path}' has another decoder than the published Presto: {len(wrong)} tensors are missing or of another "
            f"shape, such as 'decoder.{wrong[0]}'."
        )
    decoder.load_state_dict({key: state[key] for key in wanted})
    return Teacher(encoder, decoder.eval().requires_grad_(False), Path(path).name)


def balanced(
    probabilities: NDArray[np.float32], log_prior: NDArray[np.floating], *, strength: float
) -> NDArray[np.float32]:
    """Probabilities with class priors taken out: divided by the priors to a power, and scaled to one.

    The teacher calls most places crops or trees, as most of what it saw is; among places of every kind that is a bias.

    Args:
        probabilities: (N, K), rows sum to one.
        log_prior: (K,) logarithm of the prior of each class.
        strength: the power; 0 leaves the probabilities as they are.
    """
    logs = np.log(np.maximum(probabilities, 1e-6)) - strength * log_prior
    scaled = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True), dtype=np.float32)
