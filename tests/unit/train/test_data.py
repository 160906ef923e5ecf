"""What a recipe trains on: places paired with photographs, split by land, of one tower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.train.photo_world import COUNT, DIM, recipe_of
from timesenclip.data.store import SeriesStore
from timesenclip.errors import InputError
from timesenclip.train.data import TrainingData, read_training_data


def places_of(data: TrainingData, part: str) -> np.ndarray:
    """(N, 2) longitude and latitude."""
    return data.store.index.iloc[getattr(data, part).rows][["lon", "lat"]].to_numpy()


def test_every_place_is_in_one_part_and_the_parts_are_counted(world: Path) -> None:
    data = read_training_data(recipe_of(world))
    rows = [set(getattr(data, part).rows.tolist()) for part in ("train", "validation", "test")]
    assert all(rows)
    assert len(set.union(*rows)) == sum(map(len, rows))
    assert [data.parts[part] for part in ("train", "validation", "test")] == [len(part) for part in rows]
    assert sum(data.parts.values()) == COUNT
    assert (data.tower, data.revision, data.dim) == ("compact", None, DIM)


def test_the_nearest_held_out_place_is_measured(world: Path) -> None:
    data = read_training_data(recipe_of(world))
    train = places_of(data, "train")
    held = np.concatenate([places_of(data, "validation"), places_of(data, "test")])
    near = min(haversine_m(lon, lat, train).min() for lon, lat in held)
    assert data.nearest_m == pytest.approx(near, rel=0.01)
    assert data.nearest_m > recipe_of(world).split.gap_m


def haversine_m(lon: float, lat: float, others: np.ndarray) -> np.ndarray:
    """Distance on a sphere, as in any textbook."""
    a, b = np.radians(others[:, 0]), np.radians(others[:, 1])
    x, y = np.radians(lon), np.radians(lat)
    half = np.sin((b - y) / 2) ** 2 + np.cos(b) * np.cos(y) * np.sin((a - x) / 2) ** 2
    return 2 * 6_371_008.8 * np.arcsin(np.sqrt(half))


def test_lists_of_ids_decide_the_parts(world: Path, tmp_path: Path) -> None:
    ids = SeriesStore.open(world / "series.zarr").index["sample_id"].astype(str).tolist()
    lists = {"train": ids[:40], "validation": ids[40:50], "test": ids[50:]}
    for name, members in lists.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(members))
    files = {name: str(tmp_path / f"{name}.txt") for name in lists}
    split = {"kind": "lists", "lists": files, "allow_close": True}
    data = read_training_data(recipe_of(world, split=split))
    for name, members in lists.items():
        assert data.store.index.iloc[getattr(data, name).rows]["sample_id"].tolist() == members


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tower": None}, "do not say which tower made them; set `tower` in the recipe"),
        ({"split": {"block_deg": 180.0}}, r"No place fell into 'validation' \(60 places in all\)"),
        ({"data": {"series": "{w}/series.zarr"}}, "names neither data.ground nor data.pairs"),
    ],
)
def test_what_does_not_fit_is_said(changes: dict[str, Any], message: str, world: Path) -> None:
    if "data" in changes:
        changes = {"data": {"series": str(world / "series.zarr")}}
    with pytest.raises(InputError, match=message):
        read_training_data(recipe_of(world, **changes))


def test_the_tower_of_the_recipe_is_that_of_the_ground_store(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from timesenclip.train import data as module

    read = module.read_ground_views
    monkeypatch.setattr(module, "read_ground_views", lambda path: replace(read(path), tower="clip", revision="v1"))
    found = read_training_data(recipe_of(world, tower=None))
    assert (found.tower, found.revision) == ("clip", "v1")
    with pytest.raises(
        InputError, match="The recipe says tower 'compact', the ground store was made with 'clip'; change one"
    ):
        read_training_data(recipe_of(world))
