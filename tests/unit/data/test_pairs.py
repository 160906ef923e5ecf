from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.data.ground_views import GroundViews
from timesenclip.data.pairs import join_pairs, pair_by_id, pair_by_table, read_pairs, read_photo_table, write_pairs
from timesenclip.data.store import SeriesStore
from timesenclip.data.store_writer import store_points
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.testing import random_series


@pytest.fixture
def store(tmp_path: Path) -> SeriesStore:
    return store_points([random_series(20, year=2018)], tmp_path / "points.zarr", source="test")


def _views(points: list[str], dim: int = 8) -> GroundViews:
    point = np.array([p for p in points for _ in "WENS"])
    view = np.array(list("WENS") * len(points))
    vectors = np.random.default_rng(0).normal(size=(len(point), dim)).astype(np.float16)
    return GroundViews(np.char.add(point, view), point, view, vectors, tower="t")


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


@pytest.mark.parametrize("name", ["new/p.csv", "new/p.parquet"])
def test_pairs_and_photographs_are_written_and_read_as_tables(name: str, tmp_path: Path) -> None:
    pairs = pd.DataFrame({"series_id": ["a"], "photo_id": ["x"], "lon": [4.0], "lat": [50.0]})
    file = write_pairs(pairs, tmp_path / name)
    assert read_pairs(file).to_dict("list") == pairs.to_dict("list")
    assert read_photo_table(file)["photo_id"].tolist() == ["x"]
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_a_table_of_photographs_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="No table at"):
        read_photo_table(tmp_path / "none.csv")
    (tmp_path / "t.parquet").write_bytes(b"x")
    with pytest.raises(DataNotFoundError, match="no table that can be read"):
        read_photo_table(tmp_path / "t.parquet")


def test_tables_of_photographs_without_rows_or_numbers_are_refused(store: SeriesStore) -> None:
    photos = pd.DataFrame({"photo_id": ["a"], "lon": ["east"], "lat": [50.0]})
    with pytest.raises(InputError, match="column 'lon' of the table of photographs holds no numbers"):
        join_pairs(store, photos)
    with pytest.raises(InputError, match="has no rows"):
        join_pairs(store, photos.iloc[:0])
