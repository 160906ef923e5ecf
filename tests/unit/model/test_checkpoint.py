from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from timesenclip.errors import CheckpointError, InputError
from timesenclip.model.checkpoint import Model, as_model, load, save
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.embed import embed
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.testing import random_series


def _model(**changes: object) -> Model:
    torch.manual_seed(0)
    config = replace(PRESETS["tiny"], dim=16, depth=2, heads=2, ffn_dim=8, embed_dim=256)
    fields = {"name": "t", "encoder": encoder_fields(config), "normalisation": "sqrt"} | changes
    return Model(SeriesEncoder(config), CheckpointConfig(tower=TowerRef(name="compact", dim=256), **fields))


def test_a_saved_model_answers_as_before(tmp_path: Path) -> None:
    model, series = _model(), random_series(5)
    folder = save(model, tmp_path / "checkpoint", card="# card")
    assert sorted(file.name for file in folder.iterdir()) == [
        ".timesenclip.json",
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    for name in (folder, str(folder), f"local-dir:{folder}"):
        again = load(name)
        assert np.array_equal(embed(series, model=again), embed(series, model=model))
        assert again.config == model.config
        assert len(again.digest) == 12
    assert list(tmp_path.iterdir()) == [folder]  # nothing half-written beside it


def test_an_old_checkpoint_is_replaced_whole(tmp_path: Path) -> None:
    folder = save(_model(), tmp_path / "c", card="old")
    save(_model(name="new"), folder)
    assert load(folder).config.name == "new"
    assert not (folder / "README.md").exists()


def test_half_precision_is_loaded_as_float32(tmp_path: Path) -> None:
    model = _model(weights_dtype="float16")
    again = load(save(model, tmp_path / "c"))
    assert {p.dtype for p in again.encoder.parameters()} == {torch.float32}
    cosine = (embed(random_series(5), model=again) * embed(random_series(5), model=model)).sum(axis=1)
    assert cosine.min() > 0.999


def _broken(folder: Path, what: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    weights = folder / "model.safetensors"
    if what == "version":
        config["format_version"] = 99
    elif what == "key":
        config["colour"] = "red"
    elif what == "shape":
        config["encoder"]["depth"] = 3
    elif what == "normalisation":
        config["normalisation"] = "sepia"
    elif what == "dim":
        config["tower"]["dim"] = 512
    elif what == "cut":
        weights.write_bytes(weights.read_bytes()[:-40])
    elif what == "no weights":
        weights.unlink()
    (folder / "config.json").write_text("{" if what == "json" else json.dumps(config))


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("version", "format_version 99"),
        ("key", "colour"),
        ("shape", "tensors missing"),
        ("normalisation", "sepia"),
        ("dim", "must be equal"),
        ("cut", "cut short"),
        ("no weights", r"has no model\.safetensors"),
        ("json", "is not readable as JSON"),
    ],
)
def test_broken_checkpoints_are_named(what: str, match: str, tmp_path: Path) -> None:
    folder = save(_model(), tmp_path / "c")
    _broken(folder, what)
    with pytest.raises(CheckpointError, match=match):
        load(folder)


def test_what_is_not_there_or_pickled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"neither a folder nor a shipped name \(default\)"):
        load("nothing")
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match="never read"):
        load(tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match="Cannot fetch 'nobody/nothing' from the hub"):
        load("hf-hub:nobody/nothing")


def test_a_model_is_taken_as_it_is_and_a_name_is_loaded() -> None:
    model = load()
    assert as_model(model) is model
    assert as_model(None).digest == as_model("default").digest == model.digest


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(number: float, tmp_path: Path) -> None:
    model = _model()
    with torch.no_grad():
        model.encoder.mlp_head[1].bias[3] = number
    with pytest.raises(CheckpointError, match=r"the tensor 'mlp_head\.1\.bias' holds NaN or an infinity"):
        load(save(model, tmp_path / "c"))


def test_a_size_in_the_config_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is allocated, not even on the meta device, where the header has another number of layers."""
    folder = save(_model(), tmp_path / "c")
    config = json.loads((folder / "config.json").read_text())
    config["encoder"] |= {"depth": 100, "dim": 8192, "ffn_dim": 65_536}
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("timesenclip.model.checkpoint.SeriesEncoder", None)
    with pytest.raises(CheckpointError, match="the weights have 2 layers, the config says 100"):
        load(folder)


def test_wide_layers_of_the_config_are_compared_before_they_are_allocated(tmp_path: Path) -> None:
    folder = save(_model(), tmp_path / "c")
    config = json.loads((folder / "config.json").read_text())
    config["encoder"] |= {"dim": 8192, "ffn_dim": 65_536}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="of another shape"):
        load(folder)


def test_a_loaded_encoder_has_its_own_weights_which_can_be_trained(tmp_path: Path) -> None:
    encoder = load(save(_model(), tmp_path / "c")).encoder
    assert all(p.requires_grad and p.device.type == "cpu" and p.is_leaf for p in encoder.parameters())
    before = (tmp_path / "c" / "model.safetensors").read_bytes()
    with torch.no_grad():
        encoder.time_token.add_(1)
    assert (tmp_path / "c" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("name", ["", "../x", "a/b/c", "a\x1b/b", "me/it@", "me/it@../x", "me/it@a b"])
def test_a_name_that_no_hub_has_is_refused_without_the_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(InputError, match=r"no name on the hub|no revision") as caught:
        load(f"hf-hub:{name}")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["", "local-dir:", "local-dir:a\0b"])
def test_a_name_of_no_folder_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="names no folder"):
        load(name)
