from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.period import Period
from timesenclip.eo.points.read import points_from_frame, read_points
from timesenclip.eo.points.window import select_window
from timesenclip.errors import (
    TimeError,
)
from timesenclip.series import PixelSeries
from timesenclip.testing import write_long_table, write_wide_table

from .tables import assert_equal


def test_a_long_record_is_cut_to_one_year(tmp_path: Path) -> None:
    months = np.datetime64("2020-09", "M") + np.arange(17)
    n = 2
    reflectance = np.full((n, 17, 10), 0.2, dtype=np.float32)
    start = np.broadcast_to(months.astype("datetime64[D]"), (n, 17))
    end = np.broadcast_to((months + 1).astype("datetime64[D]"), (n, 17))
    series = PixelSeries(reflectance, np.ones((n, 17), bool), start, end, ("a", "b"), np.zeros(n), np.zeros(n))
    path = write_long_table(series, tmp_path / "long.parquet")
    found = read_points(path)
    assert found.steps == 12
    assert str(found.start[0, 0]) == "2021-01-01"
    frame = pd.read_parquet(path).assign(valid_time="2020-11-01")
    assert str(points_from_frame(frame).start[0, 0]) == "2020-09-01"
    assert read_points(path, period="2020-09..2021-08").steps == 12
    with pytest.raises(TimeError, match="run from"):
        read_points(path, period=1990)


def test_dekads_become_months_unless_told(tmp_path: Path) -> None:
    days = np.array([f"2021-{m:02d}-{d:02d}" for m in range(1, 13) for d in (1, 11, 21)], dtype="datetime64[D]")
    rng = np.random.default_rng(0)
    dn = rng.integers(200, 4000, (len(days), 10))
    frame = pd.DataFrame(dn, columns=[f"S2-L2A-{name}" for name in BAND_NAMES])
    frame = frame.assign(sample_id="p", timestamp=days.astype("datetime64[ns]"), lat=1.0, lon=2.0)
    monthly = points_from_frame(frame)
    assert monthly.steps == 12
    assert np.allclose(monthly.reflectance[0, 0], np.median(dn[:3], axis=0) / 10_000, atol=1e-6)
    raw = points_from_frame(frame, every=None)
    assert raw.steps == 36
    assert str(raw.end[0, 2]) == "2021-02-01"  # the third dekad ends with the month


@pytest.mark.parametrize("write", [write_wide_table, write_long_table])
def test_quarters_are_never_passed_off_as_months(write, tmp_path: Path) -> None:
    edges = np.array(["2021-01-01", "2021-04-01", "2021-07-01", "2021-10-01", "2022-01-01"], dtype="datetime64[D]")
    n = 2
    series = PixelSeries(
        np.full((n, 4, 10), 0.2, dtype=np.float32),
        np.ones((n, 4), bool),
        np.broadcast_to(edges[:-1], (n, 4)),
        np.broadcast_to(edges[1:], (n, 4)),
        ("a", "b"),
        np.zeros(n),
        np.zeros(n),
    )
    assert_equal(read_points(write(series, tmp_path / "a.parquet"), step="quarter"), series)


def test_the_year_told_wins_where_it_was_seen() -> None:
    rows = pd.DataFrame({"year": [2020, 2021, 1999]})
    months = (np.datetime64("2020-09", "M") + np.arange(17)).astype("datetime64[D]")
    series = PixelSeries(
        np.full((3, 16, 10), 0.2, dtype=np.float32),
        np.ones((3, 16), bool),
        np.broadcast_to(months[:-1], (3, 16)),
        np.broadcast_to(months[1:], (3, 16)),
        ("a", "b", "c"),
        np.zeros(3),
        np.zeros(3),
    )
    found = select_window(series, rows, period=None, every="month", may_be_empty=False)
    assert found.start[:, 0].astype(str).tolist() == ["2020-09-01", "2021-01-01", "2021-01-01"]
    assert found.valid.sum(axis=1).tolist() == [4, 12, 12]


def test_cloudy_dates_are_left_out_before_their_month_is_composited() -> None:
    field = np.array([0.04, 0.07, 0.05, 0.1, 0.25, 0.32, 0.34, 0.36, 0.2, 0.11], dtype=np.float32)
    days = np.arange("2018-01-01", "2018-12-31", 10, dtype="datetime64[D]")
    cloudy = np.isin(days, days[6:8])  # two of three dates of March
    values = np.where(cloudy[:, None], np.float32(0.6), field)[None]
    series = PixelSeries(
        reflectance=values,
        valid=np.ones(values.shape[:2], dtype=np.bool_),
        start=days[None],
        end=days[None] + 1,
        sample_id=("a",),
        lon_deg=np.array([4.0]),
        lat_deg=np.array([51.0]),
    )
    for period, every in ((None, "month"), (Period(days[0], days[-1] + 1), "month"), (None, None)):
        taken = {"period": period, "every": every, "may_be_empty": False}
        clean = select_window(series, pd.DataFrame(index=[0]), **taken, outliers="drop")
        assert clean.provenance["outlying_steps"]["removed"] == 2
        assert clean.valid.sum() == (12 if every else len(days) - 2)  # the month stays
        np.testing.assert_allclose(clean.reflectance[clean.valid], field[None].repeat(clean.valid.sum(), 0), rtol=1e-6)
        kept = select_window(series, pd.DataFrame(index=[0]), **taken, outliers="keep")
        assert kept.provenance["outlying_steps"] == "kept"
        assert kept.reflectance.max() > 0.36
