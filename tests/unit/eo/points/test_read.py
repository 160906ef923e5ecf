from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.points.read import iter_points, points_from_frame, read_attributes, read_points
from timesenclip.errors import (
    BandError,
    DataNotFoundError,
    DegradedInputWarning,
    InputError,
    NoClearObservationError,
    TimeError,
    UnitsError,
)
from timesenclip.testing import random_series, write_long_table, write_wide_table

from .tables import assert_equal, wide_frame


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("write", [write_wide_table, write_long_table])
def test_every_form_and_format_gives_the_same_series(write, suffix: str, tmp_path: Path) -> None:
    series = random_series(5)
    assert_equal(read_points(write(series, tmp_path / f"points{suffix}")), series)


@pytest.mark.parametrize("write", [write_wide_table, write_long_table])
def test_pieces_are_the_whole(write, tmp_path: Path) -> None:
    series = random_series(23)
    path = write(series, tmp_path / "points.parquet")
    pieces = list(iter_points(path, batch_size=5))
    assert len(pieces) > 3
    assert [name for piece in pieces for name in piece.sample_id] == list(series.sample_id)
    assert np.allclose(np.concatenate([piece.valid for piece in pieces]), series.valid)


def test_attributes_come_in_the_order_of_the_series(tmp_path: Path) -> None:
    path = write_long_table(random_series(4), tmp_path / "a.parquet")
    frame = pd.read_parquet(path)
    frame.assign(label=frame["sample_id"].str.upper()).to_parquet(path)
    assert read_attributes(path, ["label"])["label"].tolist() == ["POINT-0", "POINT-1", "POINT-2", "POINT-3"]
    with pytest.raises(InputError, match="no column 'colour'"):
        read_attributes(path, ["colour"])


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
    frame = wide_frame(tmp_path)
    with pytest.raises(BandError, match="no band columns"):
        points_from_frame(frame.drop(columns=[c for c in frame if c.startswith("OPTICAL")]))
    with pytest.raises(BandError, match="unknown band 'B99'"):
        points_from_frame(frame.rename(columns={"OPTICAL-B02-ts0-10m": "OPTICAL-B99-ts0-10m"}))
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


def test_an_offset_left_in_a_table_is_noticed_and_can_be_removed(tmp_path: Path) -> None:
    frame = wide_frame(tmp_path, missing=0.0)
    frame = pd.concat([frame.assign(sample_id=[f"{i}-{k}" for k in range(3)]) for i in range(4)])
    bands = [c for c in frame if c.startswith("OPTICAL")]
    late = frame.assign(**(frame[bands] + 1000))
    with pytest.warns(DegradedInputWarning, match="offset of 1000"):
        points_from_frame(late)
    assert np.allclose(points_from_frame(late, offset_dn=1000).reflectance, points_from_frame(frame).reflectance)


@pytest.mark.parametrize("form", ["wide", "long"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table_without_rows_is_refused(form: str, suffix: str, tmp_path: Path) -> None:
    write = write_wide_table if form == "wide" else write_long_table
    frame = pd.read_parquet(write(random_series(3), tmp_path / "a.parquet")).iloc[:0]
    path = tmp_path / f"b{suffix}"
    _ = frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    for read in (read_points, lambda path: list(iter_points(path))):
        with pytest.raises(InputError, match="no points"):
            read(path)


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        ("lat", "here", "'lat' holds no numbers"),
        ("lon", [1.0], "'lon' holds no numbers"),
        ("lat", True, "'lat' holds no numbers"),
        ("sample_id", [1, 2], "row 0 has a list as sample_id"),
        ("sample_id", b"\xff", "row 0 has a bytes as sample_id"),
        ("start_date", 20180101, "holds numbers such as 20180101"),
        ("start_date", "1700-01-01", "expected 1972 to 2100"),
        ("start_date", "9999-12-31", "expected 1972 to 2100"),
        ("start_date", {"a": 1}, "holds no dates"),
        ("OPTICAL-B02-ts0-10m", True, "is of type bool"),
    ],
)
def test_values_that_cannot_be_are_named(column: str, value: object, match: str, tmp_path: Path) -> None:
    frame = pd.read_parquet(write_wide_table(random_series(3), tmp_path / "a.parquet"))
    with pytest.raises(InputError, match=match):
        points_from_frame(frame.assign(**{column: [value] * len(frame)}))


def test_steps_beyond_the_calendar_are_refused(tmp_path: Path) -> None:
    frame = pd.read_parquet(write_wide_table(random_series(3), tmp_path / "a.parquet"))
    for step, error in (("9999", TimeError), ("9" * 5000, BandError)):
        wide = frame.rename(columns={name: name.replace("-ts11-", f"-ts{step}-") for name in frame})
        with pytest.raises(error):
            points_from_frame(wide)


def test_a_wide_row_without_a_name_gets_its_number(tmp_path: Path) -> None:
    frame = pd.read_parquet(write_wide_table(random_series(3), tmp_path / "a.parquet"))
    frame.loc[1, "sample_id"] = None
    assert points_from_frame(frame).sample_id[1] == "1"


_LANDSAT = {"B02": "SR_B2", "B03": "SR_B3", "B04": "SR_B4", "B8A": "SR_B5", "B11": "SR_B6", "B12": "SR_B7"}


def _landsat_frame(tmp_path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(write_long_table(random_series(8), tmp_path / "s2.parquet"))
    names = {f"S2-L2A-{ours}": theirs for ours, theirs in _LANDSAT.items()}
    frame = frame.drop(columns=[c for c in frame if c.startswith("S2-") and c not in names]).rename(columns=names)
    for name in names.values():
        dn = frame[name].to_numpy(dtype=float)
        frame[name] = np.where(dn == 65535, 0, np.rint((dn / 10_000 + 0.2) / 0.0000275))  # 0 is Landsat's fill value
    return frame


def test_landsat_collection_2_gives_the_same_reflectance_under_its_own_names(tmp_path: Path) -> None:
    whole = read_points(write_long_table(random_series(8), tmp_path / "a.parquet"))
    found = points_from_frame(_landsat_frame(tmp_path))
    here = np.isin(BAND_NAMES, list(_LANDSAT))
    assert np.array_equal(found.bands_seen(), whole.bands_seen() & here)
    assert np.allclose(found.reflectance, np.where(here, whole.reflectance, 0), atol=2e-5)
    about = found.provenance
    assert (about["sensor"], about["units"], about["bands"]) == ("landsat", "landsat-c2", _LANDSAT)


def test_an_offset_of_numbers_of_landsat_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnitsError, match="offset_dn 1000 was given, but the values are numbers of Landsat"):
        points_from_frame(_landsat_frame(tmp_path), offset_dn=1000)


def test_bare_numbers_of_landsat_are_refused_until_the_sensor_is_said(tmp_path: Path) -> None:
    frame = _landsat_frame(tmp_path).rename(columns=lambda name: name.replace("SR_B", "B0"))
    path = tmp_path / "bare.parquet"
    frame.assign(label="x").to_parquet(path)
    for read in (read_points, lambda p: read_attributes(p, ["label"]), lambda p: next(iter_points(p, period=2021))):
        with pytest.raises(BandError, match=r"B05, B06, B07 may be red edge .* Say --sensor sentinel-2, landsat"):
            read(path)
    series = read_points(path, sensor="landsat")
    assert_equal(series, points_from_frame(_landsat_frame(tmp_path)))
    pieces = list(iter_points(path, sensor="landsat", batch_size=3, period=2021))
    assert [name for piece in pieces for name in piece.sample_id] == list(series.sample_id)
    assert {piece.provenance["units"] for piece in pieces} == {"landsat-c2"}
    assert len(read_attributes(path, ["label"], sensor="landsat")) == len(series)


def test_a_piece_of_snow_has_the_units_of_its_table(tmp_path: Path) -> None:
    names = ["S2-L2A-B02", "S2-L2A-B03", "S2-L2A-B04"]
    frame = pd.read_parquet(write_long_table(random_series(6), tmp_path / "a.parquet"))
    frame = frame[[c for c in frame if c in names or not c.startswith("S2-")]]
    last = frame["sample_id"].isin(frame["sample_id"].unique()[-2:])
    frame.loc[last, names] = 8500
    frame.to_parquet(tmp_path / "b.parquet")
    pieces = list(iter_points(tmp_path / "b.parquet", batch_size=2))
    assert len(pieces) > 1
    assert float(pieces[-1].reflectance.max()) == pytest.approx(0.85)
