"""The authors' weights: every layout, and their forward pass built from torch.nn modules alone."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from timesenclip.errors import CheckpointError, DataNotFoundError, InputError
from timesenclip.model.checkpoint import load, save
from timesenclip.model.official import export_official, import_official
from timesenclip.safe_torch_load import read_tensors

BANDS, DIM, HEADS, FFN, DEPTH = 10, 512, 8, 256, 6


class Theirs(nn.Module):
    """TimeSpectralViT as the paper describes it, by an independent hand, from torch.nn modules."""

    def __init__(self, patch: int = 1, token: str = "time_token") -> None:
        super().__init__()
        self.token = token
        self.time_pos_encoding = nn.Parameter(torch.randn(1, 12, DIM))
        setattr(self, token, nn.Parameter(torch.randn(1, 1, DIM)))
        self.spectral_embedding = nn.Sequential(nn.Identity(), nn.Linear(BANDS * patch * patch, DIM))
        layer = nn.TransformerEncoderLayer(DIM, HEADS, FFN, 0.2, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)
        self.mlp_head = nn.Sequential(nn.LayerNorm(DIM), nn.Linear(DIM, DIM))

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[1]
        tokens = self.spectral_embedding(x.flatten(2))
        if steps == 4:
            position = self.time_pos_encoding.view(1, 4, 3, DIM).median(dim=2).values
        else:
            position = self.time_pos_encoding if steps == 12 else self.time_pos_encoding.mean(dim=1, keepdim=True)
        tokens = torch.cat([getattr(self, self.token).expand(len(x), -1, -1), tokens + position], dim=1)
        return self.mlp_head(self.transformer(tokens)[:, 0])  # type: ignore[no-any-return]


def _theirs(patch: int = 1, token: str = "time_token") -> Theirs:
    torch.manual_seed(7)
    model = Theirs(patch, token)
    for name, parameter in model.named_parameters():
        if parameter.ndim >= 2 and "norm" not in name and "pos" not in name:
            nn.init.normal_(parameter, std=1.5 / parameter.shape[-1] ** 0.5)
    return model.eval()


def _file(model: Theirs, layout: str, path: Path) -> Path:
    state = {key: value.clone() for key, value in model.state_dict().items()}
    stale = {f"TS_ViT.{key}": torch.randn_like(value) for key, value in state.items()}
    rest = {
        "logit_scale": torch.tensor(3.0),
        "learner.pooling_layer.linear.weight": torch.randn(1, DIM),
        "learner.queue": torch.randn(DIM, 64),
        "learner.queue_ptr": torch.zeros(1, dtype=torch.int64),
        "clip_model.visual.conv1.weight": torch.randn(4, 3, 2, 2),
        "learner_val.ts_encoder.time_pos_encoding": torch.randn(1, 12, DIM),
    }
    hyper = {"hyper_parameters": argparse.Namespace(lr=1e-4, root=Path("/home/x")), "callbacks": {"x": {"y": 1}}}
    if layout == "F1":
        torch.save(state, path)
    elif layout == "F2":
        fresh = {f"learner.ts_encoder.{k}": v for k, v in state.items()}
        torch.save({"state_dict": fresh | stale | rest, **hyper}, path)
    elif layout == "F3":
        shared = {f"{p}.{k}": v for k, v in state.items() for p in ("TS_ViT", "learner.ts_encoder")}
        torch.save({"state_dict": shared | rest, **hyper}, path)
    else:
        old = {f"{p}.{k}": v for k, v in state.items() for p in ("TS_ViT", "learner.TS_ViT")}
        torch.save({"state_dict": old, **hyper}, path)
    return path


def _calendar(steps: int) -> Tensor:
    start = torch.arange(steps) / steps
    return torch.stack([start, start + 1 / steps], dim=-1)[None].expand(3, -1, -1)


@pytest.mark.parametrize("layout", ["F1", "F2", "F3", "F4"])
@torch.no_grad()
def test_every_layout_gives_their_forward_pass(layout: str, tmp_path: Path) -> None:
    theirs = _theirs(token="class_token" if layout == "F4" else "time_token")
    found = import_official(_file(theirs, layout, tmp_path / "w.ckpt"))
    model = load(save(found.model, tmp_path / "folder"))
    assert sum(p.numel() for p in model.encoder.parameters()) == 8_169_472
    for steps in (12, 4, 1):
        x = torch.rand(3, steps, BANDS)
        expected = theirs(x)
        assert (model.encoder(x, _calendar(steps)) - expected).abs().max() < 2e-5
        assert expected.std(dim=0).min() > 1e-3
    prefixes = {"F1": "", "F4": "learner.TS_ViT."}
    assert found.prefix == prefixes.get(layout, "learner.ts_encoder.")
    assert len(found.used) == 80
    if layout == "F2":
        assert found.ignored["TS_ViT"] == 80
        assert found.ignored["clip_model"] == 1
        assert model.config.calibration.temperature == pytest.approx(1 / 20.0855, rel=1e-3)


@pytest.mark.parametrize("patch", [5, 9])
@torch.no_grad()
def test_the_patch_size_is_inferred(patch: int, tmp_path: Path) -> None:
    theirs = _theirs(patch)
    model = import_official(_file(theirs, "F1", tmp_path / "w.pt")).model
    assert model.encoder.config.patch_size == patch
    x = torch.rand(3, 12, BANDS, patch, patch)
    assert (model.encoder(x, _calendar(12)) - theirs(x)).abs().max() < 2e-5


@torch.no_grad()
def test_there_and_back_again_is_the_same(tmp_path: Path) -> None:
    theirs = _theirs()
    model = import_official(_file(theirs, "F1", tmp_path / "w.pt")).model
    back = torch.load(export_official(model, tmp_path / "back.pt"), weights_only=True)
    assert back.keys() == theirs.state_dict().keys()
    assert all(torch.equal(back[key], value) for key, value in theirs.state_dict().items())
    with pytest.raises(InputError, match="dim 128"):
        export_official(load("default"), tmp_path / "no.pt")


class _Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_pickled_code_never_runs_and_the_file_is_refused(tmp_path: Path, legacy: bool) -> None:
    state = _theirs().state_dict()
    content = {"state_dict": {f"learner.ts_encoder.{k}": v for k, v in state.items()}, "hook": _Evil(tmp_path / "ran")}
    torch.save(content, tmp_path / "evil.ckpt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match="system', which no weights need; the file is hostile"):
        import_official(tmp_path / "evil.ckpt")
    assert not (tmp_path / "ran").exists()


def test_what_is_no_encoder_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="No weights"):
        read_tensors(tmp_path / "none.pt")
    (tmp_path / "x.pt").write_bytes(b"not torch at all")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_tensors(tmp_path / "x.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="holds a list"):
        read_tensors(tmp_path / "list.pt")
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"no TimeSenCLIP encoder.*tensors: a"):
        import_official(tmp_path / "other.pt")
    state = _theirs().state_dict()
    torch.save({k: v for k, v in state.items() if "layers.3.linear2" not in k}, tmp_path / "short.pt")
    with pytest.raises(CheckpointError, match=r"2 tensors of the encoder are missing.*layers\.3\.linear2"):
        import_official(tmp_path / "short.pt")
    torch.save(state | {"spectral_embedding.1.weight": torch.ones(DIM, 37)}, tmp_path / "bands.pt")
    with pytest.raises(CheckpointError, match="37 values a month"):
        import_official(tmp_path / "bands.pt")
    torch.save(state | {"time_pos_encoding": torch.ones(1, 4, DIM)}, tmp_path / "four.pt")
    with pytest.raises(CheckpointError, match="has 4 positions"):
        import_official(tmp_path / "four.pt")
    whole = (tmp_path / "short.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_tensors(tmp_path / "cut.pt")
