"""The encoder against `torch.nn.TransformerEncoder` with the same weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from timesenclip.model.encoder import PRESETS, EncoderConfig, SeriesEncoder

SMALL = replace(PRESETS["paper"], dim=64, heads=4, ffn_dim=32, embed_dim=48, depth=3)


def _reference(encoder: SeriesEncoder, x: Tensor, positions: Tensor, valid: Tensor) -> Tensor:
    """The authors' forward pass, built from torch.nn modules only."""
    config = encoder.config
    layer = nn.TransformerEncoderLayer(config.dim, config.heads, config.ffn_dim, config.dropout, batch_first=True)
    stack = nn.TransformerEncoder(layer, config.depth, enable_nested_tensor=False).eval()
    stack.load_state_dict(encoder.transformer.state_dict())
    weight, bias = encoder.spectral_embedding[1].weight, encoder.spectral_embedding[1].bias
    tokens = x.flatten(2) @ weight.T + bias + positions
    tokens = torch.cat([encoder.time_token.expand(len(x), -1, -1), tokens], dim=1)
    hidden = torch.cat([torch.zeros(len(x), 1, dtype=torch.bool), ~valid], dim=1)
    head = stack(tokens, src_key_padding_mask=hidden)[:, 0]
    return nn.functional.linear(
        nn.functional.layer_norm(head, (config.dim,), encoder.mlp_head[0].weight, encoder.mlp_head[0].bias),
        encoder.mlp_head[1].weight,
        encoder.mlp_head[1].bias,
    )


def _random(config: EncoderConfig) -> SeriesEncoder:
    torch.manual_seed(0)
    encoder = SeriesEncoder(config).eval()
    for name, parameter in encoder.named_parameters():
        if "norm" not in name and not name.startswith("mlp_head.0"):  # a LayerNorm of noise hides everything
            nn.init.normal_(parameter, std=2.0 / config.dim**0.5)
    return encoder


def _months(steps: int, width: int = 1) -> Tensor:
    start = torch.arange(steps) * width / 12
    return torch.stack([start, start + width / 12], dim=-1)[None]


@pytest.mark.parametrize("patch", [1, 5])
@pytest.mark.parametrize(("steps", "width"), [(12, 1), (4, 3), (1, 12)])
@pytest.mark.parametrize("masked", [False, True])
@torch.no_grad()
def test_encoder_equals_torch_nn(patch: int, steps: int, width: int, masked: bool) -> None:
    encoder = _random(replace(SMALL, patch_size=patch))
    x = torch.rand(5, steps, 10) if patch == 1 else torch.rand(5, steps, 10, patch, patch)
    valid = torch.rand(5, steps) < 0.6 if masked else torch.ones(5, steps, dtype=torch.bool)
    valid[:, 0] = True
    table = encoder.time_pos_encoding[0]
    positions = torch.stack([table[i * width : (i + 1) * width].mean(dim=0) for i in range(steps)])
    expected = _reference(encoder, x, positions, valid)
    found = encoder(x, _months(steps, width).expand(5, -1, -1), valid)
    assert (found - expected).abs().max() <= 1e-5
    assert expected.std(dim=0).min() > 1e-2  # the comparison is of something


@torch.no_grad()
def test_the_paper_preset_at_full_size_equals_torch_nn() -> None:
    encoder = _random(PRESETS["paper"])
    x, valid = torch.rand(2, 12, 10), torch.ones(2, 12, dtype=torch.bool)
    expected = _reference(encoder, x, encoder.time_pos_encoding, valid)
    assert (encoder(x, _months(12).expand(2, -1, -1)) - expected).abs().max() <= 1e-5
