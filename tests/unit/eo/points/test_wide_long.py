from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.eo.points.read import iter_points, points_from_frame, read_attributes, read_points
from timesenclip.errors import (
    InputError,
    TimeError,
)
from timesenclip.testing import random_series, write_long_table, write_wide_table

from .tables import assert_equal, wide_frame


def test_two_rows_for_one_date_are_refused(tmp_path: Path) -> None:
    frame = pd.read_parquet(write_long_table(random_series(2), tmp_path / "a.parquet"))
    with pytest.raises(TimeError, match="2021-01-01 more than once"):
        points_from_frame(pd.concat([frame, frame.iloc[:1]], ignore_index=True))


def test_a_step_that_has_no_columns_is_a_missing_step(tmp_path: Path) -> None:
    frame = wide_frame(tmp_path, missing=0.0)
    series = points_from_frame(frame.drop(columns=[c for c in frame if "-ts5-" in c]))
    assert series.valid[0].tolist() == [t != 5 for t in range(12)]
    assert np.allclose(series.reflectance[:, 6], points_from_frame(frame).reflectance[:, 6])


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


def test_points_of_different_years_share_few_columns(tmp_path: Path) -> None:
    frame = wide_frame(tmp_path, missing=0.0).assign(start_date=["2019-01-01", "2021-07-01", "2023-01-01"])
    series = points_from_frame(frame)
    assert series.steps == 12
    assert series.valid.all()
    assert series.start[:, 0].astype(str).tolist() == ["2019-01-01", "2021-07-01", "2023-01-01"]


def test_text_in_a_band_and_rows_without_name_or_date_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="hold no numbers"):
        points_from_frame(wide_frame(tmp_path).assign(**{"OPTICAL-B02-ts0-10m": "cloud"}))
    long = pd.read_parquet(write_long_table(random_series(2), tmp_path / "a.parquet"))
    with pytest.raises(InputError, match="row 0 has no sample_id"):
        points_from_frame(long.assign(sample_id=[None, *long["sample_id"][1:]]))
    with pytest.raises(TimeError, match="row 3 has no timestamp"):
        points_from_frame(long.assign(timestamp=long["timestamp"].where(long.index != 3)))


@pytest.mark.parametrize("text", ["now", "today", "NOW ", "Monday", "10:30", "5"])
def test_a_date_that_depends_on_the_day_of_reading_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(TimeError, match="holds no dates"):
        points_from_frame(wide_frame(tmp_path).assign(start_date=text))


@pytest.mark.parametrize("text", ["2021-01-01", "20210101", "1 Jan 2021", "01/01/21", "1-Jan-21", "2021"])
def test_dates_of_usual_forms_are_read(text: str, tmp_path: Path) -> None:
    series = points_from_frame(wide_frame(tmp_path).assign(start_date=text))
    assert series.start[:, 0].astype(str).tolist() == ["2021-01-01"] * 3


def test_one_series_of_very_many_dates_does_not_lengthen_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timesenclip.eo.points.wide_long._MOST_STEPS", 100)
    monkeypatch.setattr("timesenclip.eo.points.files._MOST_STEPS", 100)
    frame = pd.read_parquet(write_long_table(random_series(30), tmp_path / "a.parquet"))
    ids = frame["sample_id"].unique()
    frame = frame[(frame["sample_id"] == ids[3]) | (frame.index % 12 == 0)]  # one point of twelve dates, others of one
    with pytest.raises(InputError, match=r"has 12 dates, and 30 points would have as many empty ones"):
        points_from_frame(frame)
    for rows in (frame, frame.sample(frac=1, random_state=0)):
        rows.to_parquet(tmp_path / "b.parquet")
        pieces = list(iter_points(tmp_path / "b.parquet"))
        found = [name for piece in pieces for name in piece.sample_id]
        assert found == list(rows["sample_id"].unique())
        assert max(len(piece) * piece.steps for piece in pieces) <= 100


@pytest.mark.parametrize("seed", range(5))
def test_wide_equals_long_whatever_is_missing_and_however_it_is_ordered(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    wide = pd.read_parquet(write_wide_table(random_series(5, missing=0.2), tmp_path / "a.parquet"))
    bands = [c for c in wide if c.startswith("OPTICAL")]
    wide[bands] = wide[bands].mask(rng.random((5, len(bands))) < 0.2, 65535)
    wide = wide.drop(columns=[c for c in bands if "B07" in c or (rng.random() < 0.1 and "ts0" not in c)])
    rows = []
    for _, one in wide.iterrows():
        for step in range(12):
            values = {f"S2-L2A-{c[8:11]}": one[c] for c in wide if f"-ts{step}-" in c}
            month = pd.Timestamp(one["start_date"]) + pd.DateOffset(months=step)
            rows.append(
                {"sample_id": one["sample_id"], "lat": one["lat"], "lon": one["lon"], "timestamp": month} | values
            )
    long = pd.DataFrame(rows)
    expected = points_from_frame(long)
    shuffled = long.sample(frac=1, random_state=seed, axis=0).sample(frac=1, random_state=seed, axis=1)
    mixed = points_from_frame(shuffled)
    order = [mixed.sample_id.index(name) for name in expected.sample_id]
    columns = points_from_frame(wide.sample(frac=1, random_state=seed, axis=1))
    for found in (columns, mixed.take(np.array(order))):
        assert_equal(found, expected)
        assert np.array_equal(found.bands_seen(), expected.bands_seen())
    assert not expected.bands_seen()[..., 5].any()
