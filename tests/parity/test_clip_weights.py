"""CLIP weights in open_clip's layouts against an independent construction from torch.nn with the same numbers."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from transformers import AutoTokenizer

from timesenclip.errors import CheckpointError, InputError, TowerError
from timesenclip.ground.clip_weights import import_clip
from timesenclip.ground.towers import load_tower

WIDTH, DIM, SIDE, PATCH, LAYERS, PLACES = 128, 12, 16, 8, 2, 24
TEXTS = ["a field of maize", "forest", "x"]


class Stack(nn.Module):
    """Pre-norm transformer with open_clip's names; two heads of 64."""

    def __init__(self, activation: str, *, causal: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList()
        for _ in range(LAYERS):
            block = nn.Module()
            block.ln_1, block.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            block.attn = nn.MultiheadAttention(WIDTH, WIDTH // 64, batch_first=True)
            block.mlp = nn.Module()
            block.mlp.c_fc, block.mlp.c_proj = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
            self.resblocks.append(block)
        self.activation, self.causal = activation, causal

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = x.shape[1]
        mask = torch.full((n, n), -torch.inf).triu(1) if self.causal else None
        for block in self.resblocks:
            y = block.ln_1(x)
            x = x + block.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
            y = block.mlp.c_fc(block.ln_2(x))
            y = y * torch.sigmoid(1.702 * y) if self.activation == "quick_gelu" else nn.functional.gelu(y)
            x = x + block.mlp.c_proj(y)
        return x


class Visual(nn.Module):
    def __init__(self, activation: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(WIDTH) / 10)
        self.positional_embedding = nn.Parameter(torch.randn((SIDE // PATCH) ** 2 + 1, WIDTH) / 10)
        self.ln_pre, self.ln_post = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.transformer = Stack(activation, causal=False)
        self.proj = nn.Parameter(torch.randn(WIDTH, DIM) / 10)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1) + self.positional_embedding
        return self.ln_post(self.transformer(self.ln_pre(x))[:, 0]) @ self.proj


class OpenClip(nn.Module):
    def __init__(self, words: int, activation: str) -> None:
        super().__init__()
        self.visual = Visual(activation)
        self.token_embedding = nn.Embedding(words, WIDTH)
        self.positional_embedding = nn.Parameter(torch.randn(PLACES, WIDTH) / 10)
        self.transformer = Stack(activation, causal=True)
        self.ln_final = nn.LayerNorm(WIDTH)
        self.text_projection = nn.Parameter(torch.randn(WIDTH, DIM) / 10)
        self.logit_scale = nn.Parameter(torch.tensor(4.0))

    def text(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        x = self.ln_final(self.transformer(x))
        return x[torch.arange(len(x)), ids.argmax(dim=1)] @ self.text_projection


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP of transformers, for its tokenizer."""
    file = Path(__file__).parents[1] / "unit" / "ground" / "tiny_models.py"
    spec = importlib.util.spec_from_file_location("tiny_models", file)
    assert spec is not None
    assert spec.loader is not None
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    return Path(tiny.save_tiny_clip(tmp_path_factory.mktemp("base") / "clip"))


@pytest.fixture(scope="module")
def words(base: Path) -> int:
    return len(AutoTokenizer.from_pretrained(str(base)))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))


def model(words: int, activation: str = "quick_gelu") -> OpenClip:
    torch.manual_seed(7)
    made = OpenClip(words, activation)
    for parameter in made.parameters():
        if parameter.ndim == 1 and parameter.numel() > 1:
            nn.init.normal_(parameter, std=0.1)  # biases and scales that matter
    return made.eval()


def pixels(picture: Image.Image) -> torch.Tensor:
    mean = np.array([0.48145466, 0.4578275, 0.40821073])
    std = np.array([0.26862954, 0.26130258, 0.27577711])
    values = (np.asarray(picture) / 255 - mean) / std
    return torch.from_numpy(values.transpose(2, 0, 1)[None].astype(np.float32))


def unit(rows: torch.Tensor) -> np.ndarray:
    return nn.functional.normalize(rows, dim=-1).detach().numpy()


def check(folder: Path, reference: OpenClip, picture: Image.Image, base: Path, *, text: bool = True) -> None:
    tower = load_tower(str(folder))
    np.testing.assert_allclose(tower.encode_images([picture]), unit(reference.visual(pixels(picture))), atol=2e-5)
    if text:
        tokenizer = AutoTokenizer.from_pretrained(str(base))
        for words, found in zip(TEXTS, tower.encode_text(TEXTS), strict=True):
            expected = unit(reference.text(tokenizer(words, return_tensors="pt")["input_ids"]))[0]
            np.testing.assert_allclose(found, expected, atol=2e-5)


LAYOUTS: dict[str, tuple[str, Callable[[OpenClip], Any], str]] = {
    "RemoteCLIP": ("RemoteCLIP-ViT-B-32.pt", lambda made: made.state_dict(), "gelu"),
    "GeoRSCLIP, half precision": (
        "RS5M_ViT-B-32.pt",
        lambda made: made.half().state_dict(),
        "quick_gelu",
    ),
    "SkyCLIP, as open_clip trains": (
        "epoch_20.pt",
        lambda made: {
            "epoch": 20,
            "name": "SkyCLIP",
            "optimizer": {"state": {}, "param_groups": []},
            "state_dict": {f"module.{name}": value for name, value in made.state_dict().items()},
        },
        "quick_gelu",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whole_models_give_the_same_vectors(layout: str, base, words, picture, tmp_path: Path) -> None:
    name, content, activation = LAYOUTS[layout]
    made = model(words, activation)
    torch.save(content(made), tmp_path / name)
    found = import_clip(tmp_path / name, tmp_path / "tower", base=base)
    assert (found.dim, found.image_px, found.patch_px, found.layers) == (DIM, SIDE, PATCH, (LAYERS, LAYERS))
    assert found.activation == activation
    assert not found.ignored
    check(tmp_path / "tower", made.float(), picture, base)
    assert json.loads((tmp_path / "tower" / "config.json").read_text())["vision_config"]["hidden_act"] == activation


def test_a_visual_tower_alone_takes_the_words_of_its_base(base, words, picture, tmp_path: Path) -> None:
    made = model(words)
    state = {f"sat_encoder.{name}": value for name, value in made.visual.state_dict().items()}
    extra = {"pooling_layer.linear.weight": torch.randn(1, DIM), "queue": torch.randn(DIM, 8)}
    torch.save({"state_dict": state | extra, "hyper_parameters": {"lr": 1e-4}}, tmp_path / "SenCLIP.ckpt")
    found = import_clip(tmp_path / "SenCLIP.ckpt", tmp_path / "tower", base=base)
    assert found.vision == "sat_encoder."
    assert found.text is None
    assert found.ignored == ("pooling_layer.linear.weight", "queue")
    check(tmp_path / "tower", made, picture, base, text=False)
    theirs, ours = (load_tower(str(folder)).encode_text(TEXTS) for folder in (base, tmp_path / "tower"))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_fine_tuned_tower_with_the_names_of_transformers(base, picture, tmp_path: Path) -> None:
    from transformers import CLIPModel

    original = CLIPModel.from_pretrained(str(base))
    state = {f"encoder.{name}": value + 0.01 for name, value in original.state_dict().items() if "vision" in name}
    state |= {f"encoder.{name}": value for name, value in original.state_dict().items() if name.startswith("visual")}
    torch.save({"state_dict": state}, tmp_path / "tuned.ckpt")
    # Its heads have 8 dimensions, which no CLIP of the world has and the shapes do not say.
    import_clip(tmp_path / "tuned.ckpt", tmp_path / "tower", base=base)
    about = json.loads((tmp_path / "tower" / "config.json").read_text())
    about["vision_config"]["num_attention_heads"] = 2
    (tmp_path / "tower" / "config.json").write_text(json.dumps(about))
    tower = load_tower(str(tmp_path / "tower"))
    with torch.no_grad():
        for name, value in original.named_parameters():
            if "vision" in name:
                value += 0.01
        expected = unit(original.get_image_features(pixel_values=pixels(picture)).pooler_output)
    np.testing.assert_allclose(tower.encode_images([picture]), expected, atol=2e-5)


def test_what_cannot_be_read_is_said_in_one_line(base, words, tmp_path: Path) -> None:
    state = model(words).state_dict()

    def refused(content: Any, kind: type[Exception], match: str, **how: Any) -> None:
        torch.save(content, tmp_path / "x.pt")
        with pytest.raises(kind, match=match):
            import_clip(tmp_path / "x.pt", tmp_path / "tower", **({"base": base} | how))
        assert not (tmp_path / "tower").exists()
        assert not list(tmp_path.glob(".tower*"))

    resnet = {"visual.attnpool.q_proj.weight": torch.zeros(2, 2), "visual.layer4.0.conv1.weight": torch.zeros(2, 2)}
    refused(resnet, CheckpointError, "is a ResNet .* take the ViT")
    refused({"a": torch.zeros(2)}, CheckpointError, "no visual transformer of CLIP.*tensors: a")
    short = {name: value for name, value in state.items() if "resblocks.1.mlp.c_proj.bias" not in name}
    refused(short, CheckpointError, r"2 tensors are missing .*layers\.1\.mlp\.fc2\.bias")
    refused(state | {"visual.positional_embedding": torch.zeros(4, WIDTH)}, CheckpointError, "3 positions .* a square")
    twice = state | {f"frozen.{name}": value for name, value in state.items() if name.startswith("visual.")}
    refused(twice, InputError, r"2 visual towers \('visual.', 'frozen.visual.'\); say which with --prefix")
    refused(state, CheckpointError, "no visual transformer under the prefix 'nowhere'", prefix="nowhere")
    refused(state, TowerError, "hold no tokenizer.*--base", base=tmp_path / "none")
    refused(model(words - 3).state_dict(), TowerError, rf"has {words} words, the weights {words - 3}")
    other = {f"visual.{name}": value for name, value in model(words).visual.state_dict().items()}
    refused(other | {"visual.proj": torch.zeros(WIDTH, 5)}, TowerError, "gives 12 dimensions, the file 5")
    torch.save(twice, tmp_path / "twice.pt")
    assert import_clip(tmp_path / "twice.pt", tmp_path / "tower", base=base, prefix="frozen.visual").dim == DIM
    with pytest.raises(InputError, match="exists; give a new folder"):
        import_clip(tmp_path / "twice.pt", tmp_path / "tower", base=base)


class Evil:
    """Runs when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_pickled_code_does_not_run(base, words, picture, tmp_path: Path) -> None:
    made = model(words)
    torch.save({"state_dict": made.state_dict(), "trap": Evil(tmp_path / "ran")}, tmp_path / "evil.pt")
    import_clip(tmp_path / "evil.pt", tmp_path / "tower", base=base)
    check(tmp_path / "tower", made, picture, base)
    assert not (tmp_path / "ran").exists()
