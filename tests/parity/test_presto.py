"""Presto's features against an independent construction that removes masked tokens, as the published code does.

Built from the paper and the names in the published file: all nine groups of bands and Dynamic World exist, what is not
given is masked and taken out, and attention runs over what is left, one place at a time.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from timesenclip.errors import CheckpointError, InputError, NoClearObservationError
from timesenclip.series import PixelSeries
from timesenclip.tasks.presto import load_presto, monthly_grid, presto_features

D, DEPTH, HEADS, RATIO = 32, 2, 8, 4
WIDTHS = {"S1": 2, "S2_RGB": 3, "S2_Red_Edge": 3, "S2_NIR_10m": 1, "S2_NIR_20m": 1, "S2_SWIR": 2}
WIDTHS |= {"ERA5": 2, "SRTM": 2, "NDVI": 1}
OURS = {"S2_RGB": [0, 1, 2], "S2_Red_Edge": [3, 4, 5], "S2_NIR_10m": [6], "S2_NIR_20m": [7], "S2_SWIR": [8, 9]}


def official_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict as `default_model.pt` has it, with random numbers; angles where the original has angles."""
    torch.manual_seed(seed)
    angle = torch.arange(12) * (2 * math.pi / 12)
    half = D // 4 // 2
    state = {
        "encoder.pos_embed": torch.randn(1, 24, D // 2),
        "encoder.month_embed.weight": torch.stack([angle.sin(), angle.cos()], 1).repeat_interleave(half, dim=1),
        "encoder.channel_embed.weight": torch.randn(10, D // 4),
        "encoder.dw_embed.weight": torch.randn(10, D),
        "encoder.latlon_embed.weight": torch.randn(D, 3),
        "encoder.latlon_embed.bias": torch.randn(D),
        "encoder.norm.weight": torch.rand(D) + 0.5,
        "encoder.norm.bias": torch.randn(D),
        "decoder.mask_token": torch.randn(D),
    }
    for name, width in WIDTHS.items():
        state[f"encoder.eo_patch_embed.{name}.weight"] = torch.randn(D, width)
        state[f"encoder.eo_patch_embed.{name}.bias"] = torch.randn(D)
    shapes = {"norm1": (D,), "norm2": (D,), "attn.qkv": (3 * D, D), "attn.proj": (D, D), "mlp.fc1": (RATIO * D, D)}
    shapes["mlp.fc2"] = (D, RATIO * D)
    for i in range(DEPTH):
        for name, shape in shapes.items():
            state[f"encoder.blocks.{i}.{name}.weight"] = torch.randn(*shape) / math.sqrt(shape[-1])
            state[f"encoder.blocks.{i}.{name}.bias"] = torch.randn(shape[0]) / 10
    return state


def independent(state: dict[str, torch.Tensor], place: PixelSeries, start_month: int, months: list[int]) -> np.ndarray:
    """Features of one place; `months` are the steps that are there, counted from the start."""
    w = {key.removeprefix("encoder."): value for key, value in state.items()}
    reflectance = torch.from_numpy(place.reflectance[0])
    tokens = []
    lat, lon = math.radians(place.lat_deg[0]), math.radians(place.lon_deg[0])
    ball = torch.tensor([math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)])
    tokens.append(ball.float() @ w["latlon_embed.weight"].T + w["latlon_embed.bias"])
    for index, name in enumerate(WIDTHS):
        for t in months:
            values = reflectance[t]
            if name == "NDVI":
                given = ((values[6] - values[2]) / (values[6] + values[2]))[None]
            elif name in OURS:
                given = values[OURS[name]]
            else:
                continue
            token = w[f"eo_patch_embed.{name}.weight"] @ given + w[f"eo_patch_embed.{name}.bias"]
            month, group = w["month_embed.weight"][(start_month + t) % 12], w["channel_embed.weight"][index]
            tokens.append(token + torch.cat([month, group, w["pos_embed"][0, t]]))
    x = torch.stack(tokens)[None]
    for i in range(DEPTH):
        mine = {key.removeprefix(f"blocks.{i}."): value for key, value in w.items() if key.startswith(f"blocks.{i}.")}
        attention = nn.MultiheadAttention(D, HEADS, batch_first=True)
        attention.load_state_dict(
            {
                "in_proj_weight": mine["attn.qkv.weight"],
                "in_proj_bias": mine["attn.qkv.bias"],
                "out_proj.weight": mine["attn.proj.weight"],
                "out_proj.bias": mine["attn.proj.bias"],
            }
        )
        y = nn.functional.layer_norm(x, (D,), mine["norm1.weight"], mine["norm1.bias"])
        x = x + attention(y, y, y, need_weights=False)[0]
        y = nn.functional.layer_norm(x, (D,), mine["norm2.weight"], mine["norm2.bias"])
        y = nn.functional.gelu(y @ mine["mlp.fc1.weight"].T + mine["mlp.fc1.bias"])
        x = x + y @ mine["mlp.fc2.weight"].T + mine["mlp.fc2.bias"]
    return nn.functional.layer_norm(x.mean(dim=1), (D,), w["norm.weight"], w["norm.bias"]).detach().numpy()[0]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], Path]:
    state = official_weights()
    path = tmp_path_factory.mktemp("presto") / "default_model.pt"
    torch.save(state, path)
    return state, path


@pytest.fixture
def series() -> PixelSeries:
    rng = np.random.default_rng(0)
    valid = rng.random((5, 12)) > 0.3
    valid[:, 0], valid[1], valid[2, 0] = True, True, False
    return PixelSeries.from_monthly(
        rng.uniform(0.01, 0.6, (5, 12, 10)).astype(np.float32),
        year=2018,
        valid=valid,
        lon_deg=np.array([4.0, -70.0, 150.0, 0.0, 12.5]),
        lat_deg=np.array([51.0, -33.0, -5.0, 0.0, 68.0]),
    )


def test_features_are_those_of_the_original(weights, series) -> None:
    state, path = weights
    found = presto_features(series, path, batch_size=2)
    assert found.shape == (5, D)
    for i in range(5):
        expected = independent(state, series.take(np.array([i])), 0, list(np.flatnonzero(series.valid[i])))
        np.testing.assert_allclose(found[i], expected, atol=1e-5)


def test_a_season_that_starts_in_july_has_its_own_months_and_positions(weights, series) -> None:
    state, path = weights
    shift = np.timedelta64(181, "D")
    dates = (np.datetime64("2018-07", "M") + np.arange(13)).astype("datetime64[D]")
    assert series.start[0, 0] + shift == dates[0]

    later = replace(series, start=np.tile(dates[:-1], (5, 1)), end=np.tile(dates[1:], (5, 1)))
    found = presto_features(later, load_presto(path))
    expected = independent(state, later.take(np.array([3])), 6, list(np.flatnonzero(later.valid[3])))
    np.testing.assert_allclose(found[3], expected, atol=1e-5)


def test_an_unknown_place_leaves_its_token_out(weights, series) -> None:

    _, path = weights
    nowhere = presto_features(replace(series, lon_deg=np.full(5, np.nan)), path)
    assert np.isfinite(nowhere).all()
    assert np.abs(nowhere - presto_features(series, path)).max() > 1e-3


def test_steps_become_calendar_months() -> None:
    days = np.array([["2018-01-02", "2018-01-20", "2018-03-05"]], dtype="datetime64[D]")
    values = np.zeros((1, 3, 10), dtype=np.float32)
    values[0, :, 0] = [0.1, 0.3, 0.5]
    ids, nan = ("a",), np.array([np.nan])
    series = PixelSeries(values, np.ones((1, 3), bool), days, days + np.timedelta64(1, "D"), ids, nan, nan)
    grid, valid, month = monthly_grid(series)
    np.testing.assert_allclose(grid[0, :, 0], [0.2, 0.0, 0.5], atol=1e-7)
    assert valid.tolist() == [[True, False, True]]
    assert month.tolist() == [[0, 1, 2]]
    first = days[:, :1]
    quarter = PixelSeries(values[:, :1], np.ones((1, 1), bool), first, first + np.timedelta64(90, "D"), ids, nan, nan)
    assert monthly_grid(quarter)[2].tolist() == [[1]]
    far = np.array([["2018-01-02", "2018-02-20", "2021-03-05"]], dtype="datetime64[D]")
    long = PixelSeries(values, np.ones((1, 3), bool), far, far + np.timedelta64(1, "D"), ids, nan, nan)
    with pytest.raises(InputError, match="over 39 months; Presto reads at most 24"):
        monthly_grid(long)


def test_other_files_are_refused_in_one_line(weights, series, tmp_path: Path) -> None:
    state, path = weights
    torch.save({"encoder.spam": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"holds no Presto encoder: no tensor 'latlon_embed.weight'"):
        load_presto(tmp_path / "other.pt")
    torch.save({**state, "encoder.norm.bias": torch.zeros(3)}, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match=r"'norm.bias' has shape \(3,\); expected \(32,\)"):
        load_presto(tmp_path / "odd.pt")
    (tmp_path / "cut.pt").write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_presto(tmp_path / "cut.pt")

    with pytest.raises(NoClearObservationError, match="1 of 5 series"):
        presto_features(replace(series, valid=series.valid & (np.arange(5) != 2)[:, None]), path)
