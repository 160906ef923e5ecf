"""A file in the format of Presto's published weights, with random tensors."""

from __future__ import annotations

from pathlib import Path

import torch

from timesenclip.evaluation.baselines.presto import GROUPS, PrestoEncoder, PrestoLayer


def write_presto(path: Path, *, dim: int = 128, seed: int = 0) -> Path:
    """Write it; one layer each in the encoder and the decoder."""
    torch.manual_seed(seed)
    encoder = PrestoEncoder(dim, depth=1, hidden=32)
    tensors = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
    layer = PrestoLayer(dim, 32, 8)
    tensors |= {f"decoder.decoder_blocks.0.{key}": value for key, value in layer.state_dict().items()}
    rest = (dim - dim // 4) // 2
    shapes = {
        "decoder_embed.weight": (dim, dim),
        "decoder_embed.bias": (dim,),
        "mask_token": (dim,),
        "decoder_norm.weight": (dim,),
        "decoder_norm.bias": (dim,),
        "dw_decoder_pred.weight": (9, dim),
        "dw_decoder_pred.bias": (9,),
        "month_embed.weight": (12, rest),
        "channel_embeddings.weight": (len(GROUPS) + 1, dim // 4),
        "pos_embed": (1, 24, rest),
        "eo_decoder_pred.S1.weight": (2, dim),
    }
    tensors |= {f"decoder.{name}": torch.randn(shape) for name, shape in shapes.items()}
    torch.save(tensors, path)
    return path
