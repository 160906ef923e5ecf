from __future__ import annotations

import pytest
import torch
from torch import Tensor

from timesenclip.errors import CheckpointError
from timesenclip.ground.clip.resnet import ModifiedResNet, read_resnet
from timesenclip.ground.clip.state_dict import Tensors, read_vit, whole_prefix


def _vit(width: int, depth: int, patch: int, side: int, dim: int, hidden: int) -> dict[str, Tensor]:
    """A published vision transformer without its numbers: tensors that take no memory."""
    shapes: dict[str, tuple[int, ...]] = {
        "conv1.weight": (width, 3, patch, patch),
        "class_embedding": (width,),
        "positional_embedding": ((side // patch) ** 2 + 1, width),
        "proj": (width, dim),
    }
    norms = ["ln_pre", "ln_post", *(f"transformer.resblocks.{i}.ln_{j}" for i in range(depth) for j in (1, 2))]
    shapes |= {f"{name}.{kind}": (width,) for name in norms for kind in ("weight", "bias")}
    for i in range(depth):
        a = f"transformer.resblocks.{i}."
        shapes |= {a + "attn.in_proj_weight": (3 * width, width), a + "attn.in_proj_bias": (3 * width,)}
        for name, out, into in (
            ("attn.out_proj", width, width),
            ("mlp.c_fc", hidden, width),
            ("mlp.c_proj", width, hidden),
        ):
            shapes |= {f"{a}{name}.weight": (out, into), f"{a}{name}.bias": (out,)}
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


# Source: open_clip's model_configs: width, layers, patch, side, embed_dim, width of the MLP; heads of 64 or head_width.
@pytest.mark.parametrize(
    ("sizes", "heads"),
    [
        ((768, 12, 32, 224, 512, 3072), 12),  # ViT-B/32
        ((1024, 24, 14, 336, 768, 4096), 16),  # ViT-L/14 at 336 pixels
        ((1280, 32, 14, 224, 1024, 5120), 16),  # ViT-H/14, heads of 80
        ((1408, 40, 14, 224, 1024, 6144), 16),  # ViT-g/14, heads of 88
        ((1664, 48, 14, 224, 1280, 8192), 16),  # ViT-bigG/14, heads of 104
    ],
)
def test_the_sizes_of_published_models_are_read_from_their_shapes(sizes: tuple[int, ...], heads: int) -> None:
    width, depth, patch, side, dim, hidden = sizes
    found = read_vit(Tensors(_vit(width, depth, patch, side, dim, hidden), "", source_name="x"))
    assert found.dim == dim
    assert found.sizes == {
        "hidden_size": width,
        "intermediate_size": hidden,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "layer_norm_eps": 1e-5,
        "patch_size": patch,
        "image_size": side,
    }


def test_published_models_have_the_published_number_of_parameters() -> None:
    # Source: openai/CLIP: ViT-B/32 has 151,277,313 parameters and RN50 102,007,137, of which 63,428,097 and 63,690,241
    # are the text side's and the scale.
    vit = read_vit(Tensors(_vit(768, 12, 32, 224, 512, 3072), "", source_name="x"))
    assert sum(value.numel() for value in vit.state.values()) == 151_277_313 - 63_428_097
    with torch.device("meta"):
        resnet = ModifiedResNet([3, 4, 6, 3], 64, 224, 1024)
    assert sum(value.numel() for value in resnet.parameters()) == 102_007_137 - 63_690_241
    found = read_resnet(Tensors(resnet.state_dict(), "", source_name="x"))
    assert found.sizes == {"layers": [3, 4, 6, 3], "width": 64, "image_size": 224, "dim": 1024}
    assert resnet.attnpool.heads == 32


def test_the_model_is_found_whatever_stands_before_it() -> None:
    for prefix in ("", "module.", "model.", "clip.", "encoder.model.", "state.net.0."):
        names = [f"{prefix}visual.{name}" for name in ("conv1.weight", "class_embedding")]
        assert whole_prefix([*names, "queue", "head.conv1.weight"], source_name="x") == (prefix, f"{prefix}visual.")
    bare = ["conv1.weight", "attnpool.positional_embedding", "layer1.0.conv1.weight"]
    assert whole_prefix(bare, source_name="x") == ("", "")
    with pytest.raises(CheckpointError, match=r"no image tower under the prefix 'b\.'"):
        whole_prefix(["a.visual.conv1.weight", "a.visual.class_embedding"], source_name="x", prefix="b.")
