"""Samples a second of preparing, loading and training: ours beside the authors' way, in turn, in one run.

The authors' side is written from the description of their code: per sample HDF5 access and whole-patch composites; a
`DataLoader` that opens one group a sample and looks four tensors up in a dictionary; `nn.TransformerEncoder` in 32 bits
with one augmentation a batch. It is as plain as theirs, without their defects.

    python benchmarks/training.py [--threads 1] [--batch 256] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from timesenclip.bands import BAND_NAMES, NORMALISATIONS
from timesenclip.data.ground_views import read_ground_views
from timesenclip.data.pairs import pair_by_id
from timesenclip.data.sen4map import convert_sen4map
from timesenclip.model.augment import TSMixAug
from timesenclip.model.encoder import PRESETS
from timesenclip.model.inputs import EncoderInput
from timesenclip.testing.training import write_lucas_embeddings, write_sen4map, write_sen4map_crops
from timesenclip.train.batches import Batch, Batches
from timesenclip.train.devices import precision_on_cpu
from timesenclip.train.learner import Learner
from timesenclip.train.recipe import ObjectiveConfig

DIM = 512


class TheirEncoder(nn.Module):
    """TimeSpectralViT as the paper's code has it, with its augmentation of a whole batch."""

    def __init__(self) -> None:
        super().__init__()
        self.time_pos_encoding = nn.Parameter(torch.zeros(1, 12, DIM))
        self.time_token = nn.Parameter(torch.zeros(1, 1, DIM))
        self.embed = nn.Linear(10, DIM)
        layer = nn.TransformerEncoderLayer(DIM, 8, 256, 0.2, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
        self.mlp_head = nn.Sequential(nn.LayerNorm(DIM), nn.Linear(DIM, DIM))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 12, 10, 1, 1) -> (B, 512)."""
        tokens, position = self.embed(x.flatten(2)), self.time_pos_encoding
        if torch.rand(()) < 0.5:
            if torch.rand(()) < 0.5:
                tokens, position = tokens.median(dim=1, keepdim=True).values, position.mean(dim=1, keepdim=True)
            else:
                first = int(torch.randint(0, 10, ()))
                kept = [m for m in range(12) if not first <= m < first + 3]
                tokens, position = tokens[:, kept], position[:, kept]
        tokens = torch.cat([self.time_token.expand(len(x), -1, -1), tokens + position], dim=1)
        return self.mlp_head(self.transformer(tokens)[:, 0])  # type: ignore[no-any-return]


class TheirDataset(Dataset[tuple[Tensor, Tensor]]):
    """One HDF5 group and four tensors of a dictionary for each sample."""

    def __init__(self, file: Path, ground: Path) -> None:
        self.file = h5py.File(file, "r")
        self.keys = list(self.file)
        self.ground = torch.load(ground, weights_only=True)
        norm = NORMALISATIONS["sen4map"]
        self.low = torch.tensor(norm.low_dn).view(1, 10, 1, 1)
        self.high = torch.tensor(norm.scale_dn).view(1, 10, 1, 1)

    def __len__(self) -> int:
        """Samples."""
        return len(self.keys)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """(12, 10, 1, 1) and (4, 512)."""
        group = self.file[self.keys[index]]
        image = torch.from_numpy(group["image"][:].astype(np.float32))
        point = self.keys[index].split("_")[-1]
        views = torch.cat([self.ground[f"{group.attrs['nuts0']}_{point}{view}"] for view in "WENS"])
        return ((image - self.low) / self.high).clamp(0, 1), views


def their_composite(group: Any) -> Tensor:
    """The whole patch, masked with zeros, month by month; the crop comes last."""
    mask = group["SCL"][:] < 9
    bands = [np.where(mask, group[name.replace("B0", "B")][:], 0) for name in BAND_NAMES]
    image = torch.from_numpy(np.stack(bands, axis=1).astype(np.float32))
    texts = list(group.attrs["Image_ID"])
    months = [[i for i, text in enumerate(texts) if f"2018{m:02d}" in text] for m in range(1, 13)]
    medians = [image[m or list(range(len(texts)))].median(dim=0).values for m in months]
    return torch.stack(medians)[..., 32:33, 32:33] + 1


def compare(title: str, sides: dict[str, Callable[[], int]], rounds: int) -> None:
    """Run the sides in turn; each returns how many samples it did."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, side in sides.items():
            began = time.perf_counter()
            count = side()
            rates[name].append(count / (time.perf_counter() - began))
    medians = {name: statistics.median(values[1:]) for name, values in rates.items()}
    first = next(iter(medians.values()))
    for name, rate in medians.items():
        print(f"{title:12} {name:42} {rate:>12,.0f} samples/s  {rate / first:>7.1f}x")


def preparing(root: Path, rounds: int) -> None:
    """Raw Sen4Map patches to monthly composites."""
    ids = [f"4{i:07d}" for i in range(64)]
    file = write_sen4map(root / "raw.h5", ids, acquisitions=60)
    number = iter(range(1000))

    def theirs() -> int:
        with h5py.File(file) as source:
            for key in list(source)[:8]:
                their_composite(source[key])
        return 8

    def ours() -> int:
        return len(convert_sen4map([file], root / f"store-{next(number)}").store)

    def exact() -> int:
        return len(convert_sen4map([file], root / f"store-{next(number)}", compositing="authors").store)

    compare("prepare", {"the authors' way": theirs, "ours, clear": ours, "ours, authors' composites": exact}, rounds)


def loading(root: Path, rounds: int, count: int = 20_000) -> Batches:
    """Shuffled batches of 1024."""
    rng = np.random.default_rng(0)
    ids = [f"4{i:07d}" for i in range(count)]
    crops = write_sen4map_crops(root / "crops.h5", ids, labels=[{"nuts0": "BE"}] * count)
    vectors = rng.normal(size=(count, 4, DIM)).astype(np.float32)
    named = {f"BE_{point}{view}": vectors[i, v] for i, point in enumerate(ids) for v, view in enumerate("WENS")}
    ground = write_lucas_embeddings(root / "ground.pt", named)
    store = convert_sen4map([crops], root / "crops.zarr").store
    batches = Batches(
        store, pair_by_id(store, read_ground_views(ground)), batch_size=1024, normalisation="sen4map", seed=0
    )
    loader = DataLoader(TheirDataset(crops, ground), batch_size=1024, shuffle=True)

    def theirs() -> int:
        series, _ = next(iter(loader))
        return len(series)

    def ours() -> int:
        order = batches.order(0)
        for first in range(0, 18 * 1024, 1024):
            batches.get(order[first : first + 1024])
        return 18 * 1024

    views = batches.places.views[:1024]

    def series_only() -> int:
        batches.places.views[:] = 0  # the same few vectors: what the pixel years alone cost
        done = ours()
        batches.places.views[:1024] = views
        return done

    sides = {"the authors' way": theirs, "ours": ours, "ours, pixel years (views in cache)": series_only}
    compare("load", sides, rounds)
    return batches


def training(batch_size: int, rounds: int) -> None:
    """One optimiser step on a batch."""
    x, views = torch.rand(batch_size, 12, 10), torch.randn(batch_size, 4, DIM)
    start = torch.arange(12) / 12
    calendar = torch.stack([start, start + 1 / 12], dim=-1).expand(batch_size, -1, -1).contiguous()
    valid = torch.ones(batch_size, 12, dtype=torch.bool)
    their = nn.ModuleDict({"encoder": TheirEncoder(), "pool": nn.Linear(DIM, 1, bias=False)})
    queue = F.normalize(torch.randn(2048, DIM), dim=-1)
    their_optimiser = torch.optim.AdamW(their.parameters(), lr=1e-4)

    def theirs() -> int:
        satellite = F.normalize(their["encoder"](x[..., None, None]), dim=-1)
        ground = F.normalize((their["pool"](views).softmax(dim=1) * views).sum(dim=1), dim=-1)
        logits = torch.cat([(satellite * ground).sum(dim=1, keepdim=True), satellite @ queue.T], dim=1) / 0.07
        their_optimiser.zero_grad()
        F.cross_entropy(logits, torch.zeros(batch_size, dtype=torch.int64)).backward()
        their_optimiser.step()
        return batch_size

    def step_of(precision: torch.dtype | None) -> Callable[[], int]:
        learner = Learner(PRESETS["paper"], ObjectiveConfig()).train()
        learner.bank.push(queue)
        optimiser = torch.optim.AdamW(learner.parameters(), lr=1e-4)
        generator = torch.Generator().manual_seed(0)
        augment = TSMixAug()

        def ours() -> int:
            given = augment(EncoderInput(x, calendar, valid), generator)
            batch = Batch(*given[:3], views, valid[:, :4], torch.arange(batch_size))
            with torch.autocast("cpu", dtype=precision or torch.bfloat16, enabled=precision is not None):
                loss, keys, *_ = learner(*batch.inputs())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            learner.bank.push(keys)
            return batch_size

        return ours

    sides = {"the authors' way, 32 bits": theirs, "ours, 32 bits": step_of(None)}
    if precision_on_cpu("bf16-mixed") == "bf16-mixed":
        sides["ours, bf16-mixed"] = step_of(torch.bfloat16)
    compare("train", sides, rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{given.threads} thread(s), medians of {given.rounds} rounds, preset paper (8.17 M parameters)")
    with tempfile.TemporaryDirectory() as scratch:
        preparing(Path(scratch), given.rounds)
        loading(Path(scratch), given.rounds)
    training(given.batch, given.rounds)


if __name__ == "__main__":
    main()
