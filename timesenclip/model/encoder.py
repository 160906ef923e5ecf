"""The spectral-temporal encoder: a year of one pixel in, one vector out.

    x (B, T, C[, p, p])  normalised reflectance, one step per calendar interval
    calendar (B, T, 2)   start and end of each interval in years (`PixelSeries.calendar`)
    valid (B, T)         False = missing; a missing step takes no part at all
    bands (B, T, C)      with `band_mask`: False = this band is missing at this step
        |  spectral embedding: Linear(C p p -> D), or Linear(C p p + C -> D) of the values and the mask
        |  + position from the calendar, never from the index
        |  class token first
        |  post-norm transformer layers
        |  class token -> LayerNorm -> Linear
    embedding (B, E)     not normalised

Source: TimeSenCLIP (arXiv 2508.11919) and the authors' TimeSpectralViT; preset `paper` has their parameter names, so
that weights go both ways. Differs: positions follow dates, missing steps are masked, missing bands may be told, and
presets `small` and `tiny`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from timesenclip.bands import BAND_NAMES
from timesenclip.errors import InputError

__all__ = ["PRESETS", "EncoderConfig", "SeriesEncoder"]

_MONTHS = 12
_MOST = {
    "bands": 1024,
    "patch_size": 256,
    "dim": 8192,
    "depth": 128,
    "heads": 1024,
    "ffn_dim": 65_536,
    "embed_dim": 16_384,
    "harmonics": 64,
    "max_steps": 4096,
}
"""Largest value of each size: far above what is trained, so that a slip or a hostile file does not fill the memory."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Everything that fixes the architecture; the defaults are the paper's."""

    bands: int = len(BAND_NAMES)
    """C, bands of a step."""
    patch_size: int = 1
    """p, side of the patch in pixels; 1 is a single pixel."""
    dim: int = 512
    """D, width of a token."""
    depth: int = 6
    """Number of layers."""
    heads: int = 8
    """Attention heads; must divide `dim`."""
    ffn_dim: int = 256
    """Width of the feed-forward layer."""
    dropout: float = 0.2
    """Dropout while training, in attention, after it, and in the feed-forward layer."""
    embed_dim: int = 512
    """E, size of the embedding: the dimension of the ground tower."""
    positions: Literal["monthly", "calendar", "official"] = "monthly"
    """`monthly`: the paper's learned table, averaged over the interval. `official`: the same table, but a quarter gets
    the median of its three months, as the authors evaluate their weights. `calendar`: Fourier features of the date."""
    harmonics: int = 4
    """Fourier harmonics of the year (`calendar` only)."""
    max_steps: int = 36
    """Largest number of steps that a series may have."""
    band_mask: bool = False
    """Whether the encoder is told which bands are there, so that it reads any of them; else all are needed."""

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            InputError: a field is no number of its kind or out of range, `dim` is not a multiple of `heads`, or
                `positions` is unknown.
        """
        for name, most in _MOST.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                raise InputError(f"{name} is {_shown(value)}; expected a whole number, 1..{most:,}.")
        if type(self.dropout) not in (int, float) or not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {_shown(self.dropout)}; expected a number from 0 to below 1.")
        if type(self.band_mask) is not bool:
            raise InputError(f"band_mask is {_shown(self.band_mask)}; expected true or false.")
        if self.dim % self.heads:
            raise InputError(f"dim {self.dim} is not a multiple of heads {self.heads}; change one of them.")
        if self.positions not in ("monthly", "calendar", "official"):
            raise InputError(
                f"Unknown positions {_shown(self.positions)}; expected 'monthly', 'calendar' or 'official'."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a config file."""
        return asdict(self)

    def changed(self, fields: Mapping[str, Any]) -> EncoderConfig:
        """The configuration with some fields replaced, as a recipe or a file gives them.

        Raises:
            InputError: a field is unknown, or its value is no number of its kind or out of range.
        """
        known = [field.name for field in dataclasses.fields(self)]
        unknown = next((name for name in fields if name not in known), None)
        if unknown is not None:
            raise InputError(f"Unknown field {_shown(unknown)} of the encoder; expected one of {', '.join(known)}.")
        return dataclasses.replace(self, **fields)


def _shown(value: object) -> str:
    return ascii(value) if len(ascii(value)) <= 40 else ascii(value)[:36] + " ..."


PRESETS: dict[str, EncoderConfig] = {
    "paper": EncoderConfig(),
    "small": EncoderConfig(dim=256, depth=4, heads=4, ffn_dim=512, dropout=0.1, embed_dim=256, positions="calendar"),
    "tiny": EncoderConfig(dim=128, depth=4, heads=4, ffn_dim=256, dropout=0.1, embed_dim=256, positions="calendar"),
}
"""Architectures by name. `paper`: 8,169,472 parameters at 1x1."""


class SeriesEncoder(nn.Module):
    """Encode pixel series. Parameter names are the authors' (`time_pos_encoding`, `transformer.layers.0...`)."""

    def __init__(self, config: EncoderConfig = PRESETS["paper"]) -> None:
        """Build with random weights; nothing is downloaded."""
        super().__init__()
        self.config = config
        inputs = config.bands * config.patch_size**2 + (config.bands if config.band_mask else 0)
        # Index 0 is the authors' parameter-free rearrangement, kept so that the names match.
        self.spectral_embedding = nn.Sequential(nn.Identity(), nn.Linear(inputs, config.dim))
        self.time_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        if config.positions != "calendar":
            self.time_pos_encoding = nn.Parameter(torch.zeros(1, _MONTHS, config.dim))
        else:
            self.calendar_encoding = nn.Linear(2 * config.harmonics + 1, config.dim)
        self.transformer = _Layers(config)
        self.mlp_head = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, config.embed_dim))

    def forward(self, x: Tensor, calendar: Tensor, valid: Tensor | None = None, bands: Tensor | None = None) -> Tensor:
        """Embed a batch.

        Args:
            x: (B, T, C) or (B, T, C, p, p) normalised reflectance; what stands at missing steps is ignored.
            calendar: (B, T, 2) start and end of each step in years.
            valid: (B, T) bool, True = use; default: all.
            bands: (B, T, C) bool, True = seen, for an encoder with `band_mask`; default: all bands of valid steps.
                What stands in x at missing bands is ignored.

        Returns:
            (B, E). A series without any valid step is encoded as the class token alone, the same for all such series.

        Raises:
            InputError: the shapes do not fit the configuration.
        """
        self._check(x, calendar, valid, bands)
        if valid is None:
            valid = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        x = self._spectra(x, valid, bands)
        # In evaluation mode all steps are encoded and the missing ones masked. So the work has the same shape whatever
        # is missing, and the embedding of a series does not depend on what the others in a batch of that shape hold.
        # A batch of another size or number of steps may differ in the last bits: matrix products sum in another order.
        return self._encode_by_length(x, calendar, valid) if self.training else self._encode(x, calendar, valid)

    def _spectra(self, x: Tensor, valid: Tensor, bands: Tensor | None) -> Tensor:
        """(B, T, inputs) of the spectral embedding: values, 0 where missing, and with `band_mask` the mask by band."""
        if not self.config.band_mask:
            return x.flatten(2).masked_fill(~valid[..., None], 0.0)
        seen = valid[..., None].expand(-1, -1, self.config.bands) if bands is None else bands & valid[..., None]
        values = x.masked_fill(~seen.view(*seen.shape, *(1,) * (x.ndim - 3)), 0.0)  # (B, T, C[, p, p])
        return torch.cat([values.flatten(2), seen.to(x.dtype)], dim=2)

    def _encode_by_length(self, x: Tensor, calendar: Tensor, valid: Tensor) -> Tensor:
        """(B, E); series with about the same number of valid steps are encoded together, so missing steps cost nothing.

        The length of a group is the number of valid steps rounded up to 1, 3, 6, 9, ...; the rest is masked.
        """
        count = valid.sum(dim=1)
        length = torch.where(count <= 1, 1, (count + 2) // 3 * 3).clamp(max=x.shape[1])  # (B,) 1, 3, 6, 9, ...
        present = (~valid).to(torch.uint8).argsort(dim=1, stable=True)  # (B, T) valid steps first, in order
        parts, rows = [], []
        for steps in sorted(set(length.tolist())):
            row = (length == steps).nonzero()[:, 0]
            step = present[row, :steps]  # (b, t)
            parts.append(self._encode(x[row[:, None], step], calendar[row[:, None], step], valid[row[:, None], step]))
            rows.append(row)
        return torch.cat(parts)[torch.cat(rows).argsort()]  # (B, E)

    def _encode(self, x: Tensor, calendar: Tensor, valid: Tensor) -> Tensor:
        """(B, E) of spectra (B, T, inputs); missing steps are masked in the attention."""
        tokens = self.spectral_embedding(x) + self._positions(calendar)  # (B, T, D)
        tokens = torch.cat([self.time_token.expand(len(x), -1, -1), tokens], dim=1)  # (B, 1 + T, D)
        valid = torch.cat([valid.new_ones(len(x), 1), valid], dim=1)  # (B, 1 + T)
        return self.mlp_head(self.transformer(tokens, valid))  # type: ignore[no-any-return]

    def _check(self, x: Tensor, calendar: Tensor, valid: Tensor | None, bands: Tensor | None) -> None:
        c, p = self.config.bands, self.config.patch_size
        expected = (c,) if x.ndim == 3 else (c, p, p)
        if tuple(x.shape[2:]) != expected or (x.ndim == 3 and p != 1):
            raise InputError(
                f"Series have shape {tuple(x.shape)}; this encoder reads (B, T, {c}"
                + (f", {p}, {p})." if p > 1 else ").")
            )
        if calendar.shape != (*x.shape[:2], 2):
            raise InputError(f"`calendar` has shape {tuple(calendar.shape)}; expected {(*x.shape[:2], 2)}.")
        if valid is not None and valid.shape != x.shape[:2]:
            raise InputError(f"`valid` has shape {tuple(valid.shape)}; expected {tuple(x.shape[:2])}, as the series.")
        if bands is not None and not self.config.band_mask:
            raise InputError("This encoder needs all of its bands at every step; it was trained without `band_mask`.")
        if bands is not None and bands.shape != x.shape[:3]:
            raise InputError(f"`bands` has shape {tuple(bands.shape)}; expected {tuple(x.shape[:3])}, as the series.")
        if not 1 <= x.shape[1] <= self.config.max_steps:
            raise InputError(
                f"Series have {x.shape[1]} steps; expected 1..{self.config.max_steps}. Composite them to months first."
            )

    def _positions(self, calendar: Tensor) -> Tensor:
        if self.config.positions != "calendar":
            shares, table = month_shares(calendar), self.time_pos_encoding[0]  # (B, T, 12), (12, D)
            means = shares @ table  # (B, T, D)
            return means if self.config.positions == "monthly" else _quarter_medians(shares, table, means)
        return self.calendar_encoding(fourier_features(calendar, self.config.harmonics))  # type: ignore[no-any-return]


def month_shares(calendar: Tensor) -> Tensor:
    """Share of each interval that falls into each calendar month, (B, T, 12).

    A month is itself, a quarter the mean of three, a year the mean of twelve. Months are twelfths of a year here; an
    interval of at most 34 days counts as the month in which its middle lies, so that a calendar month is exact.

    Args:
        calendar: (B, T, 2) start and end in years. Longer intervals lie within -1..3; what is outside has no share.
            `calendar_intervals` gives starts within [0, 1), and the shift for the south adds half a year.

    Returns:
        Shares that sum to one for each interval, or are all 0 for a longer one that lies wholly outside -1..3.
    """
    start, end = calendar[..., 0], calendar[..., 1]
    middle, width = (start + end) / 2, end - start
    edges = torch.arange(_MONTHS, device=calendar.device, dtype=calendar.dtype) / _MONTHS
    shares = calendar.new_zeros(*calendar.shape[:2], _MONTHS)
    for year in (-1, 0, 1, 2):
        low = torch.maximum(start[..., None], edges + year)
        high = torch.minimum(end[..., None], edges + 1 / _MONTHS + year)
        shares = shares + (high - low).clamp(min=0)
    shares = shares / shares.sum(dim=-1, keepdim=True).clamp(min=1e-9)
    month = (middle.remainder(1.0) * _MONTHS).floor().long().clamp(0, _MONTHS - 1)
    exact = F.one_hot(month, _MONTHS).to(shares.dtype)
    return torch.where((width < 34.5 / 365.25)[..., None], exact, shares)


def _quarter_medians(shares: Tensor, table: Tensor, means: Tensor) -> Tensor:
    """`means` (B, T, D), but for quarters the median of the positions of their three months.

    A quarter is a step of which three months have more than a fifth each: three months long, and beginning with one.

    Source: the authors' `inference` for four quarters. Differs: one annual step keeps the mean of all twelve, which is
    what they train with; their newest inference, which interpolates the table to the nearest month, takes January's.
    """
    quarter = (shares > 0.2).sum(dim=-1) == 3  # (B, T)
    if not bool(quarter.any()):
        return means
    months = table[shares.topk(3, dim=-1).indices]  # (B, T, 3, D)
    return torch.where(quarter[..., None], months.median(dim=2).values, means)


def fourier_features(calendar: Tensor, harmonics: int) -> Tensor:
    """Mean over each interval of cos and sin of the first harmonics of the year, and its width; (B, T, 2 H + 1).

    The mean of cos(2 pi k t) over an interval of width w around m is cos(2 pi k m) sinc(k w): a month, a quarter and
    a year are the same thing at other widths, and a whole year has no phase left.
    """
    middle, width = calendar.mean(dim=-1), calendar[..., 1] - calendar[..., 0]  # (B, T)
    order = torch.arange(1, harmonics + 1, device=calendar.device, dtype=calendar.dtype)  # (H,)
    angle = 2 * math.pi * middle[..., None] * order  # (B, T, H)
    fade = torch.sinc(width[..., None] * order)  # (B, T, H)
    return torch.cat([angle.cos() * fade, angle.sin() * fade, width[..., None]], dim=-1)


class _Layers(nn.Module):
    """The layers, one after the other; a class of its own because the authors' parameter names have `layers`."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.depth))

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """The class token after the last layer, (B, D), for tokens (B, S, D) and valid (B, S), S = 1 + T.

        In the last layer only the class token has a query: nothing reads the other tokens after it.
        """
        bias = torch.zeros(valid.shape, dtype=tokens.dtype, device=tokens.device).masked_fill(~valid, -torch.inf)
        bias = bias[:, None, None, :]  # (B, 1, 1, S)
        for layer in self.layers[:-1]:
            tokens = layer(tokens, tokens, bias)  # (B, S, D)
        return self.layers[-1](tokens[:, :1], tokens, bias)[:, 0]  # type: ignore[no-any-return]


class _Layer(nn.Module):
    """Post-norm transformer layer, equal to `torch.nn.TransformerEncoderLayer` with ReLU."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.self_attn = _Attention(config)
        self.linear1 = nn.Linear(config.dim, config.ffn_dim)
        self.linear2 = nn.Linear(config.ffn_dim, config.dim)
        self.norm1 = nn.LayerNorm(config.dim)
        self.norm2 = nn.LayerNorm(config.dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, query: Tensor, tokens: Tensor, bias: Tensor) -> Tensor:
        """Update `query` (B, Q, D), which attends to `tokens` (B, S, D)."""
        query = self.norm1(query + self.dropout(self.self_attn(query, tokens, bias)))
        hidden = self.dropout(F.relu(self.linear1(query)))  # (B, Q, FFN)
        return self.norm2(query + self.dropout(self.linear2(hidden)))  # type: ignore[no-any-return]


class _Attention(nn.Module):
    """Multi-head attention, equal to `torch.nn.MultiheadAttention`; parameter names as there."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads, self.drop = config.heads, config.dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * config.dim, config.dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * config.dim))
        self.out_proj = nn.Linear(config.dim, config.dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, tokens: Tensor, bias: Tensor) -> Tensor:
        dim = tokens.shape[-1]
        wq, wkv = self.in_proj_weight[:dim], self.in_proj_weight[dim:]
        bq, bkv = self.in_proj_bias[:dim], self.in_proj_bias[dim:]
        q = F.linear(query, wq, bq)  # (B, Q, D)
        k, v = F.linear(tokens, wkv, bkv).chunk(2, dim=-1)  # (B, S, D) each
        q, k, v = (t.view(*t.shape[:2], self.heads, -1).transpose(1, 2) for t in (q, k, v))  # (B, H, ., D / H)
        # By hand: at 13 tokens this is faster in training than scaled_dot_product_attention on a CPU.
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) + bias  # (B, H, Q, S)
        mixed = F.dropout(scores.softmax(dim=-1), self.drop, self.training) @ v  # (B, H, Q, D / H)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
