from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from timesenclip.eo.points.read import iter_points, read_points
from timesenclip.testing import random_series, write_long_table, write_wide_table

from .tables import assert_equal


def test_rows_of_a_long_table_may_be_scattered(tmp_path: Path) -> None:
    series = random_series(6)
    frame = pd.read_parquet(write_long_table(series, tmp_path / "a.parquet"))
    order = np.random.default_rng(0).permutation(len(frame))
    mixed = frame.iloc[order].reset_index(drop=True)
    mixed.to_parquet(tmp_path / "b.parquet")
    found = read_points(tmp_path / "b.parquet")
    assert found.sample_id == tuple(dict.fromkeys(mixed["sample_id"]))  # order of first appearance
    again = found.take(np.array([found.sample_id.index(name) for name in series.sample_id]))
    assert_equal(again, series)
    pieces = list(iter_points(tmp_path / "b.parquet", batch_size=4))
    assert [len(piece) for piece in pieces] == [4, 2]
    assert pieces[0].sample_id + pieces[1].sample_id == found.sample_id
    first = found.take(np.arange(4))
    assert np.array_equal(pieces[0].reflectance, first.reflectance[:, : pieces[0].steps])
    assert [int(piece.valid.sum()) for piece in pieces] == [int(first.valid.sum()), int(found.valid[4:].sum())]


def test_names_in_csv_stay_as_they_are_written(tmp_path: Path) -> None:
    series = replace(random_series(3), sample_id=("007", "07", "7"))
    path = write_wide_table(series, tmp_path / "a.csv")
    assert read_points(path).sample_id == ("007", "07", "7")
    assert [name for piece in iter_points(path, batch_size=2) for name in piece.sample_id] == ["007", "07", "7"]
