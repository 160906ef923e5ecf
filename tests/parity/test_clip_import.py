"""Published CLIP layouts against open_clip's model, built here by an independent hand from torch.nn modules."""

from __future__ import annotations

import importlib.util
import json
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

from timesenclip.cli.commands import app
from timesenclip.errors import CheckpointError, DataNotFoundError, InputError, TowerError
from timesenclip.ground.import_clip import import_clip
from timesenclip.ground.load import load_tower

WIDTH, TEXT, DIM, SIDE, PATCH, LENGTH = 128, 64, 24, 24, 8, 20
TEXTS = ["maize", "a lake in the hills"]
TINY = Path(__file__).parents[1] / "unit" / "ground" / "tiny_models.py"


class Quick(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width: int, activation: nn.Module) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, width // 64)
        parts = [("c_fc", nn.Linear(width, 4 * width)), ("gelu", activation), ("c_proj", nn.Linear(4 * width, width))]
        self.mlp = nn.Sequential(OrderedDict(parts))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:  # (L, B, W), as theirs
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width: int, depth: int, activation: nn.Module) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList([Block(width, activation) for _ in range(depth)])

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x.permute(1, 0, 2)
        for block in self.resblocks:
            x = block(x, mask)
        return x.permute(1, 0, 2)


class Vision(nn.Module):
    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(WIDTH))
        self.positional_embedding = nn.Parameter(torch.randn((SIDE // PATCH) ** 2 + 1, WIDTH))
        self.ln_pre, self.ln_post = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.transformer = Transformer(WIDTH, 3, activation)
        self.proj = nn.Parameter(torch.randn(WIDTH, DIM) / WIDTH**0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x).flatten(2).permute(0, 2, 1)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1) + self.positional_embedding
        return self.ln_post(self.transformer(self.ln_pre(x))[:, 0]) @ self.proj  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    def __init__(self, inplanes: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inplanes, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes)
        self.pool = nn.AvgPool2d(stride)
        self.conv3, self.bn3 = nn.Conv2d(planes, planes * 4, 1, bias=False), nn.BatchNorm2d(planes * 4)
        self.downsample = nn.Sequential(
            OrderedDict(
                [
                    ("-1", nn.AvgPool2d(stride)),
                    ("0", nn.Conv2d(inplanes, planes * 4, 1, bias=False)),
                    ("1", nn.BatchNorm2d(planes * 4)),
                ]
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn3(self.conv3(self.pool(self.bn2(self.conv2(y)).relu())))
        return (y + self.downsample(x)).relu()


class AttnPool(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(5, width))  # 2 x 2 positions and their mean
        self.k_proj, self.q_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.c_proj = nn.Linear(width, DIM)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).permute(2, 0, 1)
        x = torch.cat([x.mean(dim=0, keepdim=True), x]) + self.positional_embedding[:, None]
        out, _ = nn.functional.multi_head_attention_forward(
            x[:1],
            x,
            x,
            x.shape[-1],
            x.shape[-1] // 64,
            None,
            torch.cat([self.q_proj.bias, self.k_proj.bias, self.v_proj.bias]),
            None,
            None,
            False,
            0.0,
            self.c_proj.weight,
            self.c_proj.bias,
            training=False,
            need_weights=False,
            use_separate_proj_weight=True,
            q_proj_weight=self.q_proj.weight,
            k_proj_weight=self.k_proj.weight,
            v_proj_weight=self.v_proj.weight,
        )
        return out[0]


class ResNet(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width // 2, 3, 2, 1, bias=False), nn.BatchNorm2d(width // 2)
        self.conv2, self.bn2 = nn.Conv2d(width // 2, width // 2, 3, 1, 1, bias=False), nn.BatchNorm2d(width // 2)
        self.conv3, self.bn3 = nn.Conv2d(width // 2, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        sizes = [(width, width, 1), (width * 4, width * 2, 2), (width * 8, width * 4, 2), (width * 16, width * 8, 2)]
        for i, size in enumerate(sizes, start=1):
            setattr(self, f"layer{i}", nn.Sequential(Bottleneck(*size)))
        self.attnpool = AttnPool(width * 32)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        x = self.bn2(self.conv2(x)).relu()
        x = nn.functional.avg_pool2d(self.bn3(self.conv3(x)).relu(), 2)
        for i in (1, 2, 3, 4):
            x = getattr(self, f"layer{i}")(x)
        return self.attnpool(x)  # type: ignore[no-any-return]


class Clip(nn.Module):
    """open_clip's CLIP, written from its published names and its paper."""

    def __init__(self, pieces: int, *, quick: bool = True, resnet: bool = False) -> None:
        super().__init__()
        activation = Quick() if quick else nn.GELU()
        self.visual = ResNet() if resnet else Vision(activation)
        self.token_embedding = nn.Embedding(pieces, TEXT)
        self.positional_embedding = nn.Parameter(torch.randn(LENGTH, TEXT))
        self.transformer = Transformer(TEXT, 2, activation)
        self.ln_final = nn.LayerNorm(TEXT)
        self.text_projection = nn.Parameter(torch.randn(TEXT, DIM) / TEXT**0.5)
        self.logit_scale = nn.Parameter(torch.tensor(3.0))

    def encode_text(self, ids: Tensor) -> Tensor:
        mask = torch.full((ids.shape[1], ids.shape[1]), float("-inf")).triu(1)
        x = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        x = self.ln_final(self.transformer(x, mask))
        return x[torch.arange(len(x)), ids.argmax(dim=1)] @ self.text_projection


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = importlib.util.spec_from_file_location("tiny_models", TINY)
    assert spec is not None
    assert spec.loader is not None
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    return tiny.save_tiny_clip(tmp_path_factory.mktemp("clip"))  # type: ignore[no-any-return]


def _theirs(clip: Path, **options: Any) -> Clip:
    torch.manual_seed(3)
    pieces = json.loads((clip / "config.json").read_text())["text_config"]["vocab_size"]
    model = Clip(pieces, **options)
    for name, value in model.named_parameters():
        if value.ndim == 1:
            nn.init.normal_(value, mean=float("weight" in name), std=0.2)
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size != (PATCH, PATCH):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, AttnPool):
            nn.init.normal_(module.positional_embedding, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
    return model.eval()


def _remoteclip(state: dict[str, Tensor], path: Path) -> None:
    torch.save(state, path)


def _georsclip(state: dict[str, Tensor], path: Path) -> None:
    extra = {"visual.transformer.resblocks.0.attn_mask": torch.ones(2), "attn_mask": torch.ones(2, 2)}
    torch.save({"model_state_dict": OrderedDict(state | extra), "optimizer": {"lr": 1e-5}}, path)


def _skyclip(state: dict[str, Tensor], path: Path) -> None:
    torch.save({"epoch": 20, "name": "x", "state_dict": {f"module.{k}": v for k, v in state.items()}}, path)


def _senclip(state: dict[str, Tensor], path: Path) -> None:
    own = {f"encoder.model.{k}": v for k, v in state.items()}
    rest = {"queue": torch.randn(DIM, 8), "projection_head.fc.weight": torch.randn(DIM, DIM)}
    torch.save({"state_dict": own | rest, "hyper_parameters": {"root": Path("/home/x")}}, path)


def _safetensors(state: dict[str, Tensor], path: Path) -> None:
    save_file(state, path)


LAYOUTS: dict[str, tuple[Callable[[dict[str, Tensor], Path], None], str, str]] = {
    "remoteclip": (_remoteclip, "RemoteCLIP-ViT-B-32.pt", ""),
    "georsclip": (_georsclip, "RS5M_ViT-B-32.pt", ""),
    "skyclip": (_skyclip, "epoch_20.pt", "module."),
    "senclip": (_senclip, "SenCLIP_AvgPool.ckpt", "encoder.model."),
    "safetensors": (_safetensors, "open_clip_model.safetensors", ""),
}


@torch.no_grad()
def _same(model: Clip, folder: Path, side: int = SIDE) -> None:
    tower = load_tower(folder)
    assert tower.dim == DIM
    ids = tower.tokenizer(TEXTS, padding="longest", return_tensors="pt")["input_ids"]  # type: ignore[attr-defined]
    expected = nn.functional.normalize(model.encode_text(ids), dim=-1).numpy()
    assert np.abs(tower.encode_text(TEXTS) - expected).max() < 2e-5
    assert np.abs(expected[0] - expected[1]).max() > 0.05
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    mean, std = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    given = torch.from_numpy(((pixels / 255 - mean) / std).astype(np.float32)).permute(0, 3, 1, 2)
    seen = nn.functional.normalize(model.visual(given), dim=-1).numpy()
    assert np.abs(tower.encode_images([Image.fromarray(one) for one in pixels]) - seen).max() < 2e-5
    assert np.abs(seen[0] - seen[1]).max() > 0.01


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_published_layout_gives_the_vectors_of_open_clip(layout: str, tiny_clip: Path, tmp_path: Path) -> None:
    save, name, prefix = LAYOUTS[layout]
    quick = layout != "georsclip"
    model = _theirs(tiny_clip, quick=quick)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    save(state, tmp_path / name)
    activation: Any = "quick_gelu" if quick else "gelu"
    found = import_clip(tmp_path / name, tmp_path / "out", tokenizer=tiny_clip, activation=activation)
    _same(model, tmp_path / "out")
    assert (found.kind, found.prefix, found.dim) == ("vit", prefix, DIM)
    assert len(found.used) == len(state)
    assert found.image["num_attention_heads"] == 2
    assert (found.image["patch_size"], found.image["image_size"]) == (PATCH, SIDE)
    assert any(f"activation {activation}" in note for note in found.notes)
    if layout == "senclip":
        assert found.ignored == {"queue": 1, "projection_head": 1}


def test_the_activation_matters_and_is_kept(tiny_clip: Path, tmp_path: Path) -> None:
    _remoteclip(_theirs(tiny_clip).state_dict(), tmp_path / "x.pt")
    vectors = []
    for activation in ("quick_gelu", "gelu"):
        import_clip(tmp_path / "x.pt", tmp_path / "out", tokenizer=tiny_clip, activation=activation)  # type: ignore[arg-type]
        vectors.append(load_tower(tmp_path / "out").encode_text(TEXTS))
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4


def test_a_resnet_gives_the_vectors_of_open_clip(tiny_clip: Path, tmp_path: Path) -> None:
    model = _theirs(tiny_clip, resnet=True)
    torch.save(model.state_dict(), tmp_path / "RemoteCLIP-RN50.pt")
    found = import_clip(tmp_path / "RemoteCLIP-RN50.pt", tmp_path / "out", tokenizer=tiny_clip)
    assert (found.kind, found.image["layers"], found.image["image_size"]) == ("resnet", [1, 1, 1, 1], 64)
    assert found.ignored == {}  # counts of batches are no weights
    _same(model, tmp_path / "out", side=64)
    state = {key: value for key, value in model.state_dict().items() if key != "visual.layer2.0.bn2.running_var"}
    torch.save(state, tmp_path / "short.pt")
    with pytest.raises(CheckpointError, match=r"layer2\.0\.bn2\.running_var' is missing"):
        import_clip(tmp_path / "short.pt", tmp_path / "no", tokenizer=tiny_clip)


@pytest.mark.parametrize("before", ["visual.", ""])
def test_an_image_side_alone_takes_the_text_side_of_a_clip(before: str, tiny_clip: Path, tmp_path: Path) -> None:
    model = _theirs(tiny_clip)
    _remoteclip(model.state_dict(), tmp_path / "whole.pt")
    import_clip(tmp_path / "whole.pt", tmp_path / "base", tokenizer=tiny_clip)
    tuned = _theirs(tiny_clip)
    nn.init.normal_(tuned.visual.proj)  # type: ignore[arg-type]
    torch.save({before + k: v for k, v in tuned.visual.state_dict().items()}, tmp_path / "visual.pt")
    with pytest.raises(CheckpointError, match="image side only; say with --text-from"):
        import_clip(tmp_path / "visual.pt", tmp_path / "out")
    found = import_clip(tmp_path / "visual.pt", tmp_path / "out", text_from=tmp_path / "base")
    assert found.text_from == str(tmp_path / "base")
    _same(tuned, tmp_path / "out")
    with pytest.raises(TowerError, match=r"24 numbers and the text side .* 12"):
        import_clip(tmp_path / "visual.pt", tmp_path / "no", text_from=tiny_clip)
    assert not (tmp_path / "no").exists()


class _Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_pickled_code_never_runs(tiny_clip: Path, tmp_path: Path) -> None:
    model = _theirs(tiny_clip)
    torch.save({"state_dict": model.state_dict(), "hook": _Evil(tmp_path / "ran")}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="system', which no weights need; the file is hostile"):
        import_clip(tmp_path / "evil.pt", tmp_path / "out", tokenizer=tiny_clip)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_what_cannot_be_used_is_refused_in_one_line(tiny_clip: Path, tmp_path: Path) -> None:
    state = _theirs(tiny_clip).state_dict()
    first = "visual.transformer.resblocks.1."
    broken = {
        "missing": ({k: v for k, v in state.items() if k != first + "ln_2.bias"}, r"1\.ln_2\.bias' is missing"),
        "shape": (state | {first + "mlp.c_fc.bias": torch.ones(7)}, r"shape \(7,\); expected \(512,\)"),
        "axes": (state | {"visual.proj": torch.ones(7)}, r"shape \(7,\); expected 2 axes"),
        "square": (state | {"visual.positional_embedding": torch.ones(9, WIDTH)}, "9 positions are no square"),
        "other": (state | {first + "ls_1.gamma": torch.ones(WIDTH)}, r"no part of a CLIP.*ls_1\.gamma"),
        "none": ({"fc.weight": torch.ones(2, 2)}, "no CLIP that is known here"),
        "timm": ({"visual.trunk.conv1.weight": torch.ones(2, 2)}, "a tower of timm"),
        "two": ({f"{p}.{k}": v for k, v in state.items() for p in ("ema", "net")}, r"2 image towers.*--prefix"),
    }
    for name, (content, message) in broken.items():
        torch.save(content, tmp_path / f"{name}.pt")
        with pytest.raises(CheckpointError, match=message) as caught:
            import_clip(tmp_path / f"{name}.pt", tmp_path / "out", tokenizer=tiny_clip)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()
    found = import_clip(tmp_path / "two.pt", tmp_path / "one", tokenizer=tiny_clip, prefix="net.")
    assert found.ignored == {"ema": len(state)}
    with pytest.raises(DataNotFoundError, match="No weights"):
        import_clip(tmp_path / "nowhere.pt", tmp_path / "out", tokenizer=tiny_clip)
    whole = (tmp_path / "two.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be read"):
        import_clip(tmp_path / "cut.pt", tmp_path / "out", tokenizer=tiny_clip)
    torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "script.pt"))
    with pytest.raises(CheckpointError, match="TorchScript archive"):
        import_clip(tmp_path / "script.pt", tmp_path / "out", tokenizer=tiny_clip)


def test_the_tokenizer_must_be_there_and_fit(tiny_clip: Path, tmp_path: Path) -> None:
    torch.save(_theirs(tiny_clip).state_dict(), tmp_path / "x.pt")
    with pytest.raises(TowerError, match=r"hold no tokenizer.*--tokenizer") as caught:
        import_clip(tmp_path / "x.pt", tmp_path / "out", tokenizer=tmp_path / "nothing")
    assert "\n" not in str(caught.value)
    small = _theirs(tiny_clip).state_dict()
    small["token_embedding.weight"] = small["token_embedding.weight"][:50]
    torch.save(small, tmp_path / "small.pt")
    with pytest.raises(TowerError, match="the weights know 50 pieces"):
        import_clip(tmp_path / "small.pt", tmp_path / "out", tokenizer=tiny_clip)


def test_only_an_older_import_is_replaced(tiny_clip: Path, tmp_path: Path) -> None:
    torch.save(_theirs(tiny_clip).state_dict(), tmp_path / "x.pt")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="was not written by timesenclip"):
        import_clip(tmp_path / "x.pt", tmp_path / "home", tokenizer=tiny_clip)
    assert (tmp_path / "home" / "thesis.tex").exists()
    with pytest.raises(InputError, match="three numbers"):
        import_clip(tmp_path / "x.pt", tmp_path / "out", tokenizer=tiny_clip, mean=(0.1, 0.2))


def test_the_command_says_what_was_used_ignored_and_assumed(tiny_clip: Path, tmp_path: Path) -> None:
    model = _theirs(tiny_clip)
    _senclip(model.state_dict(), tmp_path / "s.ckpt")
    colours = ["--mean", "0.347,0.376,0.296", "--std", "0.269,0.261,0.276"]
    command = ["import", "clip", str(tmp_path / "s.ckpt"), "-o", str(tmp_path / "out"), "--tokenizer", str(tiny_clip)]
    result = CliRunner().invoke(app, [*command, *colours])
    assert result.exit_code == 0, result.output
    assert "'encoder.model.*': vit with hidden_size 128" in result.output
    assert "ignored: queue (1 tensors)" in result.output
    assert "note: activation quick_gelu" in result.output
    config = json.loads((tmp_path / "out" / "preprocessor_config.json").read_text())
    assert config["image_mean"] == [0.347, 0.376, 0.296]
    result = CliRunner().invoke(app, [*command, "--json"])
    facts = json.loads(result.output)
    assert (facts["kind"], facts["dim"], facts["used"]) == ("vit", DIM, len(model.state_dict()))
    assert facts["text"]["max_position_embeddings"] == LENGTH
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".")]
