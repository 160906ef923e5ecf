from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.data.ground_views import GroundViews
from timesenclip.data.lucas import read_lucas
from timesenclip.data.pairs import join_pairs, pair_by_id, pair_by_table, read_pairs
from timesenclip.data.places import numbers_in
from timesenclip.data.splits import check_apart, named_split, read_ids
from timesenclip.data.store import SeriesStore, store_points
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, InputError, LeakageError
from timesenclip.testing import random_series
from timesenclip.testing.training import write_lucas_table, write_test_labels

IDS = ["41000001", "41000002", "41000003"]
LABELS = [{"lc1": "B11", "lu1": "U111"}, {"lc1": "E20", "lu1": "U420"}, {"lc1": "F30", "lu1": "U361"}]


@pytest.fixture
def store(tmp_path: Path) -> SeriesStore:
    return store_points([random_series(20, year=2018)], tmp_path / "points.zarr", source="test")


def _views(points: list[str], dim: int = 8) -> GroundViews:
    point = np.array([p for p in points for _ in "WENS"])
    view = np.array(list("WENS") * len(points))
    vectors = np.random.default_rng(0).normal(size=(len(point), dim)).astype(np.float16)
    return GroundViews(np.char.add(point, view), point, view, vectors, tower="t")


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


def test_numbers_are_found_in_whatever_form_they_are_stored() -> None:
    for value in (np.array([4.5, 50.8]), (4.5, 50.8), "POINT (4.5 50.8)", b"[4.5, 50.8]", np.array(["4.5", "50.8"])):
        assert numbers_in(value) == [4.5, 50.8]


def test_pairs_by_id_keep_missing_views_missing(store: SeriesStore) -> None:
    views = _views([f"point-{i}" for i in range(5)])
    fewer = GroundViews(*(getattr(views, n)[1:] for n in ("photo_id", "point_id", "direction", "vectors")), tower="t")
    paired = pair_by_id(store, fewer)
    assert paired.views[0].tolist() == [-1, 0, 1, 2]
    assert len(paired) == 5
    assert len(pair_by_id(store, fewer, least=4)) == 4
    assert pair_by_id(store, fewer, exclude=["point-3"]).left_out["excluded by id"] == 1
    with pytest.raises(InputError, match="Do the ids agree"):
        pair_by_id(store, _views(["elsewhere"]))


def test_a_users_table_pairs_the_same_way(store: SeriesStore, tmp_path: Path) -> None:
    vectors = [[1.0, 0], [0, 1.0], [1.0, 1.0]]
    table = pd.DataFrame({"series_id": ["point-1", "point-1", "point-4"], "embedding": vectors})
    table.to_parquet(tmp_path / "p.parquet")
    paired = pair_by_table(store, read_pairs(tmp_path / "p.parquet"), None)
    assert paired.rows.tolist() == [1, 4]
    assert paired.views.tolist() == [[0, 1], [2, -1]]
    views = _views(["a"])
    named = pd.DataFrame({"series_id": ["point-2"], "photo_id": ["aN"]})
    assert pair_by_table(store, named, views).views.tolist() == [[2]]
    with pytest.raises(InputError, match="row 1: photo_id 'nowhere' is not in the ground store"):
        pair_by_table(store, named.assign(photo_id="nowhere"), views)
    with pytest.raises(InputError, match="row 1: series_id 'x' is not in the store"):
        pair_by_table(store, named.assign(series_id="x"), views)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("series_id,lon\na,1\n", "expected series_id, and photo_id or embedding"),
        ("series_id,photo_id\na,x\n,y\n", "row 2: series_id is empty"),
        ("series_id,photo_id,lat\na,x,1\nb,y,91\n", "row 2: lat is not a number of degrees"),
        ("series_id,photo_id,date\na,x,2018-06-01\nb,y,soon\n", "row 2: date is not a day"),
    ],
)
def test_bad_pairs_are_named_by_row(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_pairs(tmp_path / "p.csv")


def test_embeddings_of_other_sizes_are_named_by_row(tmp_path: Path) -> None:
    pd.DataFrame({"series_id": ["a", "b"], "embedding": [[1.0, 2], [1.0]]}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="row 2: the embedding has another size than 2"):
        read_pairs(tmp_path / "p.parquet")
    pd.DataFrame({"series_id": ["a", "b"], "embedding": [[1.0, 2], [np.nan, 1.0]]}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="row 2: the embedding is not finite"):
        read_pairs(tmp_path / "p.parquet")


def test_photographs_join_the_nearest_place_in_space_and_time(store: SeriesStore) -> None:
    lon, lat = store.index["lon"].to_numpy(), store.index["lat"].to_numpy()
    photos = pd.DataFrame(
        {
            "photo_id": ["near", "far", "late"],
            "lon": [lon[3] + 1e-4, lon[3] + 1.0, lon[5]],
            "lat": [lat[3], lat[3] + 8, lat[5]],
            "date": ["2018-07-01", "2018-07-01", "2025-07-01"],
        }
    )
    pairs = join_pairs(store, photos, max_distance_m=50, max_days=30)
    assert pairs["series_id"].tolist() == ["point-3"]
    assert 5 < pairs["distance_m"].iloc[0] < 9
    assert len(join_pairs(store, photos, max_distance_m=50)) == 2
    with pytest.raises(InputError, match="the nearest is"):
        join_pairs(store, photos.iloc[1:2], max_distance_m=50)
    with pytest.raises(InputError, match="no column date"):
        join_pairs(store, photos.drop(columns="date"), max_days=3)


def test_places_too_close_are_refused_or_warned_of() -> None:
    lon, lat, part = np.array([4.0, 4.001]), np.array([50.0, 50.0]), np.array(["train", "test"])
    with pytest.raises(LeakageError, match=r"1 of 1 held-out places are closer than 500 m"):
        check_apart(part, lat_deg=lat, lon_deg=lon, min_distance_m=500)
    with pytest.warns(DegradedInputWarning, match="flatter"):
        check_apart(part, lat_deg=lat, lon_deg=lon, min_distance_m=500, refuse=False)
    assert check_apart(np.array(["train", "unused"]), lat_deg=lat, lon_deg=lon, min_distance_m=500) == float("inf")


def test_lists_of_ids_split_too(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array(["Lucas_Point_1", "dir/2.npy"]))
    assert read_ids(tmp_path / "a.npy") == ["1", "2"]
    np.save(tmp_path / "b.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="pickled"):
        read_ids(tmp_path / "b.npy")
    part = named_split(["1", "2", "3"], {"train": ["1"], "validation": ["2"]})
    assert part.tolist() == ["train", "validation", "unused"]
    with pytest.raises(InputError, match="in the lists 'train' and 'validation'"):
        named_split(["1"], {"train": ["1"], "validation": ["1"]})
    with pytest.raises(InputError, match="None of the 1 ids"):
        named_split(["1"], {"train": ["9"]})


def test_points_become_a_store_that_gives_them_back(tmp_path: Path) -> None:
    series = random_series(30, year=2020)
    back = store_points([series], tmp_path / "s", source="x").series()
    assert np.array_equal(back.valid, series.valid)
    assert np.abs(back.reflectance - series.reflectance).max() < 1e-4
    assert np.array_equal(back.start, series.start)
    assert back.sample_id == series.sample_id
    import geopandas

    table = geopandas.read_parquet(tmp_path / "s" / "index.parquet")
    assert table.crs == "OGC:CRS84"  # GeoParquet's default: EPSG:4326 with longitude first
    assert np.allclose(table.geometry.x, series.lon_deg)
