from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.eo.points.files import TableShape, attribute_columns, iter_frames, table_shape
from timesenclip.eo.points.pieces import column_names, read_frame
from timesenclip.eo.points.read import iter_points, read_points
from timesenclip.errors import BandError, InputError, TimeError
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


def test_a_table_is_recognised_by_its_columns() -> None:
    wide = table_shape(["id", "OPTICAL-B02-ts0-10m", "OPTICAL-B02-ts2-10m", "B3_ts0", "B3_ts2"], source_name="t")
    assert wide == TableShape(
        wide=True,
        bands=("B02", "B03"),
        columns=(("OPTICAL-B02-ts0-10m", "OPTICAL-B02-ts2-10m"), ("B3_ts0", "B3_ts2")),
        steps=(0, 2),
    )
    long = table_shape(["sample_id", "timestamp", "S2-L2A-B02", "S2-L2A-B01"], source_name="t")
    assert long == TableShape(wide=False, bands=("B02",), columns=(("S2-L2A-B02",),))


@pytest.mark.parametrize(
    ("columns", "error", "match"),
    [
        (["B02", "blue", "timestamp"], BandError, "t: B02 stands in both 'B02' and 'blue'"),
        (["B02", "B03"], TimeError, "t has band columns but no 'timestamp'"),
        (["a", "b"], BandError, "t has no band columns; .* Found: a, b"),
        (["S2-L2A-B13", "timestamp"], BandError, "unknown band 'B13'"),
    ],
)
def test_tables_that_cannot_be_recognised_are_named(columns: list[str], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        table_shape(columns, source_name="t")


def test_attributes_are_neither_bands_nor_steps() -> None:
    assert attribute_columns(["label", "B02", "OPTICAL-B02-ts0-10m", "METEO-rain-ts3-100m"]) == ["label"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_pieces_hold_whole_points_and_only_what_series_need(suffix: str, tmp_path: Path) -> None:
    path = write_long_table(random_series(7), tmp_path / f"a{suffix}")
    frame = read_frame(path).assign(label="x")
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    pieces = list(iter_frames(path, batch_size=2))
    assert [name for piece in pieces for name in piece["sample_id"].unique()] == list(frame["sample_id"].unique())
    assert all("label" not in piece for piece in pieces)
    assert sum(map(len, pieces)) == len(frame)
    assert len(pieces) > 1
    with pytest.raises(InputError, match="batch_size is 0"):
        next(iter_frames(path, batch_size=0))
    assert column_names(path)[-1] == "label"
