from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip.errors import NoClearObservationError
from timesenclip.mapping.change_blocks import ChangeMarks, StorePair, cosine_distance
from timesenclip.mapping.embed_area import StoreResult
from timesenclip.mapping.output.layers import AreaGrid
from timesenclip.mapping.output.write_map import write_rasters
from timesenclip.mapping.query import make_query


def test_distances_are_those_of_the_full_space() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 50, 12)).astype(np.float32)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (first, second)]
    expected = 1 - (unit[0] * unit[1]).sum(axis=1)
    assert np.allclose(cosine_distance(first, second, None), expected, atol=1e-6)
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0].astype(np.float32)
    assert np.allclose(cosine_distance(first @ turn, second, turn.T), expected, atol=1e-5)
    assert (cosine_distance(first, first, None) == 0).mean() > 0.2  # never below 0
    assert cosine_distance(first, -first, None).max() <= 2


def test_a_pair_counts_what_it_hands_out(embedded: StoreResult) -> None:
    store = embedded.store
    query = make_query(store, ["maize", "water"])
    pair = StorePair(store, store, (query, query.for_store(store)), min_clear=1)
    assert [layer.name for layer in pair.layers()] == ["distance", "before", "after"]
    blocks = dict(pair.blocks(workers=2))
    assert list(blocks) == list(store.blocks())
    seen = store.read().scale > 0
    assert pair.distances.total == seen.sum()
    distance = blocks[(0, 16, 0, 16)]["distance"]
    assert distance.shape == (1, 16, 16)
    assert (distance[0, :8, :6] == -9999).all()
    assert np.abs(distance[distance != -9999]).max() < 1e-5
    assert np.array_equal(blocks[(0, 16, 0, 16)]["before"], blocks[(0, 16, 0, 16)]["after"])
    assert pair.classes.transitions(query.taxonomy, 10.0) == ()


def test_where_nothing_was_seen_in_both_there_is_nothing_to_compare(embedded: StoreResult) -> None:
    pair = StorePair(embedded.store, embedded.store, None, min_clear=99)
    assert [layer.name for layer in pair.layers()] == ["distance"]
    with pytest.raises(NoClearObservationError, match="nothing to compare"):
        list(pair.blocks(workers=1))


def test_marks_count_pixels_above_the_limit_and_their_months(embedded: StoreResult, area, tmp_path: Path) -> None:
    store = embedded.store
    distance = np.full((1, 32, 48), 0.1, dtype=np.float32)
    distance[0, 20:24, 30:40] = 0.9
    distance[0, :8, :6] = -9999
    layer = StorePair(store, store, None, 0).layers()
    windows = [(w, {"distance": distance[:, w[0] : w[1], w[2] : w[3]]}) for w in store.blocks()]
    files = write_rasters(layer, windows, folder=tmp_path, grid=AreaGrid.of(store))
    marks = ChangeMarks((store, store), files["distance"], 0.5, None)
    changed = np.full((32, 48), 9, dtype=np.uint8)
    for window, rasters in marks.blocks():
        assert list(rasters) == ["changed"]
        changed[window[0] : window[1], window[2] : window[3]] = rasters["changed"][0]
    assert marks.changed == 40
    assert (changed[20:24, 30:40] == 1).all()
    assert (changed[:8, :6] == 255).all()
    assert (changed == 0).sum() == 32 * 48 - 40 - 48
    assert marks.month_shares() == {}
    with_cubes = ChangeMarks((store, store), files["distance"], 0.5, (area, area))
    assert [each.name for each in with_cubes.layers()] == ["changed", "month"]
    months = [rasters["month"] for _, rasters in with_cubes.blocks()]
    assert np.unique(np.concatenate([month.ravel() for month in months])).tolist() == [0, 255]  # one cube: no change
    assert with_cubes.months.tolist() == [40] + [0] * 12
