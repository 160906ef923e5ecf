"""Small training data in the authors' formats: values, clouds, labels and places are those that were given."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from timesenclip.bands import BAND_NAMES
from timesenclip.testing import random_series
from timesenclip.testing.training import (
    write_lucas_embeddings,
    write_lucas_photos,
    write_lucas_table,
    write_sen4map,
    write_sen4map_crops,
    write_test_labels,
)

IDS = ["41000001", "41000002"]
LABELS = [{"lc1": "B11", "nuts0": "BE"}, {"lc1": "C10", "nuts0": "FR"}]


def test_a_sen4map_file_has_a_group_a_point_with_its_images(tmp_path: Path) -> None:
    path = write_sen4map(tmp_path / "below" / "a.h5", IDS, labels=LABELS, side=8, acquisitions=5)
    with h5py.File(path) as file:
        assert sorted(file) == [f"Lucas_Point_{point}" for point in IDS]
        group = file["Lucas_Point_41000002"]
        names = {name.replace("B0", "B") for name in BAND_NAMES}
        assert set(group) == names | {"SCL"}
        assert {group[name].shape for name in group} == {(5, 8, 8)}
        assert group["B2"].dtype == np.uint16
        assert (group.attrs["lc1"], group.attrs["nuts0"]) == ("C10", "FR")
        days = [name[:8] for name in group.attrs["Image_ID"]]
        assert days == sorted(set(days))
        assert all(day.startswith("2018") for day in days)


def test_given_series_are_in_the_patch_in_their_months(tmp_path: Path) -> None:
    series = random_series(2, year=2018, missing=0.4)
    path = write_sen4map(tmp_path / "a.h5", IDS, series=series, side=8, acquisitions=60, cloudy=0.3)
    with h5py.File(path) as file:
        for i, point in enumerate(IDS):
            group = file[f"Lucas_Point_{point}"]
            month = np.array([int(name[4:6]) - 1 for name in group.attrs["Image_ID"]])
            assert series.valid[i, month].all()  # no image of a month that was not seen
            cloudy = group["SCL"][:, 4, 4] == 9
            assert 0 < cloudy.sum() < len(cloudy)
            expected = np.rint(series.reflectance[i, month, BAND_NAMES.index("B04")] * 10_000)
            assert np.array_equal(group["B4"][:, 0, 0][~cloudy], expected[~cloudy])
            assert (group["B4"][:, 4, 4][cloudy] == 9000).all()
            assert np.allclose(group.attrs["Coordinates"], [series.lon_deg[i], series.lat_deg[i]])


@pytest.mark.parametrize(("cloudy", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_clouds_cover_the_middle_of_the_share_that_was_asked_for(cloudy: float, share: float, tmp_path: Path) -> None:
    with h5py.File(write_sen4map(tmp_path / "a.h5", IDS[:1], side=8, acquisitions=6, cloudy=cloudy)) as file:
        scl = file[f"Lucas_Point_{IDS[0]}/SCL"][:]
    assert (scl[:, 4, 4] == 9).mean() == share
    assert (scl[:, 0, 0] == 4).all()


def test_crops_are_dn_plus_one_and_nothing_where_not_seen(tmp_path: Path) -> None:
    series = random_series(2, year=2018, missing=0.4)
    path = write_sen4map_crops(tmp_path / "c.h5", IDS, series=series, labels=LABELS, patch_size=5)
    with h5py.File(path) as file:
        group = file[f"Lucas_Point_{IDS[1]}"]
        image = group["image"][:]
        assert group.attrs["lc1"] == "C10"
    assert image.shape == (12, 10, 5, 5)
    assert (image[~series.valid[1]] == 1).all()
    expected = np.rint(series.reflectance[1] * 10_000) + 1
    assert np.array_equal(image[series.valid[1]][..., 4, 0], expected[series.valid[1]])


def test_a_lucas_table_has_unsigned_longitudes(tmp_path: Path) -> None:
    place = {"lon_deg": [-3.5, 4.25], "lat_deg": [40.0, 51.0], "labels": LABELS}
    table = pd.read_csv(write_lucas_table(tmp_path / "l.csv", IDS, **place))
    assert table["GPS_LONG"].tolist() == [3.5, 4.25]
    assert table["GPS_EW"].tolist() == ["W", "E"]
    assert table["GPS_LAT"].tolist() == [40.0, 51.0]
    assert (table["LC1"].tolist(), table["NUTS0"].tolist()) == (["B11", "C10"], ["BE", "FR"])
    swapped = pd.read_csv(write_lucas_table(tmp_path / "s.csv", IDS, **place, swapped=True))
    assert (swapped["GPS_LAT"].tolist(), swapped["GPS_LONG"].tolist()) == ([-3.5, 4.25], [40.0, 51.0])


def test_the_columns_of_the_authors_test_labels_are_exchanged(tmp_path: Path) -> None:
    rows = [{"im_id": "41000001", "lon_deg": 4.25, "lat_deg": 51.0, "lc_label": "Cropland"}]
    table = pd.read_csv(write_test_labels(tmp_path / "t.csv", rows))
    assert table.to_dict("records") == [{"im_id": 41000001, "lat": 4.25, "lon": 51.0, "lc_label": "Cropland"}]


def test_photographs_lie_in_the_tree_of_lucas(tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.full((20, 30, 3), 200, dtype=np.uint8)
    root = write_lucas_photos(tmp_path / "photos", {"41001234N": pixels}, country="FR")
    assert [str(path.relative_to(root)) for path in root.rglob("*.jpg")] == ["FR/410/012/41001234N.jpg"]
    with Image.open(root / "FR/410/012/41001234N.jpg") as image:
        assert image.size == (30, 20)
        assert np.abs(np.asarray(image).astype(int) - 200).max() <= 2


def test_published_embeddings_are_rows_of_tensors(tmp_path: Path) -> None:
    path = write_lucas_embeddings(tmp_path / "below" / "e.pt", {"BE_41000001N": np.arange(4.0)})
    found = torch.load(path, weights_only=True)
    assert found["BE_41000001N"].dtype == torch.float32
    assert found["BE_41000001N"].tolist() == [[0.0, 1.0, 2.0, 3.0]]
