from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from timesenclip.eo.area import CubeInMemory
from timesenclip.eo.composite import composite_cube
from timesenclip.errors import CheckpointError, GridError, InputError
from timesenclip.mapping.change import change_stores
from timesenclip.mapping.embed_area import StoreResult, embed_area
from timesenclip.mapping.query import make_query
from timesenclip.model.checkpoint import Model
from timesenclip.testing import random_cube


@pytest.fixture(scope="module")
def later(area, model: Model, tmp_path_factory: pytest.TempPathFactory) -> StoreResult:
    """The area, with other pixels in rows 16-24 of columns 16-32."""
    cube = area.read(every=None)
    other = random_cube((32, 48), seed=5, cloudy=0.0).reflectance
    changed = replace(cube, reflectance=cube.reflectance.copy())
    changed.reflectance[:, :, 16:24, 16:32] = other[:, :, 16:24, 16:32] * cube.valid[:, None, 16:24, 16:32]
    months = CubeInMemory(composite_cube(changed, every="month"))
    return embed_area(months, tmp_path_factory.mktemp("later") / "later.zarr", model=model, dims=64, block=16)


def test_change_is_found_where_it_happened(embedded: StoreResult, later: StoreResult, tmp_path: Path) -> None:
    query = make_query(embedded.store, ["maize", "water", "houses"])
    result = change_stores(embedded.store, later.store, out=tmp_path, query=query, threshold=0.05)
    truth = np.zeros((32, 48), dtype=bool)
    truth[16:24, 16:32] = True
    with rasterio.open(result.files["changed"]) as raster:
        changed = raster.read(1)
    assert (changed[:8, :6] == 255).all()
    assert not (changed == 1)[~truth].any()
    assert (changed == 1)[truth].mean() > 0.5
    assert result.changed == (changed == 1).sum()
    assert result.hectares == pytest.approx(result.changed / 100)
    with rasterio.open(result.files["before"]) as one, rasterio.open(result.files["after"]) as two:
        assert sum(each.pixels for each in result.transitions) == (one.read(1) != two.read(1)).sum()
    statistics = json.loads(result.files["statistics"].read_text())
    assert (statistics["changed"], statistics["compared"]) == (result.changed, result.compared)
    assert {path.name for path in tmp_path.iterdir()} >= {"before.qml", "after.tif.aux.xml", "change.json"}


def test_a_store_does_not_differ_from_itself(embedded: StoreResult, tmp_path: Path) -> None:
    result = change_stores(embedded.store, embedded.store.path, out=tmp_path)
    assert (result.changed, result.transitions, result.months) == (0, (), {})
    assert list(result.files) == ["distance", "changed", "statistics"]


def test_what_cannot_be_compared_is_refused(embedded: StoreResult, area, tmp_path: Path) -> None:
    store = embedded.store
    moved = replace(store, info=store.info.model_copy(update={"crs": "EPSG:32632"}))
    with pytest.raises(GridError, match="different grids"):
        change_stores(store, moved, out=tmp_path)
    other = replace(store, info=store.info.model_copy(update={"digest": "another"}))
    with pytest.raises(CheckpointError, match=r"\(another\); their vectors cannot be compared"):
        change_stores(store, other, out=tmp_path)
    with pytest.raises(InputError, match=r"threshold is 3; a cosine distance is 0..2"):
        change_stores(store, store, out=tmp_path, threshold=3)
    small = CubeInMemory(random_cube((8, 12)))
    with pytest.raises(
        GridError,
        match=r"cube in memory has \(8, 12\) pixels .* give the area that the store "
        r"was made of",
    ):
        change_stores(store, store, out=tmp_path, cubes=(area, small))
    assert not list(tmp_path.iterdir())
