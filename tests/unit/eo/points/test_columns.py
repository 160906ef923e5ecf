from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.points.read import points_from_frame
from timesenclip.errors import UnitsError
from timesenclip.testing import random_series, write_long_table, write_wide_table

from .tables import assert_equal, wide_frame


def test_nothing_stands_in_for_an_absent_band(tmp_path: Path) -> None:
    frame = pd.read_parquet(write_wide_table(random_series(3, missing=0), tmp_path / "a.parquet"))
    gone = frame.drop(columns=[c for c in frame if "B8A" in c])
    filled = frame.assign(**{c: 65535 for c in frame if "B8A" in c})
    for table in (gone, filled):
        series = points_from_frame(table)
        assert series.valid.all()
        assert (series.reflectance[..., 7] == 0).all()
        assert series.band_valid is not None
        assert np.array_equal(series.band_valid.all(axis=(0, 1)), np.arange(10) != 7)
    assert "B8A" not in points_from_frame(gone).provenance["bands"]


def test_one_missing_band_does_not_cost_the_step(tmp_path: Path) -> None:
    frame = wide_frame(tmp_path, missing=0.0)
    assert points_from_frame(frame).band_valid is None
    frame.loc[1, "OPTICAL-B11-ts4-20m"] = 65535
    series = points_from_frame(frame)
    assert series.valid.all()
    assert series.reflectance[1, 4, 8] == 0
    assert np.argwhere(~series.bands_seen()).tolist() == [[1, 4, 8]]


@pytest.mark.parametrize("kept", [["B02", "B03", "B04"], ["B12"], ["B02", "B03", "B04", "B8A", "B11", "B12"]])
@pytest.mark.parametrize("write", [write_wide_table, write_long_table])
def test_a_table_without_columns_is_the_whole_one_with_these_bands_masked(
    write, kept: list[str], tmp_path: Path
) -> None:
    frame = pd.read_parquet(write(random_series(6, missing=0.2), tmp_path / "a.parquet"))
    whole = points_from_frame(frame)
    gone = [c for c in frame if any(f"-{name}" in c for name in BAND_NAMES if name not in kept)]
    part = points_from_frame(frame.drop(columns=gone))
    here = np.isin(BAND_NAMES, kept)
    assert np.array_equal(part.bands_seen(), whole.bands_seen() & here)
    assert np.array_equal(part.reflectance, np.where(here, whole.reflectance, 0))
    assert np.array_equal(part.valid, whole.valid)
    assert list(part.provenance["bands"]) == [name for name in BAND_NAMES if name in kept]


def test_reflectance_and_dn_give_the_same(tmp_path: Path) -> None:
    frame = wide_frame(tmp_path)
    bands = [c for c in frame if c.startswith("OPTICAL")]
    dn = frame[bands].astype("float64")
    given = frame.assign(**(dn.where(dn < 65535) / 10_000))
    assert_equal(points_from_frame(given), points_from_frame(frame))
    with pytest.raises(UnitsError, match="declared as digital numbers"):
        points_from_frame(given, units="dn")


@pytest.mark.parametrize("fill", [65535, -9999, np.nan])
def test_every_fill_value_is_missing(fill: float, tmp_path: Path) -> None:
    frame = wide_frame(tmp_path, missing=0.0).astype({"OPTICAL-B03-ts2-10m": "float64"})
    frame.loc[0, "OPTICAL-B03-ts2-10m"] = fill
    series = points_from_frame(frame)
    assert np.argwhere(~series.bands_seen()).tolist() == [[0, 2, 1]]


def test_geoparquet_points_have_a_place(tmp_path: Path) -> None:
    frame = wide_frame(tmp_path).drop(columns=["lat", "lon"])
    wkb = [struct.pack("<BIdd", 1, 1, 3.0 + i, 51.0) for i in range(3)]
    series = points_from_frame(frame.assign(geometry=wkb))
    assert series.lon_deg.tolist() == [3.0, 4.0, 5.0]
    assert series.lat_deg.tolist() == [51.0, 51.0, 51.0]
    assert np.isnan(points_from_frame(frame).lat_deg).all()


def test_zero_is_dark_in_one_band_and_missing_in_all(tmp_path: Path) -> None:
    frame = wide_frame(tmp_path, missing=0.0)
    frame.loc[0, "OPTICAL-B12-ts2-20m"] = 0  # dark water in a harmonised table
    frame.loc[1, [c for c in frame if c.startswith("OPTICAL") and "-ts5-" in c]] = 0
    series = points_from_frame(frame)
    assert series.valid[0, 2]
    assert not series.valid[1, 5]
    assert series.valid.sum() == 35
