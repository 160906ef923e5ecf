from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from timesenclip.errors import CheckpointError, TowerError
from timesenclip.ground.clip.resnet import MODEL_TYPE, ModifiedResNet, ResNetClipTower, read_resnet
from timesenclip.ground.clip.state_dict import Tensors
from timesenclip.ground.load import load_tower

SIZES = {"layers": [1, 2, 1, 1], "width": 8, "image_size": 64, "dim": 5}


def _model() -> ModifiedResNet:
    torch.manual_seed(0)
    return ModifiedResNet(**SIZES).eval()  # type: ignore[arg-type]


@torch.no_grad()
def test_sizes_and_weights_come_back_from_the_names_and_shapes() -> None:
    model, pixels = _model(), torch.rand(3, 3, 64, 64)
    part = read_resnet(Tensors(model.state_dict(), "", source_name="x"))
    assert part.sizes == SIZES
    again = ModifiedResNet(**part.sizes).eval()
    again.load_state_dict({key.removeprefix("visual."): value for key, value in part.state.items()}, strict=False)
    assert again(pixels).shape == (3, 5)
    assert torch.equal(again(pixels), model(pixels))


def test_a_resnet_that_is_not_clips_is_refused() -> None:
    state = _model().state_dict()
    state["attnpool.positional_embedding"] = torch.zeros(8, 256)
    with pytest.raises(CheckpointError, match=r"8 positions and stages of .* are no ResNet of CLIP"):
        read_resnet(Tensors(state, "", source_name="x"))
    with pytest.raises(CheckpointError, match=r"layer5\.0\.conv1\.weight'; it is another model"):
        read_resnet(Tensors(_model().state_dict() | {"layer5.0.conv1.weight": torch.ones(1)}, "", source_name="x"))


def test_broken_folders_are_named(tiny_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": MODEL_TYPE}))
    with pytest.raises(TowerError, match=r"config\.json cannot be read \('visual'\); import the weights again"):
        load_tower(tmp_path)
    text = json.loads((tiny_clip / "config.json").read_text())["text_config"]
    config = {"model_type": MODEL_TYPE, "visual": SIZES, "text_config": text}
    (tmp_path / "config.json").write_text(json.dumps(config))
    tower = load_tower(tmp_path)
    assert isinstance(tower, ResNetClipTower)
    assert tower.dim == 5
    with pytest.raises(TowerError, match="the weights cannot be loaded"):
        tower._image_model  # noqa: B018
