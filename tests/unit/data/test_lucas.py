from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from timesenclip.data.lucas import read_lucas
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, InputError
from timesenclip.testing.training import write_lucas_table, write_test_labels

IDS = ["41000001", "41000002", "41000003"]
LABELS = [{"lc1": "B11", "lu1": "U111"}, {"lc1": "E20", "lu1": "U420"}, {"lc1": "F30", "lu1": "U361"}]


def test_eurostats_table_is_read_with_its_western_longitudes(tmp_path: Path) -> None:
    file = write_lucas_table(tmp_path / "l.csv", IDS, lon_deg=[-8.5, 4.0, 20.0], lat_deg=[40, 50, 60], labels=LABELS)
    table = read_lucas(file)
    assert list(table["point_id"]) == IDS
    assert list(table["lon"]) == [-8.5, 4.0, 20.0]
    assert str(table["date"].iloc[0].date()) == "2018-06-13"


def test_missing_gps_falls_back_to_the_theoretical_place(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "point_id": [1, 2],
            "gps_lat": [88.888888, 50.1],
            "gps_long": [88.888888, 4.1],
            "th_lat": [49, 50],
            "th_long": [3, 4],
        }
    )
    frame.to_csv(tmp_path / "l.csv", index=False)
    table = read_lucas(tmp_path / "l.csv")
    assert list(zip(table["lon"], table["lat"], strict=True)) == [(3.0, 49.0), (4.1, 50.1)]


def test_the_harmonised_table_is_read_from_a_geopackage(tmp_path: Path) -> None:
    import geopandas

    frame = pd.DataFrame(
        {
            "point_id": [7, 7, 8],
            "survey_year": [2015, 2018, 2018],
            "lc1": ["B11", "B16", "C10"],
            "survey_date": "2018-06-13",
        }
    )
    points = geopandas.points_from_xy([4.0, 4.0, 5.0], [50.0, 50.0, 51.0], crs=4326)
    frame["gps_long"], frame["gps_lat"] = points.x, points.y
    geopandas.GeoDataFrame(frame, geometry=points).to_file(tmp_path / "l.gpkg", engine="pyogrio")
    table = read_lucas(tmp_path / "l.gpkg")
    assert list(table["lc1"]) == ["B16", "C10"]
    with pytest.raises(InputError, match="no point of 2012"):
        read_lucas(tmp_path / "l.gpkg", year=2012)


def test_the_authors_labels_have_their_columns_swapped_back(tmp_path: Path) -> None:
    rows = [{"im_id": f"Lucas_Point_{i}", "lon_deg": 24.0, "lat_deg": 60.5, "lc_label": "C10"} for i in IDS]
    file = write_test_labels(tmp_path / "t.csv", rows)
    with pytest.warns(DegradedInputWarning, match="swapped"):
        table = read_lucas(file)
    assert table[["lon", "lat"]].to_numpy().tolist() == [[24.0, 60.5]] * 3
    assert list(table["point_id"]) == IDS


def test_bad_tables_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="No LUCAS table"):
        read_lucas(tmp_path / "none.csv")
    file = tmp_path / "l.csv"
    file.write_text("id,lon,lat\n1,2,3\n")
    with pytest.raises(InputError, match="no column point_id"):
        read_lucas(file)
    file.write_text("point_id,x\n1,2\n")
    with pytest.raises(InputError, match="no coordinates"):
        read_lucas(file)
    file.write_text("point_id,lon,lat\n1,4,50\n1,4,50\n")
    with pytest.raises(InputError, match="line 3: point 1 is given twice"):
        read_lucas(file)
    file.write_text("point_id,lon,lat\n1,4000000,3000000\n")
    with pytest.raises(InputError, match="not degrees"):
        read_lucas(file)
