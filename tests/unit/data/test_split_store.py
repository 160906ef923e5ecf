"""Splits of a store, and tables of pairs, as files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.data.pairs import read_photo_table, write_pairs
from timesenclip.data.split_store import split_store
from timesenclip.data.store import store_points
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.testing import random_series


def test_every_place_is_in_one_list(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    series = replace(random_series(60), lon_deg=rng.uniform(0, 20, 60), lat_deg=rng.uniform(40, 60, 60))
    store_points([series], tmp_path / "store.zarr", source="test")
    found = split_store(tmp_path / "store.zarr", tmp_path / "lists", validation=0.2, test=0.2, gap_m=1000)
    lists = {name: (tmp_path / "lists" / f"{name}.txt").read_text().split() for name in found.places}
    assert list(lists) == ["train", "validation", "test", "unused"]
    assert {name: len(ids) for name, ids in lists.items()} == found.places
    assert sorted(name for ids in lists.values() for name in ids) == sorted(series.sample_id)
    assert min(found.places[name] for name in ("train", "validation", "test")) > 0
    assert found.nearest_m >= 1000
    with pytest.raises(InputError, match="expected shares"):
        split_store(tmp_path / "store.zarr", tmp_path / "x", validation=0.9, test=0.9)


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.parquet"])
def test_pairs_come_back_as_they_were_written(name: str, tmp_path: Path) -> None:
    pairs = pd.DataFrame({"series_id": ["a", "b"], "photo_id": ["x", "y"], "distance_m": [1.5, 2.0]})
    file = write_pairs(pairs, tmp_path / "new folder" / name)
    pd.testing.assert_frame_equal(read_photo_table(file), pairs)
    assert [path.name for path in file.parent.iterdir()] == [name]


def test_a_table_that_is_not_there_or_not_readable_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="No table at"):
        read_photo_table(tmp_path / "none.csv")
    (tmp_path / "bad.parquet").write_text("no parquet")
    with pytest.raises(DataNotFoundError, match="no table that can be read"):
        read_photo_table(tmp_path / "bad.parquet")
