"""The trainings of a sweep: what is varied, and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.train.ablation_world import TRAIN, build
from timesenclip.errors import InputError
from timesenclip.evaluation.sweep.config import TrainAxes
from timesenclip.train.recipe import PhotoRecipe, read_recipe
from timesenclip.train.variations import variations


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("variations")
    build(root)
    return root


def recipe_of(world: Path, *changes: str) -> PhotoRecipe:
    return read_recipe(world / "recipe.yaml", changes=changes)


def test_one_thing_is_varied_at_a_time(world: Path) -> None:
    found = variations(TrainAxes(**TRAIN), recipe_of(world), store_patch=5)
    assert [v.name for v in found] == [
        "base",  # all bands, 5 x 5, attention and a bank of 32 are the recipe: they are trained once
        "bands=rgb",
        "patch_size=1",
        "augmentation=none",
        "augmentation=without ts-mix-aug",
        "pooling=mean",
        "pooling=one-view",
        "bank_size=0",
    ]
    recipes = {v.name: v.recipe for v in found}
    assert recipes["base"] == recipe_of(world)
    assert recipes["bands=rgb"].data.bands == ("B04", "B03", "B02")
    assert recipes["patch_size=1"].data.patch_size == 1
    assert recipes["augmentation=none"].augment == ()
    left = recipes["augmentation=without ts-mix-aug"].augment
    assert [(part.name, part.p) for part in left] == [("month-dropout", 0.9)]
    assert recipes["pooling=one-view"].objective.pooling == "one-view"
    for variation in found[1:]:
        before, after = (r.model_dump(mode="json") for r in (recipe_of(world), variation.recipe))
        assert sum(before[key] != after[key] for key in before) == 1, variation.name


def test_everything_is_crossed_where_that_is_asked_for(world: Path) -> None:
    axes = TrainAxes(
        recipe="r", bands=("rgb", "B08, B04"), pooling=("mean",), augmentation=("random-ts",), seed=(0, 1), cross=True
    )
    found = variations(axes, recipe_of(world), store_patch=5)
    assert [v.name for v in found] == [
        f"bands={bands}, augmentation=random-ts, pooling=mean, seed={seed}"
        for bands in ("rgb", "B08,B04")
        for seed in (0, 1)
    ]
    assert found[3].recipe.seed == 1
    assert found[3].recipe.data.bands == ("B08", "B04")
    assert [part.name for part in found[0].recipe.augment] == ["random-ts"]


@pytest.mark.parametrize(
    ("axes", "changes", "said"),
    [
        ({"bands": ("infrared",)}, (), "train.bands: infrared: Unknown band"),
        ({"augmentation": ("blur",)}, (), "'blur' is unknown; expected all, none"),
        ({"augmentation": ("without random-ts",)}, (), "augmentations are ts-mix-aug, month-dropout"),
        ({"augmentation": ("all",)}, ("augment=[]",), "but it has none"),
        ({"bank_size": (0,)}, ("objective.in_batch=false",), "train.bank_size: 0: no negatives at all"),
        ({"patch_size": (0,)}, (), "train.patch_size: 0"),
        ({"bands": ("rgb",)}, ("encoder_options.bands=10",), "set data.bands"),
    ],
)
def test_what_cannot_be_varied_is_said(axes: dict[str, Any], changes: tuple[str, ...], said: str, world: Path) -> None:
    with pytest.raises(InputError, match=said):
        variations(TrainAxes(recipe="r", **axes), recipe_of(world, *changes), store_patch=5)
