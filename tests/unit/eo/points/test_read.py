from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.points.read import iter_points, points_from_frame, read_attributes, read_points
from timesenclip.eo.points.window import select_window
from timesenclip.errors import (
    BandError,
    DataNotFoundError,
    DegradedInputWarning,
    InputError,
    NoClearObservationError,
    TimeError,
    UnitsError,
)
from timesenclip.series import PixelSeries
from timesenclip.testing import random_series, write_long_table, write_wide_table


def _equal(a: PixelSeries, b: PixelSeries) -> None:
    assert a.sample_id == b.sample_id
    for name in ("reflectance", "valid", "start", "end", "lon_deg", "lat_deg"):
        assert np.allclose(getattr(a, name).astype(float), getattr(b, name).astype(float), atol=1e-6), name


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("write", [write_wide_table, write_long_table])
def test_every_form_and_format_gives_the_same_series(write, suffix: str, tmp_path: Path) -> None:
    series = random_series(5)
    _equal(read_points(write(series, tmp_path / f"points{suffix}")), series)


@pytest.mark.parametrize("write", [write_wide_table, write_long_table])
def test_pieces_are_the_whole(write, tmp_path: Path) -> None:
    series = random_series(23)
    path = write(series, tmp_path / "points.parquet")
    pieces = list(iter_points(path, batch_size=5))
    assert len(pieces) > 3
    assert [name for piece in pieces for name in piece.sample_id] == list(series.sample_id)
    assert np.allclose(np.concatenate([piece.valid for piece in pieces]), series.valid)


def test_rows_of_a_long_table_may_be_scattered(tmp_path: Path) -> None:
    series = random_series(6)
    frame = pd.read_parquet(write_long_table(series, tmp_path / "a.parquet"))
    order = np.random.default_rng(0).permutation(len(frame))
    mixed = frame.iloc[order].reset_index(drop=True)
    mixed.to_parquet(tmp_path / "b.parquet")
    found = read_points(tmp_path / "b.parquet")
    assert found.sample_id == tuple(dict.fromkeys(mixed["sample_id"]))  # order of first appearance
    again = found.take(np.array([found.sample_id.index(name) for name in series.sample_id]))
    _equal(again, series)
    pieces = list(iter_points(tmp_path / "b.parquet", batch_size=4))
    assert [len(piece) for piece in pieces] == [4, 2]
    assert pieces[0].sample_id + pieces[1].sample_id == found.sample_id
    first = found.take(np.arange(4))
    assert np.array_equal(pieces[0].reflectance, first.reflectance[:, : pieces[0].steps])
    assert [int(piece.valid.sum()) for piece in pieces] == [int(first.valid.sum()), int(found.valid[4:].sum())]


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


def test_attributes_come_in_the_order_of_the_series(tmp_path: Path) -> None:
    path = write_long_table(random_series(4), tmp_path / "a.parquet")
    frame = pd.read_parquet(path)
    frame.assign(label=frame["sample_id"].str.upper()).to_parquet(path)
    assert read_attributes(path, ["label"])["label"].tolist() == ["POINT-0", "POINT-1", "POINT-2", "POINT-3"]
    with pytest.raises(InputError, match="no column 'colour'"):
        read_attributes(path, ["colour"])


def _wide(tmp_path: Path, **options: float) -> pd.DataFrame:
    return pd.read_parquet(write_wide_table(random_series(3, **options), tmp_path / "x.parquet"))


def test_an_absent_label_lists_the_columns_that_could_be_meant(tmp_path: Path) -> None:
    path = write_wide_table(random_series(3), tmp_path / "points.parquet")
    frame = pd.read_parquet(path)
    weather = {f"METEO-rain-ts{i}-100m": 0.0 for i in range(12)}
    frame.assign(**weather, **{f"note_{i:02}": 0 for i in range(60)}, crop="maize").to_parquet(path)
    with pytest.raises(
        InputError, match=r"no column 'kind'; beside bands and steps it has: .*note_00.* and \d+ more\."
    ) as said:
        read_attributes(path, ["kind"])
    assert "-ts" not in str(said.value)
    frame.assign(**weather, crop="maize").to_parquet(path)
    with pytest.raises(InputError, match=r", crop\.$"):
        read_attributes(path, ["kind"])


def test_bad_tables_are_named(tmp_path: Path) -> None:
    frame = _wide(tmp_path)
    with pytest.raises(BandError, match="missing band B11"):
        points_from_frame(frame.drop(columns=[c for c in frame if "B11" in c]))
    with pytest.raises(BandError, match="unknown band 'B99'"):
        points_from_frame(frame.rename(columns={"OPTICAL-B02-ts0-10m": "OPTICAL-B99-ts0-10m"}))
    with pytest.raises(BandError, match="lacks the steps"):
        points_from_frame(frame.drop(columns="OPTICAL-B02-ts3-10m"))
    with pytest.raises(TimeError, match="start_date"):
        points_from_frame(frame.drop(columns="start_date"))
    with pytest.raises(UnitsError, match="values reach"):
        points_from_frame(frame, units="reflectance")
    with pytest.raises(InputError, match="no points"):
        points_from_frame(frame.iloc[:0])
    with pytest.raises(InputError, match="swapped"):
        points_from_frame(frame.assign(lat=120.0))
    with pytest.warns(DegradedInputWarning, match="2 rows repeat a sample_id, such as 'same'"):
        assert points_from_frame(frame.assign(sample_id="same")).sample_id == ("same",) * 3
    with pytest.raises(InputError, match="repeat a sample_id"):
        points_from_frame(frame.assign(sample_id="same"), strict=True)
    bands = [c for c in frame if c.startswith("OPTICAL")]
    with pytest.raises(NoClearObservationError, match="no point has a clear"):
        points_from_frame(frame.assign(**dict.fromkeys(bands, 65535)))
    with pytest.raises(DataNotFoundError, match="No file"):
        read_points(tmp_path / "nothing.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataNotFoundError, match="Cannot read"):
        read_points(tmp_path / "broken.parquet")


def test_two_rows_for_one_date_are_refused(tmp_path: Path) -> None:
    frame = pd.read_parquet(write_long_table(random_series(2), tmp_path / "a.parquet"))
    with pytest.raises(TimeError, match="2021-01-01 more than once"):
        points_from_frame(pd.concat([frame, frame.iloc[:1]], ignore_index=True))


def test_one_missing_band_makes_a_step_missing(tmp_path: Path) -> None:
    frame = _wide(tmp_path, missing=0.0)
    frame.loc[1, "OPTICAL-B11-ts4-20m"] = 65535
    series = points_from_frame(frame)
    assert not series.valid[1, 4]
    assert series.valid.sum() == 35


def test_a_step_that_has_no_columns_is_a_missing_step(tmp_path: Path) -> None:
    frame = _wide(tmp_path, missing=0.0)
    series = points_from_frame(frame.drop(columns=[c for c in frame if "-ts5-" in c]))
    assert series.valid[0].tolist() == [t != 5 for t in range(12)]
    assert np.allclose(series.reflectance[:, 6], points_from_frame(frame).reflectance[:, 6])


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
    _equal(read_points(write(series, tmp_path / "a.parquet"), step="quarter"), series)


def test_reflectance_and_dn_give_the_same(tmp_path: Path) -> None:
    frame = _wide(tmp_path)
    bands = [c for c in frame if c.startswith("OPTICAL")]
    dn = frame[bands].astype("float64")
    given = frame.assign(**(dn.where(dn < 65535) / 10_000))
    _equal(points_from_frame(given), points_from_frame(frame))
    with pytest.raises(UnitsError, match="declared as digital numbers"):
        points_from_frame(given, units="dn")


@pytest.mark.parametrize("fill", [65535, -9999, np.nan])
def test_every_fill_value_is_missing(fill: float, tmp_path: Path) -> None:
    frame = _wide(tmp_path, missing=0.0).astype({"OPTICAL-B03-ts2-10m": "float64"})
    frame.loc[0, "OPTICAL-B03-ts2-10m"] = fill
    series = points_from_frame(frame)
    assert np.argwhere(~series.valid).tolist() == [[0, 2]]


def test_a_long_table_without_names_is_told_apart_by_place(tmp_path: Path) -> None:
    series = random_series(4)
    path = write_long_table(series, tmp_path / "a.parquet")
    frame = pd.read_parquet(path)
    frame.drop(columns="sample_id").assign(label=frame["sample_id"]).to_parquet(path)
    found = read_points(path)
    assert found.sample_id == ("0", "1", "2", "3")
    assert np.array_equal(found.valid, series.valid)
    assert read_attributes(path, ["label"])["label"].tolist() == list(series.sample_id)
    with pytest.raises(InputError, match="to tell the points apart"):
        points_from_frame(frame.drop(columns=["sample_id", "lat", "lon"]))


def test_names_in_csv_stay_as_they_are_written(tmp_path: Path) -> None:
    series = replace(random_series(3), sample_id=("007", "07", "7"))
    path = write_wide_table(series, tmp_path / "a.csv")
    assert read_points(path).sample_id == ("007", "07", "7")
    assert [name for piece in iter_points(path, batch_size=2) for name in piece.sample_id] == ["007", "07", "7"]


def test_a_period_may_miss_whole_pieces_but_not_the_table(tmp_path: Path) -> None:
    early = pd.read_parquet(write_wide_table(random_series(3, missing=0), tmp_path / "a.parquet"))
    late = early.assign(start_date="2023-01-01", sample_id=["x", "y", "z"])
    path = tmp_path / "both.parquet"
    pd.concat([early, late]).to_parquet(path)
    pieces = list(iter_points(path, batch_size=3, period=2023))
    assert [int(piece.valid.sum()) for piece in pieces] == [0, 36]
    assert all(piece.steps == 12 for piece in pieces)
    for write in (write_wide_table, write_long_table):
        table = write(random_series(3), tmp_path / "c.parquet")
        with pytest.raises(TimeError, match=r"runs from 2021-01-01 to 2021-12-\d\d"):
            next(iter_points(table, period=1990))


def test_points_of_different_years_share_few_columns(tmp_path: Path) -> None:
    frame = _wide(tmp_path, missing=0.0).assign(start_date=["2019-01-01", "2021-07-01", "2023-01-01"])
    series = points_from_frame(frame)
    assert series.steps == 12
    assert series.valid.all()
    assert series.start[:, 0].astype(str).tolist() == ["2019-01-01", "2021-07-01", "2023-01-01"]


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


def test_geoparquet_points_have_a_place(tmp_path: Path) -> None:
    frame = _wide(tmp_path).drop(columns=["lat", "lon"])
    wkb = [struct.pack("<BIdd", 1, 1, 3.0 + i, 51.0) for i in range(3)]
    series = points_from_frame(frame.assign(geometry=wkb))
    assert series.lon_deg.tolist() == [3.0, 4.0, 5.0]
    assert series.lat_deg.tolist() == [51.0, 51.0, 51.0]
    assert np.isnan(points_from_frame(frame).lat_deg).all()


def test_text_in_a_band_and_rows_without_name_or_date_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="hold no numbers"):
        points_from_frame(_wide(tmp_path).assign(**{"OPTICAL-B02-ts0-10m": "cloud"}))
    long = pd.read_parquet(write_long_table(random_series(2), tmp_path / "a.parquet"))
    with pytest.raises(InputError, match="row 0 has no sample_id"):
        points_from_frame(long.assign(sample_id=[None, *long["sample_id"][1:]]))
    with pytest.raises(TimeError, match="row 3 has no timestamp"):
        points_from_frame(long.assign(timestamp=long["timestamp"].where(long.index != 3)))


def test_an_offset_left_in_a_table_is_noticed_and_can_be_removed(tmp_path: Path) -> None:
    frame = _wide(tmp_path, missing=0.0)
    frame = pd.concat([frame.assign(sample_id=[f"{i}-{k}" for k in range(3)]) for i in range(4)])
    bands = [c for c in frame if c.startswith("OPTICAL")]
    late = frame.assign(**(frame[bands] + 1000))
    with pytest.warns(DegradedInputWarning, match="offset of 1000"):
        points_from_frame(late)
    assert np.allclose(points_from_frame(late, offset_dn=1000).reflectance, points_from_frame(frame).reflectance)


def test_zero_is_dark_in_one_band_and_missing_in_all(tmp_path: Path) -> None:
    frame = _wide(tmp_path, missing=0.0)
    frame.loc[0, "OPTICAL-B12-ts2-20m"] = 0  # dark water in a harmonised table
    frame.loc[1, [c for c in frame if c.startswith("OPTICAL") and "-ts5-" in c]] = 0
    series = points_from_frame(frame)
    assert series.valid[0, 2]
    assert not series.valid[1, 5]
    assert series.valid.sum() == 35
