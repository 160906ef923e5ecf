"""Does the recipe learn? A whole world in the authors' formats, from photographs and pixels to zero-shot answers.

    .venv/bin/python benchmarks/learns.py            some twenty minutes on 2 cores

1. Places over Europe get a cover. The simulator renders the pixel year (Sen4Map HDF5, patches with clouds and SCL);
   benchmarks/ground_photos.py renders four photographs (the LUCAS photo tree, JPEG), most of which show nothing.
2. A small CLIP is trained on other photographs of the same renderer and on the covers' names, and frozen.
3. `data sen4map`, `ground embed` and `train` run on these files as a user would run them; places are split by blocks.
4. Held-out places: zero-shot accuracy by the covers' names, and class-consistent Recall@1 both ways.

What pixel and photograph share is the place's cover and nothing else: each side draws everything else by itself, and
the encoder never sees a name. With the pairs shuffled nothing is left to learn, so every figure must fall to chance.
The objective is the paper's: negatives come from the bank alone, so the smallest bank is one batch.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ground_photos import photo, train_tower
from numpy.typing import NDArray

from timesenclip.data.ground_views import embed_photos, read_ground_views
from timesenclip.data.photos import find_photos
from timesenclip.data.sen4map import convert_sen4map
from timesenclip.data.store import SeriesStore
from timesenclip.ground.load import load_tower
from timesenclip.model.checkpoint import load
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries
from timesenclip.simulate.series import simulate_series
from timesenclip.testing.training import write_lucas_photos, write_sen4map
from timesenclip.train.recipe import PhotoRecipe

COVERS = [
    "winter wheat", "maize", "sunflower", "rapeseed", "rice paddy", "olive grove", "vineyard", "heathland",
    "spruce and fir forest", "oak and beech forest", "birch and aspen forest", "hay meadow", "bog and mire",
    "mediterranean dry grassland", "sand dunes", "mountain rock and scree", "dense city", "road and car park",
    "clear lake and sea", "reed bed and marsh",
]  # fmt: skip


def make_world(root: Path, count: int, *, tower_steps: int, seed: int) -> list[str]:
    """Write everything and convert it; returns each place's cover."""
    rng = np.random.default_rng(seed)
    began = time.perf_counter()
    made = simulate_series(count, rng=rng, covers=COVERS, mixed=0.0, cloud=0.3)
    ids = [f"4{i:07d}" for i in range(count)]
    series = _year_2018(made.series, ids, rng)
    labels = [{"lc1": "A11", "nuts0": "BE"}] * count  # never read: there is no label in this benchmark's input
    write_sen4map(root / "sen4map.h5", ids, series=series, labels=labels, side=8, acquisitions=36, seed=seed)
    photos = {f"{i}{v}": photo(c, rng, hidden=0.6) for i, c in zip(ids, made.cover, strict=True) for v in "NESW"}
    write_lucas_photos(root / "photos", photos)
    print(f"world of {count} places, {len(photos)} photographs  ({time.perf_counter() - began:.0f} s)")
    right = train_tower(root / "tower", COVERS, steps=tower_steps, seed=seed)
    print(f"tower: {right:.1%} of new photographs nearest to their own name  ({time.perf_counter() - began:.0f} s)")
    store = convert_sen4map([root / "sen4map.h5"], root / "series.zarr").store
    done = embed_photos(find_photos(root / "photos").photos, root / "ground", tower=load_tower(root / "tower"))
    print(f"{len(store)} series, {done.written} embeddings  ({time.perf_counter() - began:.0f} s)\n")
    return list(made.cover)


def _year_2018(series: PixelSeries, ids: list[str], rng: np.random.Generator) -> PixelSeries:
    """The same months, laid into 2018, at places spread over Europe."""
    month = series.start.astype("datetime64[M]").astype(int) % 12  # (N, 12)
    order = month.argsort(axis=1)
    reflectance = np.take_along_axis(series.reflectance, order[..., None], axis=1)
    return PixelSeries.from_monthly(
        reflectance,
        year=2018,
        valid=np.take_along_axis(series.valid, order, axis=1),
        sample_id=ids,
        lon_deg=rng.uniform(-8, 25, len(ids)),
        lat_deg=rng.uniform(38, 66, len(ids)),
    )


def recipe(root: Path, seed: int, epochs: int, **changes: Any) -> PhotoRecipe:
    """The recipe of the benchmark: the paper's losses at a size for two cores."""
    base: dict[str, Any] = {
        "recipe": "photos",
        "name": "learns",
        "seed": seed,
        "encoder": "tiny",
        "encoder_options": {"dim": 64, "depth": 2, "ffn_dim": 128, "positions": "monthly"},
        "normalisation": "sqrt",
        "data": {"series": str(root / "series.zarr"), "ground": str(root / "ground")},
        "split": {"block_deg": 1.0, "validation": 0.1, "test": 0.2, "gap_m": 1000.0},
        "augment": [{"name": "random-ts", "p": 0.7}],
        "objective": {"bank_size": 1024},
        "optimiser": {"learning_rate": 2e-3, "weight_decay": 0.01},
        "epochs": epochs,
        "batch_size": 32,
        "precision": "32-true",
        "selection": {"every_epochs": 5},
    }
    for key, value in changes.items():
        base[key] = {**base[key], **value} if isinstance(value, dict) else value
    return PhotoRecipe.model_validate(base)


def measure(
    root: Path, checkpoint: Path, learner_state: Path, covers: list[str], config: PhotoRecipe, seed: int
) -> dict[str, float]:
    """Figures on the test blocks, which nothing has seen."""
    from timesenclip.spatial import spatial_parts

    store = SeriesStore.open(root / "series.zarr")
    split = config.split
    shares = {"train": 1 - split.validation - split.test, "validation": split.validation, "test": split.test}
    lon, lat = store.index["lon"].to_numpy(), store.index["lat"].to_numpy()
    part = spatial_parts(
        lat_deg=lat, lon_deg=lon, block_deg=split.block_deg, shares=shares, seed=split.seed, gap_m=split.gap_m
    )
    truth = {f"4{i:07d}": COVERS.index(cover) for i, cover in enumerate(covers)}
    rows = np.flatnonzero(part == "test")
    series = store.series(rows)
    keep = np.flatnonzero(series.valid.any(axis=1))
    series, label = series.take(keep), np.array([truth[series.sample_id[i]] for i in keep])
    model = load(checkpoint)
    words = load_tower(root / "tower").encode_text([f"a photo of {cover}" for cover in COVERS])
    satellite = embed(series, model=model)
    rng = np.random.default_rng(seed)
    few = replace(series, valid=_only(series.valid, 2, rng))
    ground = _pooled(root, learner_state, series.sample_id, config)
    scores = satellite @ ground.T
    return {
        "zero-shot": float((np.argmax(satellite @ words.T, axis=1) == label).mean()),
        "2 months": float((np.argmax(embed(few, model=model) @ words.T, axis=1) == label).mean()),
        "S2G R@1": float((label[scores.argmax(axis=1)] == label).mean()),
        "G2S R@1": float((label[scores.argmax(axis=0)] == label).mean()),
    }


def _only(valid: NDArray[np.bool_], most: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    draw = np.where(valid, rng.random(valid.shape), 2.0)
    return np.asarray(valid & (draw.argsort(axis=1).argsort(axis=1) < most))


def _pooled(root: Path, state_file: Path, ids: tuple[str, ...], config: PhotoRecipe) -> NDArray[np.float32]:
    """The photographs of each place, pooled as the run learned to."""
    from timesenclip.model.pooling import AttentionPooling

    views = read_ground_views(root / "ground")
    pooling = AttentionPooling(views.dim, config.objective.pooling)
    state = torch.load(state_file, weights_only=True)["learner"]
    pooling.load_state_dict({k.removeprefix("pooling."): v for k, v in state.items() if k.startswith("pooling.")})
    row = {name: i for i, name in enumerate(views.photo_id.tolist())}
    index = np.array([[row[f"{name}{view}"] for view in "WENS"] for name in ids])
    with torch.no_grad():
        vectors = unit(pooling(unit(torch.from_numpy(views.vectors[index]).float())))
    return vectors.numpy()


def unit(x: torch.Tensor) -> torch.Tensor:
    """Unit vectors."""
    return torch.nn.functional.normalize(x, dim=-1)


def shuffled_ground(root: Path, seed: int) -> Path:
    """The same embeddings, given to other places: what is left when nothing belongs together."""
    import pandas as pd

    views = read_ground_views(root / "ground")
    points = np.unique(views.point_id)
    other = dict(zip(points, np.random.default_rng(seed).permutation(points), strict=True))
    point = [other[p] for p in views.point_id]
    vectors = list(views.vectors.astype(np.float32))
    table = pd.DataFrame({"point_id": point, "direction": views.direction, "embedding": vectors})
    table.to_parquet(root / f"shuffled-{seed}.parquet")
    return root / f"shuffled-{seed}.parquet"


VARIANTS: dict[str, dict[str, Any]] = {
    "whole recipe": {},
    "bank of one batch": {"objective": {"bank_size": 32}},
    "mean instead of attention": {"objective": {"pooling": "mean"}},
    "no temporal augmentation": {"augment": []},
    "in-batch, symmetric (ours)": {"objective": {"in_batch": True, "symmetric": True, "ignore_same_place": True}},
    "pairs shuffled": {"shuffled": True},
}


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    from timesenclip.train.trainer import pretrain

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--tower-steps", type=int, default=800)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), help="these variants")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        covers = make_world(root, given.places, tower_steps=given.tower_steps, seed=0)
        names = ("zero-shot", "2 months", "S2G R@1", "G2S R@1")
        print(f"{'':28}" + "".join(f"{name:>20}" for name in names) + f"    mean and range of {given.seeds} seeds")
        for name in given.only or VARIANTS:
            changes, found = VARIANTS[name], []
            for seed in range(given.seeds):
                changed = {k: v for k, v in changes.items() if k != "shuffled"}
                config = recipe(root, seed, given.epochs, **changed)
                if changes.get("shuffled"):
                    ground = {"ground": str(shuffled_ground(root, seed))}
                    config = recipe(root, seed, given.epochs, data=ground, tower=str(root / "tower"))
                run = root / f"{name}-{seed}"
                done = pretrain(config, run, accelerator="cpu")
                found.append(measure(root, done.folder / "last", run / "state.pt", covers, config, seed))
            cells = [[row[n] for row in found] for n in names]
            print(f"{name:28}" + "".join(f"{np.mean(c):.3f} ({min(c):.2f}-{max(c):.2f})".rjust(20) for c in cells))
        print(f"{'chance':28}" + f"{1 / len(COVERS):20.3f}" * 4)


if __name__ == "__main__":
    main()
