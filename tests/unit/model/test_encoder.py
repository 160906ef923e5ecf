from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from timesenclip.errors import InputError
from timesenclip.model.encoder import PRESETS, EncoderConfig, SeriesEncoder, fourier_features, month_shares
from timesenclip.series import PixelSeries

TINY = replace(PRESETS["tiny"], dim=32, depth=2, heads=2, ffn_dim=16, embed_dim=8)


def _encoder(**changes: object) -> SeriesEncoder:
    torch.manual_seed(1)
    encoder = SeriesEncoder(replace(TINY, **changes)).eval()  # type: ignore[arg-type]
    for name, parameter in encoder.named_parameters():
        if "norm" not in name and not name.startswith("mlp_head.0"):
            torch.nn.init.normal_(parameter, std=0.3)
    return encoder


def _batch(steps: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(6, steps, 10, generator=generator)
    start = torch.arange(steps) / 12
    calendar = torch.stack([start % 1, start % 1 + 1 / 12], dim=-1).expand(6, -1, -1)
    return x, calendar, torch.ones(6, steps, dtype=torch.bool)


@pytest.mark.parametrize(("patch", "count"), [(1, 8_169_472), (5, 8_292_352), (9, 8_579_072)])
def test_the_paper_preset_has_the_papers_parameters(patch: int, count: int) -> None:
    encoder = SeriesEncoder(replace(PRESETS["paper"], patch_size=patch))
    assert sum(parameter.numel() for parameter in encoder.parameters()) == count


def test_the_paper_preset_has_the_authors_names() -> None:
    names = set(SeriesEncoder(PRESETS["paper"]).state_dict())
    parts = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
    layer = [f"self_attn.{part}" for part in parts]
    layer += [f"{m}.{p}" for m in ("linear1", "linear2", "norm1", "norm2") for p in ("weight", "bias")]
    expected = {f"transformer.layers.{i}.{name}" for i in range(6) for name in layer}
    expected |= {"time_pos_encoding", "time_token", "spectral_embedding.1.weight", "spectral_embedding.1.bias"}
    expected |= {f"mlp_head.{i}.{p}" for i in (0, 1) for p in ("weight", "bias")}
    assert names == expected
    assert len(names) == 80


@torch.no_grad()
def test_missing_steps_have_no_influence_whatever_stands_there() -> None:
    encoder = _encoder()
    x, calendar, valid = _batch()
    valid = valid.clone()
    valid[:, 3:6] = False
    clean = encoder(x, calendar, valid)
    for garbage in (1e6, float("nan"), float("inf")):
        spoilt = x.clone()
        spoilt[:, 3:6] = garbage
        assert torch.equal(encoder(spoilt, calendar, valid), clean)
    kept = [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert torch.allclose(encoder(x[:, kept], calendar[:, kept]), clean, atol=1e-5)
    assert not torch.allclose(encoder(x, calendar), clean, atol=1e-3)


@torch.no_grad()
def test_steps_may_come_in_any_order() -> None:
    encoder = _encoder()
    x, calendar, valid = _batch()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(encoder(x[:, order], calendar[:, order], valid), encoder(x, calendar, valid), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("positions", ["monthly", "calendar"])
def test_the_same_reflectance_at_other_dates_is_another_series(positions: str) -> None:
    encoder = _encoder(positions=positions)
    x, calendar, _ = _batch()
    assert not torch.allclose(encoder(x, calendar + 0.5), encoder(x, calendar), atol=1e-3)
    assert torch.allclose(encoder(x, calendar + 1.0), encoder(x, calendar), atol=1e-4)


@torch.no_grad()
def test_no_valid_step_gives_a_finite_answer_that_is_always_the_same() -> None:
    encoder = _encoder()
    x, calendar, valid = _batch()
    answer = encoder(x * float("nan"), calendar, torch.zeros_like(valid))
    assert torch.isfinite(answer).all()
    assert torch.equal(answer, answer[:1].expand_as(answer))


@torch.no_grad()
@pytest.mark.parametrize("steps", [1, 2, 7, 12, 36])
def test_any_number_of_steps_from_1_to_36(steps: int) -> None:
    x, calendar, valid = _batch(steps)
    assert _encoder()(x, calendar, valid).shape == (6, 8)


def test_bad_shapes_are_named() -> None:
    x, calendar, _ = _batch()
    with pytest.raises(InputError, match="37 steps"):
        _encoder()(torch.zeros(1, 37, 10), torch.zeros(1, 37, 2))
    with pytest.raises(InputError, match=r"\(6, 12, 9\)"):
        _encoder()(x[..., :9], calendar)
    with pytest.raises(InputError, match="calendar"):
        _encoder()(x, calendar[:, :5])
    with pytest.raises(InputError, match="multiple of heads"):
        EncoderConfig(dim=10, heads=3)


def test_a_mask_of_another_shape_is_refused() -> None:
    x, calendar, valid = _batch()
    for wrong in (valid[:, :1], valid[:1], valid[..., None]):
        with pytest.raises(InputError, match=r"`valid` has shape .*expected \(6, 12\)"):
            _encoder()(x, calendar, wrong)


def test_a_calendar_month_is_exactly_that_month() -> None:
    for year in (2019, 2020):  # a common and a leap year
        series = PixelSeries.from_monthly(np.zeros((1, 12, 10), dtype=np.float32), year=year)
        assert torch.equal(month_shares(torch.from_numpy(series.calendar()))[0], torch.eye(12))


def test_wide_intervals_are_means_of_months() -> None:
    quarter = month_shares(torch.tensor([[[0.25, 0.5]]]))[0, 0]
    assert torch.allclose(quarter, torch.tensor([0.0] * 3 + [1 / 3] * 3 + [0.0] * 6), atol=1e-5)
    assert torch.allclose(month_shares(torch.tensor([[[0.4, 1.4]]]))[0, 0], torch.full((12,), 1 / 12), atol=1e-5)
    winter = month_shares(torch.tensor([[[11 / 12, 14 / 12]]]))[0, 0]  # December to February
    assert torch.allclose(winter[[11, 0, 1]], torch.full((3,), 1 / 3), atol=1e-5)


def test_shares_sum_to_one_within_the_four_years_that_are_looked_at() -> None:
    inside = torch.tensor([[[-1.0, -0.5], [0.3, 0.31], [1.45, 1.7], [2.0, 3.0], [7.0, 7.05]]])
    assert torch.allclose(month_shares(inside).sum(dim=-1), torch.ones(1, 5), atol=1e-5)
    assert month_shares(torch.tensor([[[3.0, 3.25]]])).sum() == 0


def test_fourier_features_are_means_over_the_interval() -> None:
    start, width = 0.85, 0.3
    fine = torch.linspace(start, start + width, 20_001, dtype=torch.float64)
    found = fourier_features(torch.tensor([[[start, start + width]]], dtype=torch.float64), 3)[0, 0]
    for k in (1, 2, 3):
        assert abs(float(found[k - 1]) - float((2 * torch.pi * k * fine).cos().mean())) < 1e-4
        assert abs(float(found[k + 2]) - float((2 * torch.pi * k * fine).sin().mean())) < 1e-4
    assert abs(float(found[-1]) - width) < 1e-9


@pytest.mark.parametrize("positions", ["monthly", "calendar"])
def test_training_leaves_missing_steps_out_and_changes_nothing_else(positions: str) -> None:
    torch.manual_seed(0)
    config = replace(PRESETS["tiny"], dim=32, heads=2, dropout=0.0, positions=positions)
    encoder = SeriesEncoder(config)
    for name, parameter in encoder.named_parameters():
        if "norm" not in name and not name.startswith("mlp_head.0"):  # a LayerNorm of noise hides everything
            torch.nn.init.normal_(parameter, std=0.3)
    start = torch.arange(12) / 12
    calendar = torch.stack([start, start + 1 / 12], dim=-1).expand(40, -1, -1)
    x, valid = torch.rand(40, 12, 10), torch.rand(40, 12) < torch.rand(40, 1)
    valid[0], valid[1], valid[2, 1:] = False, True, False
    gradients, vectors = [], []
    for training in (True, False):
        encoder.train(training)
        encoder.zero_grad()
        out = encoder(x, calendar, valid)
        out.square().sum().backward()
        vectors.append(out.detach())
        gradients.append(encoder.spectral_embedding[1].weight.grad.clone())
    assert torch.allclose(vectors[0], vectors[1], atol=1e-4)
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-3, atol=1e-2 * float(gradients[1].abs().max()))
    assert vectors[1].std(dim=0).min() > 1e-3


def test_missing_bands_do_not_change_what_the_others_say() -> None:
    encoder = SeriesEncoder(replace(PRESETS["tiny"], band_mask=True)).eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 12, 10, generator=generator)
    start = torch.arange(12) / 12
    calendar = torch.stack([start, start + 1 / 12], dim=-1).expand(4, -1, -1)
    bands = torch.ones(4, 12, 10, dtype=torch.bool)
    with torch.no_grad():
        whole = encoder(x, calendar)
        assert torch.equal(encoder(x, calendar, bands=bands), whole)
        bands[:, :, 4] = False
        without = encoder(x, calendar, bands=bands)
        x[:, :, 4] = 0.9
        assert torch.equal(encoder(x, calendar, bands=bands), without)
    assert not torch.allclose(without, whole)
    with pytest.raises(InputError, match="band_mask"):
        SeriesEncoder(PRESETS["tiny"])(x, calendar, bands=bands)
    with pytest.raises(InputError, match=r"\(4, 12, 10\)"):
        encoder(x, calendar, bands=bands[:, :6])
