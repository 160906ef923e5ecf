"""Presto (Tseng et al. 2023) as an encoder to compare with: series to 128 features, from its published weights.

Written from its description, with the parameter names of the published file, so that `data/default_model.pt` of
github.com/nasaharvest/presto (MIT) loads. Only the encoder is here; the file's decoder is ignored.

A token is a group of bands of one month; a token more says where on Earth. What we do not have (Sentinel-1, weather,
terrain, Dynamic World) and months that were not seen are masked, as Presto was trained to be used: no token looks at
them and the mean leaves them out.

Source: nasaharvest/presto: presto/presto.py (Encoder: embeddings, `mask_tokens`, `eval_task`), config/default.json,
presto/dataops/pipelines/s1_s2_era5_srtm.py (bands, groups, normalisation), arXiv 2304.14065.
Differs: Presto learned from Earth Engine's COPERNICUS/S2, top of atmosphere (nasaharvest/openmapflow, eo/sentinel2.py);
our series are surface reflectance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from timesenclip.bands import band_index
from timesenclip.errors import CheckpointError, InputError, NoClearObservationError, TimeError
from timesenclip.safe_torch_load import read_tensors
from timesenclip.series import PixelSeries

__all__ = [
    "GROUPS",
    "HEADS",
    "INPUTS",
    "Presto",
    "PrestoEncoder",
    "PrestoLayer",
    "load_presto",
    "presto_features",
    "presto_input",
]

GROUPS: dict[str, tuple[int, ...]] = {
    "S1": (0, 1),
    "S2_RGB": (2, 3, 4),
    "S2_Red_Edge": (5, 6, 7),
    "S2_NIR_10m": (8,),
    "S2_NIR_20m": (9,),
    "S2_SWIR": (10, 11),
    "ERA5": (12, 13),
    "SRTM": (14, 15),
    "NDVI": (16,),
}
"""Channels of each group, in the order of the channel embedding; Dynamic World comes last, as number 9."""

INPUTS = 17
"""Channels: S1 VV, VH; ten bands of Sentinel-2 from B2 to B12, in our order; ERA5 temperature, rain; SRTM elevation,
slope; NDVI."""

_S2 = slice(2, 12)
_NDVI = 16
_TERRAIN = "SRTM"  # one token for the whole series, without month and position
_LAND_COVERS = 9
HEADS = 8  # Source: config/default.json; the one size that no shape tells


class PrestoEncoder(nn.Module):
    """Masked months of band groups to one vector."""

    def __init__(
        self, dim: int = 128, *, depth: int = 2, hidden: int = 512, heads: int = HEADS, most_months: int = 24
    ) -> None:
        """Build it; all weights come from a file (`load_presto`).

        Args:
            dim: D, length of a token and of the vector.
            depth: layers.
            hidden: width inside a layer's MLP.
            heads: of the attention.
            most_months: longest series.
        """
        super().__init__()
        self.eo_patch_embed = nn.ModuleDict({name: nn.Linear(len(bands), dim) for name, bands in GROUPS.items()})
        self.dw_embed = nn.Embedding(_LAND_COVERS + 1, dim)  # of Dynamic World's classes; never used here
        self.latlon_embed = nn.Linear(3, dim)
        self.blocks = nn.ModuleList([PrestoLayer(dim, hidden, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        # What is added to a token: a quarter tells the month of the year, a quarter the group, half the position.
        self.month_embed = nn.Embedding(12, dim // 4)
        self.channel_embed = nn.Embedding(len(GROUPS) + 1, dim // 4)
        self.pos_embed = nn.Parameter(torch.zeros(1, most_months, dim // 2))

    def forward(self, x: Tensor, masked: Tensor, month: Tensor, lonlat: Tensor) -> Tensor:
        """Encode.

        Args:
            x: (B, T, 17) normalised channels, one step a month.
            masked: (B, T, 17) True = not there. A group with one masked channel is masked.
            month: (B,) first month, 0 for January.
            lonlat: (B, 2) degrees; the token of the place is masked where either is NaN.

        Returns:
            (B, D), the mean of the tokens that are there, normalised as Presto does it in its evaluation.
        """
        state, use, _ = self.states(x, masked, month, lonlat)
        total = (state * use[..., None]).sum(dim=1) / use.sum(dim=1, keepdim=True)
        return self.norm(total)  # type: ignore[no-any-return]  # (B, D)

    def states(
        self, x: Tensor, masked: Tensor, month: Tensor, lonlat: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, slice]]:
        """Tokens after the last layer (B, L, D), which of them are there (B, L), and where those of each group stand.

        Arguments as `forward`. Token 0 is that of the place. Groups that are masked in the whole batch have no tokens.
        """
        batch, steps, _ = x.shape
        when = self.month_embed((month[:, None] + torch.arange(steps)) % 12)  # (B, T, D / 4)
        where = self.pos_embed[:, :steps].expand(batch, -1, -1)  # (B, T, D / 2)
        known = ~lonlat.isnan().any(dim=1, keepdim=True)  # (B, 1)
        tokens, keep = [self.latlon_embed(_on_sphere(lonlat))[:, None]], [known]
        stand: dict[str, slice] = {}
        length = 1
        for i, (name, bands) in enumerate(GROUPS.items()):
            there = ~masked[..., bands].any(dim=-1)  # (B, T)
            if not there.any():
                continue  # a token that no other looks at and no mean counts changes nothing
            group = self.channel_embed.weight[i].expand(batch, steps, -1)
            if name == _TERRAIN:
                there, added = there[:, :1], torch.cat([0 * when, group, 0 * where], dim=-1)[:, :1]
            else:
                added = torch.cat([when, group, where], dim=-1)  # (B, T, D)
            tokens.append(self.eo_patch_embed[name](x[..., bands])[:, : there.shape[1]] + added)
            keep.append(there)
            stand[name] = slice(length, length + there.shape[1])
            length += there.shape[1]
        state, use = torch.cat(tokens, dim=1), torch.cat(keep, dim=1)  # (B, L, D), (B, L)
        for block in self.blocks:
            state = block(state, use[:, None, None])
        return state, use, stand


class PrestoLayer(nn.Module):
    """Attention and MLP, each after a norm. Source: timm's ViT block, without its options."""

    def __init__(self, dim: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(dim, 3 * dim), "proj": nn.Linear(dim, dim)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, hidden), "fc2": nn.Linear(hidden, dim)})
        self.heads = heads

    def forward(self, x: Tensor, use: Tensor) -> Tensor:
        """(B, L, D) of tokens (B, L, D), which attend to those where `use` (B, 1, 1, L) is true."""
        batch, length, dim = x.shape
        qkv = self.attn["qkv"](self.norm1(x)).view(batch, length, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, H, L, D / H) each
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=use)
        x = x + self.attn["proj"](mixed.transpose(1, 2).reshape(batch, length, dim))
        return x + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))  # type: ignore[no-any-return]


def _on_sphere(lonlat: Tensor) -> Tensor:
    """(B, 2) degrees to (B, 3) on the unit sphere; the origin where unknown."""
    lon, lat = torch.deg2rad(lonlat.nan_to_num()).unbind(dim=1)
    return torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=-1)


@dataclass(frozen=True, slots=True)
class Presto:
    """An encoder that was read from a file."""

    encoder: PrestoEncoder
    """In evaluation mode."""
    source: str
    """Name of the file."""
    ignored: dict[str, int]
    """Tensors that are no part of the encoder, counted by the part that they belong to: `decoder`."""


def load_presto(path: str | Path, *, heads: int = HEADS) -> Presto:
    """Read Presto's published weights; no pickled code runs.

    Args:
        path: `default_model.pt`, a fine-tuned model of it, or its bare encoder; `.safetensors` too.
        heads: of the attention, which no shape tells.

    Raises:
        DataNotFoundError: there is no such file.
        CheckpointError: it cannot be read, or is no Presto with these band groups.
    """
    tensors = read_tensors(path)
    mark = "eo_patch_embed.S2_RGB.weight"
    prefix = next((name.removesuffix(mark) for name in sorted(tensors, key=len) if name.endswith(mark)), None)
    if prefix is None:
        some = ", ".join(list(tensors)[:4])
        raise CheckpointError(f"'{path}' holds no Presto: no tensor '{mark}' under any prefix (tensors: {some}, ...).")
    state = {key.removeprefix(prefix): value.float() for key, value in tensors.items() if key.startswith(prefix)}
    depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    shape = {key: tuple(state[key].shape) if key in state else () for key in ("norm.weight", "pos_embed", _FC1)}
    if depth == 0 or [len(shape[key]) for key in shape] != [1, 3, 2]:
        raise CheckpointError(f"'{path}' is no whole Presto encoder: norm, pos_embed or blocks are missing or broken.")
    dim = shape["norm.weight"][0]
    if dim % (4 * heads):
        raise CheckpointError(f"'{path}' has tokens of {dim} numbers, which {heads} heads and quarters do not divide.")
    encoder = PrestoEncoder(dim, depth=depth, hidden=shape[_FC1][0], heads=heads, most_months=shape["pos_embed"][1])
    wanted = encoder.state_dict()
    wrong = [key for key in wanted if key not in state or state[key].shape != wanted[key].shape]
    extra = sorted(state.keys() - wanted.keys()) if prefix else []
    if wrong or extra:
        key = (wrong or extra)[0]
        seen = f"has shape {tuple(state[key].shape)}" if key in state else "is missing"
        raise CheckpointError(
            f"'{path}' is another Presto than the published one: {len(wrong)} tensors are missing or of another shape, "
            f"{len(extra)} are new, such as '{prefix}{key}', which {seen}."
        )
    encoder.load_state_dict({key: state[key] for key in wanted})
    others = [key for key in tensors if not key.startswith(prefix) or key.removeprefix(prefix) not in wanted]
    ignored = {part: sum(key.split(".")[0] == part for key in others) for part in {key.split(".")[0] for key in others}}
    return Presto(encoder.eval().requires_grad_(False), Path(path).name, dict(sorted(ignored.items())))


_FC1 = "blocks.0.mlp.fc1.weight"


def presto_input(
    series: PixelSeries, *, most_months: int = 24
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    """What Presto reads of series: channels (N, T, 17), what is masked (N, T, 17), first month (N,) with 0 January.

    A step belongs to the calendar month of its middle: several steps of a month are averaged, a quarter stands in its
    second month and a year in July; months without a clear step are masked, and bands that no step of a month has.
    Patches are averaged. Reflectance is DN / 10000 already, as Presto normalises it; NDVI comes from these averages.

    Raises:
        TimeError: a series spans more months than Presto reads.
        NoClearObservationError: a series was never seen clearly.
    """
    unseen = ~series.valid.any(axis=1)
    if unseen.any():
        raise NoClearObservationError(
            f"{int(unseen.sum())} of {len(series)} series have no clear observation, the first being "
            f"'{series.sample_id[int(unseen.argmax())]}'; leave them out."
        )
    values = series.reflectance
    values = values.mean(axis=(3, 4)) if values.ndim == 5 else values  # (N, T, C)
    month = series.months()
    first = month.min(axis=1)
    place = month - first[:, None]  # (N, T)
    months = int(place[series.valid].max()) + 1
    if months > most_months:
        raise TimeError(f"A series spans {months} months and Presto reads {most_months} at most; shorten the period.")
    row = np.broadcast_to(np.arange(len(series))[:, None], place.shape)[series.valid]
    total = np.zeros((len(series), months, values.shape[2]))
    count = np.zeros(total.shape)
    seen = series.bands_seen()[series.valid]  # (steps, C)
    np.add.at(total, (row, place[series.valid]), np.where(seen, values[series.valid], 0.0))
    np.add.at(count, (row, place[series.valid]), seen)
    mean = total / np.maximum(count, 1)
    red, nir = mean[..., band_index("red")], mean[..., band_index("nir")]
    x = np.zeros((len(series), months, INPUTS), dtype=np.float32)
    x[..., _S2] = mean
    x[..., _NDVI] = np.divide(nir - red, nir + red, out=np.zeros_like(nir), where=nir + red > 0)
    masked = np.ones(x.shape, dtype=bool)
    masked[..., _S2] = count == 0
    masked[..., _NDVI] = masked[..., _S2][..., [band_index("red"), band_index("nir")]].any(axis=-1)
    return x, masked, first % 12


def presto_features(
    series: PixelSeries,
    presto: Presto,
    *,
    batch_size: int = 1024,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Presto's features (N, D) of pixel series, for a linear probe.

    Where longitude or latitude is unknown the token of the place is masked like a missing month.

    Args:
        series: N series with at least one clear step each.
        presto: from `load_presto`.
        batch_size: series encoded at a time.
        progress: called with (done, N) after each batch.

    Raises:
        TimeError: a series spans more months than Presto reads.
        NoClearObservationError: a series was never seen clearly.
        InputError: `batch_size` is below 1.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected 1 or more.")
    encoder = presto.encoder
    out = np.zeros((len(series), encoder.norm.normalized_shape[0]), dtype=np.float32)
    for start in range(0, len(series), batch_size):
        part = series.take(slice(start, start + batch_size))
        x, masked, month = presto_input(part, most_months=encoder.pos_embed.shape[1])
        lonlat = np.stack([part.lon_deg, part.lat_deg], axis=1).astype(np.float32)
        with torch.inference_mode():
            vectors = encoder(*(torch.from_numpy(array) for array in (x, masked, month, lonlat)))
        out[start : start + len(part)] = vectors.numpy()
        if progress is not None:
            progress(start + len(part), len(series))
    return out
