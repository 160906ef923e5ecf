from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from huggingface_hub.utils import logging as hub_logging
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel, SiglipImageProcessorPil, SiglipModel

from timesenclip.errors import DegradedInputWarning, PromptError, TowerError
from timesenclip.ground.clip.tower import ClipTower
from timesenclip.ground.load import load_tower
from timesenclip.ground.tower import GroundTower

TEXTS = ["maize", "a lake", "spruce forest"]


def unit(features: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(features, dim=-1).detach().numpy()


def test_clip_gives_the_features_of_the_whole_model_text_by_text(
    tiny_clip: Path, photographs: list[Image.Image]
) -> None:
    whole = CLIPModel.from_pretrained(tiny_clip).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_clip)
    singly = [whole.get_text_features(**tokenizer(text, return_tensors="pt")).pooler_output for text in TEXTS]
    pixels = CLIPImageProcessorPil.from_pretrained(tiny_clip)(photographs, return_tensors="pt")
    tower = ClipTower(tiny_clip, batch_size=2)
    assert isinstance(tower, GroundTower)
    assert (tower.dim, tower.name) == (12, str(tiny_clip))
    # Padding to the batch, in two batches, changes nothing.
    np.testing.assert_allclose(tower.encode_text(TEXTS), unit(torch.cat(singly)), atol=1e-5)
    images = tower.encode_images(photographs)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, unit(whole.get_image_features(**pixels).pooler_output), atol=1e-5)


def test_siglip_is_padded_to_the_full_length_as_it_was_trained(
    tiny_siglip: Path, photographs: list[Image.Image]
) -> None:
    whole = SiglipModel.from_pretrained(tiny_siglip).eval()
    tokens = AutoTokenizer.from_pretrained(tiny_siglip)(TEXTS, padding="max_length", max_length=8, return_tensors="pt")
    pixels = SiglipImageProcessorPil.from_pretrained(tiny_siglip)(photographs, return_tensors="pt")
    tower = ClipTower(tiny_siglip)
    assert tower.dim == 16
    expected = unit(whole.get_text_features(input_ids=tokens["input_ids"]).pooler_output)
    np.testing.assert_allclose(tower.encode_text(TEXTS), expected, atol=1e-5)
    expected = unit(whole.get_image_features(**pixels).pooler_output)
    np.testing.assert_allclose(tower.encode_images(photographs), expected, atol=1e-5)


def test_a_long_text_is_cut_and_said(tiny_clip: Path) -> None:
    tower = ClipTower(tiny_clip)
    long = "maize " * 20
    with pytest.warns(DegradedInputWarning, match=r"1 text.* longer than the 24 tokens"):
        vectors = tower.encode_text(["lake", long])
    with pytest.warns(DegradedInputWarning):
        longer = tower.encode_text([long + "river"])
    np.testing.assert_allclose(vectors[1], longer[0], atol=1e-6)


def test_texts_that_say_nothing_are_refused(tiny_clip: Path) -> None:
    tower = ClipTower(tiny_clip)
    with pytest.raises(PromptError, match="Text 2 of 2 is empty"):
        tower.encode_text(["lake", "  "])
    with pytest.raises(PromptError, match="in brackets"):
        tower.encode_text("lake")
    assert tower.encode_text([]).shape == (0, 12)


def test_weights_that_are_not_there_are_not_made_up(tiny_clip: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_clip, tmp_path / "half")
    weights = load_file(tiny_clip / "model.safetensors")
    text = {name: tensor for name, tensor in weights.items() if name.startswith("text")}
    save_file(text, tmp_path / "half" / "model.safetensors", metadata={"format": "pt"})
    tower = ClipTower(tmp_path / "half")
    assert tower.encode_text(["lake"]).shape == (1, 12)
    with pytest.raises(TowerError, match="weights are missing"):
        tower.encode_images([Image.new("RGB", (16, 16))])


def test_the_hub_out_of_reach_is_said_with_a_way_out() -> None:
    with pytest.raises(
        TowerError, match=r"nobody/nothing: the configuration cannot be loaded .*hf download.*HF_HUB_OFFLINE"
    ):
        load_tower("hf-hub:nobody/nothing")


def test_attempts_at_the_hub_are_not_listed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def unreachable(*_args: object, **_options: object) -> None:
        hub_logging.get_logger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        raise OSError("We couldn't connect to 'https://huggingface.co' to load the files. " + "See how to " * 20)

    before = hub_logging.get_verbosity()
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", unreachable)
    with pytest.raises(TowerError, match=r"See how to \.\.\.\); check the id"):
        load_tower("hf-hub:nobody/nothing")
    assert capfd.readouterr() == ("", "")
    assert hub_logging.get_verbosity() == before


def test_another_kind_of_model_or_a_bare_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TowerError, match="must be one saved by transformers"):
        load_tower(f"local-dir:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(TowerError, match="'bert' model is no ground tower; expected one of clip, siglip"):
        load_tower(tmp_path)


def test_no_preprocessor_is_said_only_when_photographs_come(tiny_clip: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_clip, tmp_path / "bare", ignore=shutil.ignore_patterns("*processor_config.json"))
    tower = ClipTower(tmp_path / "bare")
    assert tower.encode_text(["lake"]).shape == (1, 12)
    with pytest.raises(TowerError, match=r"no preprocessor_config\.json"):
        tower.encode_images([Image.new("RGB", (16, 16))])


def test_loading_says_nothing_and_leaves_the_log_level(
    tiny_clip: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = transformers.utils.logging.get_verbosity()
    ClipTower(tiny_clip).encode_text(["lake"])
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []  # not the report that the other half of the weights is unused
    assert transformers.utils.logging.get_verbosity() == before


@pytest.mark.parametrize(
    ("side", "name", "value"),
    [
        ("text_config", "num_hidden_layers", 1_000_000),
        ("vision_config", "hidden_size", 10**9),
        ("text_config", "vocab_size", -1),
    ],
)
def test_a_size_in_the_config_is_not_believed(
    side: str, name: str, value: int, tiny_clip: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "clip"))
    config = json.loads((folder / "config.json").read_text())
    config[side][name] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(TowerError, match=f"{name} is {value}; expected a whole number") as caught:
        ClipTower(folder)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused_by_name(tiny_clip: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_clip, tmp_path / "clip"))
    tensors = load_file(folder / "model.safetensors")
    tensors["text_projection.weight"][0, 0] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TowerError, match=r"'text_projection\.weight' holds NaN"):
        ClipTower(folder).encode_text(["a field"])
