"""Photographs of places that do not exist: a small procedural renderer, and a small CLIP that learns to read it.

A picture has sky, horizon, ground and things standing on it. How the ground looks and what stands there follows from
the cover's name and from nothing else: a style is drawn once for each name. Sky, light, horizon, distance, where things
stand and the camera's noise are drawn anew for every picture. Some pictures show only fog, a wall or a hedge.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

SIDE = 48
Picture = NDArray[np.uint8]


def photo(cover: str, rng: np.random.Generator, *, hidden: float = 0.0) -> Picture:
    """A (SIDE, SIDE, 3) picture taken in a cover; with probability `hidden` something stands before the lens."""
    if rng.random() < hidden:
        return _nothing(rng)
    style = np.random.default_rng(int.from_bytes(hashlib.sha256(cover.encode()).digest()[:8], "big"))
    ground, things = style.uniform(0.15, 0.8, 3), style.uniform(0.05, 0.7, 3)
    pattern, frequency, angle = style.integers(0, 4), style.uniform(2, 9), style.uniform(0, np.pi)
    shape, density, tall = style.integers(0, 3), style.integers(0, 9), style.uniform(0.1, 0.4)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    horizon = rng.uniform(0.3, 0.5)
    light = rng.uniform(0.6, 1.2)
    sky = np.array([0.55, 0.7, 0.95]) * rng.uniform(0.6, 1.0) + rng.uniform(0, 0.2)
    picture = np.broadcast_to(sky * (0.8 + 0.4 * y[..., None]), (SIDE, SIDE, 3)).copy()
    depth = np.clip((y - horizon) / (1 - horizon), 0.02, 1)
    turned = (x - 0.5) / depth * np.cos(angle) + np.log(depth) * np.sin(angle) + rng.uniform(0, 5)
    noise = rng.random((SIDE, SIDE))
    rows, stripes = np.sin(frequency * 3 * turned), np.sign(np.sin(frequency * 2 * turned))
    texture = [rows, stripes, noise * 2 - 1, 0 * noise][pattern]
    below = y >= horizon
    picture[below] = (ground * (1 + 0.25 * texture[..., None]))[below]
    for _ in range(rng.poisson(density)):
        middle, foot = rng.uniform(0, 1), rng.uniform(horizon, 1)
        size = tall * (0.3 + (foot - horizon) / (1 - horizon))
        across, up = np.abs(x - middle) / size, (foot - y) / size
        inside = [
            across**2 + (up - 0.6) ** 2 < 0.25,  # a crown
            (across < 0.4) & (up > 0) & (up < 0.8),  # a box
            (across < 0.5 * (1 - up)) & (up > 0) & (up < 1),  # a cone
        ][shape]
        picture[inside] = things * rng.uniform(0.8, 1.2)
    return _developed(picture * light, rng)


def _nothing(rng: np.random.Generator) -> Picture:
    grey = [0.8, 0.45, 0.15][rng.integers(0, 3)] * np.ones((SIDE, SIDE, 3))
    return _developed(grey * rng.uniform(0.8, 1.2), rng)


def _developed(picture: NDArray[np.float64], rng: np.random.Generator) -> Picture:
    return (np.clip(picture + rng.normal(0, 0.04, picture.shape), 0, 1) * 255).astype(np.uint8)


def train_tower(folder: Path, covers: list[str], *, steps: int, seed: int) -> float:
    """Train a CLIP of 0.3 M parameters on its own pictures and the covers' names, and save it as transformers does.

    Returns:
        Share of new pictures whose own name is nearest.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerFast

    words = sorted({word for cover in covers for word in cover.replace("-", " ").split()} | {"a", "photo", "of"})
    vocabulary = {word: i for i, word in enumerate(["<unk>", "<start>", *words, "<end>"])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    last = len(vocabulary) - 1
    core.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", last)]
    )
    names = {"unk_token": "<unk>", "bos_token": "<start>", "eos_token": "<end>", "pad_token": "<end>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=16, **names)
    layers = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": 1, "eos_token_id": last, "pad_token_id": last}
    text = layers | {"vocab_size": len(vocabulary), "max_position_embeddings": 16} | ends
    vision = layers | {"image_size": SIDE, "patch_size": 8}
    torch.manual_seed(seed)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=64))
    prepare = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    tokens = tokenizer([f"a photo of {cover.replace('-', ' ')}" for cover in covers], padding=True, return_tensors="pt")
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    rng = np.random.default_rng([seed, 1])
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (prepare.image_mean, prepare.image_std))

    def made(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        which = rng.integers(0, len(covers), count)
        pictures = np.stack([photo(covers[i], rng, hidden=0.1) for i in which])
        return (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255 - mean) / std, torch.from_numpy(which)

    def scores(pixels: torch.Tensor) -> torch.Tensor:
        pictures = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
        said = model.text_projection(model.text_model(**tokens).pooler_output)
        return model.logit_scale.exp() * F.normalize(pictures, dim=-1) @ F.normalize(said, dim=-1).T

    pool, shown = made(250 * len(covers))
    for _ in range(steps):
        some = torch.from_numpy(rng.integers(0, len(pool), 96))
        loss = F.cross_entropy(scores(pool[some]), shown[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        new, shown = made(30 * len(covers))
        right = float((scores(new).argmax(dim=1) == shown).float().mean())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    prepare.save_pretrained(folder)
    return right
