"""Presto's features of pixel series: what a user with labels would otherwise have taken.

    series (N, T, 10)  -> one value a calendar month and band (N, 12..24, 10), missing months masked
        |  one token for each month and group of bands: Linear(group -> D) + [month | group | position]
        |  a token of the place: Linear(x, y, z on the unit sphere)
        |  pre-norm transformer layers
        |  mean of the tokens that are there -> LayerNorm
    features (N, D)    D = 128 in the published weights

Source: Tseng et al. 2023, "Lightweight, Pre-trained Transformers for Remote Sensing Timeseries" (arXiv 2304.14065), and
`single_file_presto.py` of nasaharvest/presto (MIT) for the names of the parameters, which are theirs, so that
`default_model.pt` loads; its decoder is not needed. Bands are reflectance (DN / 10000, no shift), NDVI is computed.
Sentinel-1, ERA5, SRTM and Dynamic World are not given, as Presto allows; their tokens are left out. Unlike in the
original, places may lack different months in one batch: masked tokens are hidden from attention instead of removed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from timesenclip.bands import band_index
from timesenclip.errors import CheckpointError, InputError, NoClearObservationError
from timesenclip.series import PixelSeries
from timesenclip.tensors import read_tensors

__all__ = ["Presto", "load_presto", "monthly_grid", "presto_features"]

GROUPS: dict[str, tuple[str, ...]] = {
    "S2_RGB": ("B02", "B03", "B04"),
    "S2_Red_Edge": ("B05", "B06", "B07"),
    "S2_NIR_10m": ("B08",),
    "S2_NIR_20m": ("B8A",),
    "S2_SWIR": ("B11", "B12"),
    "NDVI": (),
}
"""Groups of bands that become a token each, with the bands in Presto's order; NDVI is computed of B08 and B04."""
_CHANNEL = {"S2_RGB": 1, "S2_Red_Edge": 2, "S2_NIR_10m": 3, "S2_NIR_20m": 4, "S2_SWIR": 5, "NDVI": 8}
"""Row of `channel_embed`: S1 is 0, ERA5 6, SRTM 7, Dynamic World 9."""
_HEADS = 8
_MOST_MONTHS = 24


class Presto(nn.Module):
    """The encoder of Presto for Sentinel-2 alone, with the official names of its parameters.

    Args:
        dim: D, width of a token.
        depth: number of layers.
        mlp_ratio: width of the feed-forward layer over D.
        most_months: rows of the table of positions.
    """

    def __init__(self, dim: int = 128, depth: int = 2, mlp_ratio: int = 4, most_months: int = _MOST_MONTHS) -> None:
        super().__init__()
        self.eo_patch_embed = nn.ModuleDict({name: nn.Linear(len(bands) or 1, dim) for name, bands in GROUPS.items()})
        self.latlon_embed = nn.Linear(3, dim)
        self.blocks = nn.ModuleList(_Block(dim, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        # A token's place is told by [month | group | position]: a quarter, a quarter and a half of its width.
        self.pos_embed = nn.Parameter(torch.zeros(1, most_months, dim // 2), requires_grad=False)
        self.month_embed = nn.Embedding(12, dim // 4)
        self.channel_embed = nn.Embedding(10, dim // 4)

    def forward(self, x: Tensor, valid: Tensor, month: Tensor, lonlat: Tensor) -> Tensor:
        """Features of a batch.

        Args:
            x: (B, T, 10) reflectance 0..1 in `BAND_NAMES` order, one step a month.
            valid: (B, T) bool; a month that is False takes no part.
            month: (B, T) calendar month 0..11.
            lonlat: (B, 2) degrees; NaN leaves the token of the place out.

        Returns:
            (B, D)
        """
        steps = x.shape[1]
        position = self.pos_embed[:, :steps].expand(len(x), -1, -1)  # (B, T, D / 2)
        season = self.month_embed(month)  # (B, T, D / 4)
        tokens = [self._place(lonlat)]
        for name, embed in self.eo_patch_embed.items():
            group = self.channel_embed.weight[_CHANNEL[name]].expand(len(x), steps, -1)  # (B, T, D / 4)
            tokens.append(embed(_values(x, name)) + torch.cat([season, group, position], dim=-1))
        known = torch.isfinite(lonlat).all(dim=1, keepdim=True)  # (B, 1)
        keep = torch.cat([known, valid.repeat(1, len(GROUPS))], dim=1)  # (B, 1 + 6 T)
        hidden = torch.cat(tokens, dim=1)  # (B, 1 + 6 T, D)
        for block in self.blocks:
            hidden = block(hidden, keep)
        weight = keep[..., None].to(hidden.dtype)
        mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
        return torch.as_tensor(self.norm(mean))

    def _place(self, lonlat: Tensor) -> Tensor:
        """(B, 1, D)"""
        lon, lat = torch.deg2rad(torch.nan_to_num(lonlat)).unbind(dim=1)
        ball = torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=-1)  # (B, 3)
        return torch.as_tensor(self.latlon_embed(ball)[:, None])


class _Block(nn.Module):
    def __init__(self, dim: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(dim, 3 * dim), "proj": nn.Linear(dim, dim)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, mlp_ratio * dim), "fc2": nn.Linear(mlp_ratio * dim, dim)})

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        b, n, d = x.shape
        parts = self.attn["qkv"](self.norm1(x)).reshape(b, n, 3, _HEADS, d // _HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)  # (B, H, N, D / H)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=keep[:, None, None])
        x = x + self.attn["proj"](seen.transpose(1, 2).reshape(b, n, d))
        return torch.as_tensor(x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x)))))


def _values(x: Tensor, group: str) -> Tensor:
    """(B, T, bands of the group)"""
    if group != "NDVI":
        return x[..., [band_index(name) for name in GROUPS[group]]]
    near, red = x[..., band_index("B08")], x[..., band_index("B04")]
    total = near + red
    return torch.where(total > 0, (near - red) / total.clamp(min=1e-12), 0.0)[..., None]


def load_presto(path: str | Path) -> Presto:
    """Read the published single-file weights (`default_model.pt`), or the encoder alone; no pickled code runs.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: it cannot be read, or holds no Presto encoder; the message names what is missing.
    """
    tensors = read_tensors(path)
    state = {key.removeprefix("encoder."): value for key, value in tensors.items() if not key.startswith("decoder.")}
    needed = ("latlon_embed.weight", "blocks.0.mlp.fc1.weight", "pos_embed")
    absent = [key for key in needed if key not in state]
    if absent:
        some = ", ".join(list(tensors)[:4])
        raise CheckpointError(f"'{path}' holds no Presto encoder: no tensor '{absent[0]}' (tensors: {some}, ...).")
    dim = len(state["latlon_embed.weight"])
    depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    model = Presto(dim, depth, len(state["blocks.0.mlp.fc1.weight"]) // dim, state["pos_embed"].shape[1])
    for key, wanted in model.state_dict().items():
        if key not in state or state[key].shape != wanted.shape:
            found = f"has shape {tuple(state[key].shape)}" if key in state else "is not there"
            raise CheckpointError(f"'{path}': '{key}' {found}; expected {tuple(wanted.shape)}.")
    model.load_state_dict({key: state[key].float() for key in model.state_dict()})
    return model.eval()


def presto_features(
    series: PixelSeries,
    model: Presto | str | Path,
    *,
    batch_size: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Features of every series (N, D), for a linear probe; they share no space with words.

    Args:
        series: N pixel series; of patches the middle pixel is taken, as Presto reads single pixels.
        model: from `load_presto`, or the file.
        batch_size: series in one pass.
        progress: called with (done, N).

    Raises:
        NoClearObservationError: a series has no valid step.
        InputError: the series reach over more months than the model has positions for.
    """
    encoder = model if isinstance(model, Presto) else load_presto(model)
    unseen = int((~series.valid.any(axis=1)).sum())
    if unseen:
        raise NoClearObservationError(f"{unseen} of {len(series)} series were never seen clearly; leave them out.")
    out = np.empty((len(series), encoder.norm.normalized_shape[0]), dtype=np.float32)
    for first in range(0, len(series), batch_size):
        part = series.take(slice(first, first + batch_size))
        values, valid, month = monthly_grid(part, most=encoder.pos_embed.shape[1])
        lonlat = np.stack([part.lon_deg, part.lat_deg], axis=1).astype(np.float32)
        with torch.inference_mode():
            found = encoder(*map(torch.from_numpy, (values, valid, month, lonlat)))
        out[first : first + len(part)] = found.numpy()
        if progress is not None:
            progress(min(first + batch_size, len(series)), len(series))
    return out


def monthly_grid(
    series: PixelSeries, *, most: int = _MOST_MONTHS
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    """Steps as calendar months: several in one month are averaged, a longer one stands in its middle month.

    Args:
        series: N pixel series.
        most: months that fit.

    Returns:
        Reflectance (N, M, 10), validity (N, M) and calendar months 0..11 (N, M); the first column is the month of each
        series' first step, whether or not it was seen.

    Raises:
        InputError: a series reaches over more than `most` months.
    """
    values = series.reflectance
    if values.ndim == 5:
        values = values[..., values.shape[3] // 2, values.shape[4] // 2]  # (N, T, C)
    middle = (series.start + (series.end - series.start) // 2).astype("datetime64[M]").astype(np.int64)  # (N, T)
    first = middle.min(axis=1, keepdims=True)
    place = middle - first
    months = max(int(place.max()) + 1, 1)
    if months > most:
        raise InputError(f"Series over {months} months; Presto reads at most {most}. Choose a shorter period.")
    total = np.zeros((len(series), months, values.shape[2]))
    count = np.zeros((len(series), months))
    rows, steps = np.nonzero(series.valid)
    np.add.at(total, (rows, place[rows, steps]), values[rows, steps])
    np.add.at(count, (rows, place[rows, steps]), 1.0)
    mean = total / np.maximum(count, 1)[..., None]
    return mean.astype(np.float32), count > 0, (first + np.arange(months)) % 12
