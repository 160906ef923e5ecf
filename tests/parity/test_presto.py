"""Presto's encoder against one built here by an independent hand, which drops masked tokens instead of masking them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from timesenclip.errors import CheckpointError, NoClearObservationError, TimeError
from timesenclip.evaluation.baselines.presto import INPUTS, load_presto, presto_features, presto_input
from timesenclip.series import PixelSeries
from timesenclip.testing import random_series

DIM, HEADS, MONTHS = 128, 8, 24
BANDS = {
    "S1": ["VV", "VH"],
    "S2_RGB": ["B2", "B3", "B4"],
    "S2_Red_Edge": ["B5", "B6", "B7"],
    "S2_NIR_10m": ["B8"],
    "S2_NIR_20m": ["B8A"],
    "S2_SWIR": ["B11", "B12"],
    "ERA5": ["temperature_2m", "total_precipitation"],
    "SRTM": ["elevation", "slope"],
    "NDVI": ["NDVI"],
}
ORDER = [band for bands in BANDS.values() for band in bands]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(DIM, 4 * DIM), nn.Linear(4 * DIM, DIM)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2, self.attn, self.mlp = nn.LayerNorm(DIM), nn.LayerNorm(DIM), Attention(), Mlp()

    def forward(self, x: Tensor) -> Tensor:
        other = nn.MultiheadAttention(DIM, HEADS, batch_first=True).eval()
        other.load_state_dict(
            {
                "in_proj_weight": self.attn.qkv.weight,
                "in_proj_bias": self.attn.qkv.bias,
                "out_proj.weight": self.attn.proj.weight,
                "out_proj.bias": self.attn.proj.bias,
            }
        )
        y = self.norm1(x)
        x = x + other(y, y, y, need_weights=False)[0]
        return x + self.mlp.fc2(nn.GELU()(self.mlp.fc1(self.norm2(x))))  # type: ignore[no-any-return]


class Theirs(nn.Module):
    """One series at a time: every token of every group, the masked ones taken away."""

    def __init__(self) -> None:
        super().__init__()
        self.eo_patch_embed = nn.ModuleDict({name: nn.Linear(len(bands), DIM) for name, bands in BANDS.items()})
        self.dw_embed, self.latlon_embed = nn.Embedding(10, DIM), nn.Linear(3, DIM)
        self.blocks, self.norm = nn.ModuleList([Layer(), Layer()]), nn.LayerNorm(DIM)
        self.month_embed, self.channel_embed = nn.Embedding(12, DIM // 4), nn.Embedding(10, DIM // 4)
        self.pos_embed = nn.Parameter(torch.randn(1, MONTHS, DIM // 2))

    def forward(self, x: Tensor, mask: Tensor, month: int, lat: float, lon: float) -> Tensor:  # (T, 17), (T, 17)
        a, b = np.deg2rad(lat), np.deg2rad(lon)
        place = torch.tensor([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)], dtype=torch.float32)
        tokens = [self.latlon_embed(place)]
        for number, (name, bands) in enumerate(BANDS.items()):
            index = [ORDER.index(band) for band in bands]
            for t in range(len(x)):
                if mask[t, index].max() == 1 or (name == "SRTM" and t > 0):
                    continue
                when, where = self.month_embed.weight[(month + t) % 12], self.pos_embed[0, t]
                if name == "SRTM":
                    when, where = torch.zeros_like(when), torch.zeros_like(where)
                added = torch.cat([when, self.channel_embed.weight[number], where])
                tokens.append(self.eo_patch_embed[name](x[t, index]) + added)
        state = torch.stack(tokens)[None]
        for block in self.blocks:
            state = block(state)
        return self.norm(state.mean(dim=1))[0]  # type: ignore[no-any-return]


def _theirs() -> Theirs:
    torch.manual_seed(5)
    model = Theirs()
    for name, value in model.named_parameters():
        nn.init.normal_(value, mean=float("norm" in name and "weight" in name), std=0.15)
    return model.eval()


def _file(model: Theirs, path: Path, prefix: str = "encoder.") -> Path:
    state = {prefix + key: value.clone() for key, value in model.state_dict().items()}
    rest = {"decoder.mask_token": torch.randn(DIM), "decoder.pos_embed": torch.randn(1, MONTHS, 48)} if prefix else {}
    torch.save(state | rest, path)
    return path


@torch.no_grad()
def test_the_encoder_with_every_kind_of_mask(tmp_path: Path) -> None:
    theirs = _theirs()
    ours = load_presto(_file(theirs, tmp_path / "default_model.pt"))
    assert ours.ignored == {"decoder": 2}
    assert set(ours.encoder.state_dict()) == set(theirs.state_dict())
    assert sum(p.numel() for p in ours.encoder.parameters()) == sum(p.numel() for p in theirs.parameters())
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(6, 14, INPUTS, generator=rng)
    mask = torch.rand(6, 14, INPUTS, generator=rng) < 0.25
    mask[0] = False  # everything is there
    mask[1, :, [ORDER.index(band) for band in ("VV", "VH", "elevation", "slope")]] = True
    mask[2] = True  # only the place is known
    month = torch.tensor([0, 3, 11, 5, 7, 10])
    lonlat = torch.stack([torch.linspace(-170, 170, 6), torch.linspace(-80, 80, 6)], dim=1)
    vectors = ours.encoder(x, mask, month, lonlat)
    for i in range(6):
        lon, lat = lonlat[i].tolist()
        expected = theirs(x[i], mask[i].float(), int(month[i]), lat, lon)
        assert (vectors[i] - expected).abs().max() < 1e-5
    assert vectors.std(dim=0).min() > 1e-3


@torch.no_grad()
def test_features_of_series(tmp_path: Path) -> None:
    theirs = _theirs()
    ours = load_presto(_file(theirs, tmp_path / "bare.pt", prefix=""))
    series = random_series(5, missing=0.4)
    found = presto_features(series, ours, batch_size=2)
    assert found.shape == (5, DIM)
    names = ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"]
    for i in range(5):
        x, mask = torch.zeros(12, INPUTS), torch.ones(12, INPUTS)
        for t in np.flatnonzero(series.valid[i]):
            for name, value in zip(names, series.reflectance[i, t], strict=True):
                x[t, ORDER.index(name)], mask[t, ORDER.index(name)] = float(value), 0
            red, nir = series.reflectance[i, t, 2], series.reflectance[i, t, 6]
            x[t, 16], mask[t, 16] = float((nir - red) / (nir + red)), 0
        expected = theirs(x, mask, 0, series.lat_deg[i], series.lon_deg[i])
        assert np.abs(found[i] - expected.numpy()).max() < 1e-5
    # The place matters, and where it is unknown the others do not change.
    some = replace(series, lon_deg=np.where(np.arange(5) == 2, np.nan, series.lon_deg))
    other = presto_features(some, ours)
    assert np.isfinite(other).all()
    assert np.abs(other[2] - found[2]).max() > 1e-3
    assert np.abs(np.delete(other, 2, 0) - np.delete(found, 2, 0)).max() < 1e-5


def _steps(starts: list[str], ends: list[str], values: list[float], valid: list[bool] | None = None) -> PixelSeries:
    count = len(starts)
    return PixelSeries(
        reflectance=np.array(values, np.float32)[None, :, None].repeat(10, axis=2),
        valid=np.array([valid or [True] * count]),
        start=np.array([starts], "datetime64[D]"),
        end=np.array([ends], "datetime64[D]"),
        sample_id=("a",),
        lon_deg=np.zeros(1),
        lat_deg=np.zeros(1),
    )


def test_steps_become_calendar_months() -> None:
    dates = ["2020-11-03", "2020-11-20", "2021-01-05", "2021-02-05"]
    next_day = ["2020-11-04", "2020-11-21", "2021-01-06", "2021-02-06"]
    x, masked, month = presto_input(_steps(dates, next_day, [0.1, 0.3, 0.4, 0.9], [True, True, True, False]))
    assert month.tolist() == [10]
    assert x.shape == (1, 3, INPUTS)
    assert x[0, :, 2] == pytest.approx([0.2, 0, 0.4])
    assert masked[0, :, 2].tolist() == masked[0, :, 16].tolist() == [False, True, False]
    assert masked[0, :, [0, 1, 12, 13, 14, 15]].all()
    assert (x[0, :, 16] == 0).all()  # red and near infrared are alike
    quarters = _steps(
        ["2021-01-01", "2021-04-01", "2021-07-01", "2021-10-01"],
        ["2021-04-01", "2021-07-01", "2021-10-01", "2022-01-01"],
        [0.1, 0.2, 0.3, 0.4],
    )
    x, masked, month = presto_input(quarters)
    assert month.tolist() == [1]
    assert np.flatnonzero(~masked[0, :, 2]).tolist() == [0, 3, 6, 9]
    assert presto_input(_steps(["2021-01-01"], ["2022-01-01"], [0.1]))[2].tolist() == [6]
    with pytest.raises(TimeError, match="spans 26 months and Presto reads 24"):
        presto_input(_steps(["2019-01-01", "2021-02-01"], ["2019-02-01", "2021-03-01"], [0.1, 0.2]))
    with pytest.raises(NoClearObservationError, match="'a'"):
        presto_input(_steps(["2021-01-01"], ["2021-02-01"], [0.0], [False]))


def test_patches_are_averaged() -> None:
    series = random_series(3)
    patch = series.reflectance[..., None, None] * np.array([[0.5, 1.5], [1.0, 1.0]], np.float32)
    assert presto_input(replace(series, reflectance=patch.astype(np.float32)))[0] == pytest.approx(
        presto_input(series)[0], abs=1e-6
    )


class _Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_what_is_no_presto_is_refused_in_one_line(tmp_path: Path) -> None:
    state = {f"encoder.{key}": value for key, value in _theirs().state_dict().items()}
    torch.save(state, tmp_path / "good.pt")
    torch.save(state | {"hook": _Evil(tmp_path / "ran")}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="the file is hostile"):
        load_presto(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()
    broken = {
        "none": ({"fc.weight": torch.ones(2, 2)}, "holds no Presto"),
        "half": ({k: v for k, v in state.items() if "blocks" not in k}, "no whole Presto"),
        "missing": (
            {k: v for k, v in state.items() if "blocks.1.attn.proj.bias" not in k},
            r"attn\.proj\.bias.*missing",
        ),
        "shape": (state | {"encoder.eo_patch_embed.S2_SWIR.weight": torch.ones(DIM, 3)}, r"1 tensors.*\(128, 3\)"),
        "new": (state | {"encoder.dem_embed.weight": torch.ones(2)}, r"1 are new.*dem_embed"),
    }
    for name, (content, message) in broken.items():
        torch.save(content, tmp_path / f"{name}.pt")
        with pytest.raises(CheckpointError, match=message) as caught:
            load_presto(tmp_path / f"{name}.pt")
        assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="12 heads"):
        load_presto(tmp_path / "good.pt", heads=12)
