from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.eo.points.read import points_from_frame
from timesenclip.errors import (
    BandError,
    DegradedInputWarning,
    UnitsError,
)
from timesenclip.testing import random_series, write_wide_table

from .tables import assert_equal, wide_frame


def test_b08_stands_in_for_b8a_and_says_so(tmp_path: Path) -> None:
    frame = pd.read_parquet(write_wide_table(random_series(3, missing=0), tmp_path / "a.parquet"))
    gone = frame.drop(columns=[c for c in frame if "B8A" in c])
    filled = frame.assign(**{c: 65535 for c in frame if "B8A" in c})
    for table in (gone, filled):
        with pytest.warns(DegradedInputWarning, match="B8A is absent"):
            series = points_from_frame(table)
        assert np.array_equal(series.reflectance[..., 7], series.reflectance[..., 6])
        assert series.provenance["substituted"] == "B8A by B08"
        with pytest.raises(BandError, match="strict"):
            points_from_frame(table, strict=True)


def test_one_missing_band_makes_a_step_missing(tmp_path: Path) -> None:
    frame = wide_frame(tmp_path, missing=0.0)
    frame.loc[1, "OPTICAL-B11-ts4-20m"] = 65535
    series = points_from_frame(frame)
    assert not series.valid[1, 4]
    assert series.valid.sum() == 35


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
    assert np.argwhere(~series.valid).tolist() == [[0, 2]]


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
