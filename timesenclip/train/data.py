"""Training data of a recipe for photographs: pixel years paired with ground views, split by place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.data.ground_views import GroundViews, read_ground_views
from timesenclip.data.pairs import PairedPlaces, pair_by_id, pair_by_table, read_pairs
from timesenclip.data.splits import check_apart, named_split, read_ids
from timesenclip.data.store import SeriesStore
from timesenclip.errors import InputError
from timesenclip.spatial import spatial_parts
from timesenclip.train.recipe import PhotoRecipe, SplitConfig

__all__ = ["TrainingData", "read_training_data"]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The data that a run reads."""

    store: SeriesStore
    """Pixel years."""
    train: PairedPlaces
    """Places to learn from."""
    validation: PairedPlaces
    """Held-out places that select checkpoints."""
    test: PairedPlaces
    """Held-out places that are not used in training; may be empty."""
    parts: dict[str, int]
    """Number of places by part, including those left out."""
    nearest_m: float
    """Smallest distance between a training and a held-out place."""
    tower: str
    """Tower that the ground vectors come from."""
    revision: str | None
    """Revision of the tower on the hub."""
    dim: int
    """D, length of a ground vector."""


def read_training_data(recipe: PhotoRecipe) -> TrainingData:
    """Open the store, pair it with the ground views and split it.

    Raises:
        DataNotFoundError: a file does not exist.
        InputError: store, ground views, pairs or split do not fit together.
    """
    data = recipe.data
    store = SeriesStore.open(data.series)
    views = read_ground_views(data.ground) if data.ground is not None else None
    if data.pairs is not None:
        pairs = read_pairs(data.pairs)
        paired = pair_by_table(store, pairs, views if "embedding" not in pairs else None, least=data.least_views)
    elif views is None:
        raise InputError("The recipe names neither data.ground nor data.pairs; a satellite series needs a ground view.")
    else:
        paired = pair_by_id(store, views, directions=data.directions, least=data.least_views, exclude=data.exclude)
    part, nearest = _split(store, paired, recipe.split)
    for name in ("train", "validation"):
        if not (part == name).any():
            raise InputError(
                f"No place fell into '{name}' ({len(paired):,} places in all); change split.block_deg or the shares."
            )
    names, counts = np.unique(part, return_counts=True)
    return TrainingData(
        store=store,
        train=paired.take(part == "train"),
        validation=paired.take(part == "validation"),
        test=paired.take(part == "test"),
        parts=dict(zip(names.tolist(), counts.tolist(), strict=True)) | paired.left_out,
        nearest_m=nearest,
        tower=_tower(recipe, views),
        revision=views.revision if views is not None else None,
        dim=int(paired.vectors.shape[1]),
    )


def _split(store: SeriesStore, paired: PairedPlaces, split: SplitConfig) -> tuple[NDArray[np.str_], float]:
    index = store.index.iloc[paired.rows]
    lon, lat = index["lon"].to_numpy(dtype=np.float64), index["lat"].to_numpy(dtype=np.float64)
    if split.kind == "lists":
        part = named_split(index["sample_id"].astype(str).tolist(), {k: read_ids(v) for k, v in split.lists.items()})
    else:
        shares = {"train": 1 - split.validation - split.test, "validation": split.validation, "test": split.test}
        part = spatial_parts(
            lat_deg=lat, lon_deg=lon, block_deg=split.block_deg, shares=shares, seed=split.seed, gap_m=split.gap_m
        )
    nearest = check_apart(
        part, lat_deg=lat, lon_deg=lon, min_distance_m=split.min_distance_m, refuse=not split.allow_close
    )
    return part, nearest


def _tower(recipe: PhotoRecipe, views: GroundViews | None) -> str:
    stored = views.tower if views is not None else None
    if stored is None and recipe.tower is None:
        raise InputError(
            "The ground embeddings do not say which tower made them; set `tower` in the recipe, such as "
            "openai/clip-vit-base-patch32, or prompts will later be embedded by another one."
        )
    if stored is not None and recipe.tower is not None and stored != recipe.tower:
        raise InputError(
            f"The recipe says tower '{recipe.tower}', the ground store was made with '{stored}'; change one."
        )
    return str(recipe.tower or stored)
