from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.bands import BAND_NAMES, SENSORS
from timesenclip.data.store_writer import StoreWriter, store_points
from timesenclip.errors import InputError
from timesenclip.series import PixelSeries
from timesenclip.testing import random_series


def replace_steps(series: PixelSeries, steps: slice) -> PixelSeries:
    """The series with some of its steps."""
    names = ("reflectance", "valid", "start", "end")
    return replace(series, **{name: getattr(series, name)[:, steps] for name in names})


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


def test_what_cannot_be_a_store_is_refused(tmp_path: Path) -> None:
    series = random_series(6)
    with pytest.raises(InputError, match="differ in shape"):
        store_points([series, replace_steps(series, slice(0, 6))], tmp_path / "a", source="x")
    with pytest.raises(InputError, match="not consecutive calendar months"):
        store_points([replace_steps(series, slice(None, None, 2))], tmp_path / "b", source="x")
    with pytest.raises(InputError, match="6 places are given twice, such as 'point-0'"):
        store_points([series, series], tmp_path / "c", source="x")
    store_points([series], tmp_path / "d", source="x")
    with pytest.raises(InputError, match="exists already"):
        store_points([series], tmp_path / "d", source="x")


def test_labels_go_into_the_index(tmp_path: Path) -> None:
    labels = pd.DataFrame({"lc1": [f"B1{i}" for i in range(5)]})
    store = store_points([random_series(5)], tmp_path / "s", source="x", labels=labels)
    assert store.index["lc1"].tolist() == labels["lc1"].tolist()


@pytest.mark.parametrize("moment", ["begun", "ended"])
def test_a_folder_that_was_killed_without_a_plan_is_begun_anew(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is written after the arrays, and removed before the folder takes its name."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if moment == "begun":
            patch.setattr("timesenclip.data.store_writer.write_json", killed)
        else:
            patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            store_points([random_series(6)], tmp_path / "s", source="x")
    assert (tmp_path / "s.partial").is_dir()
    assert not (tmp_path / "s.partial" / "plan.json").exists()
    assert len(store_points([random_series(6)], tmp_path / "s", source="x")) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_folder_without_a_plan_that_holds_a_file_of_somebody_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s.partial").mkdir()
    (tmp_path / "s.partial" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no plan"):
        store_points([random_series(6)], tmp_path / "s", source="x")
    assert (tmp_path / "s.partial" / "notes.txt").read_text() == "mine"


def test_a_stopped_writer_continues_and_refuses_another_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timesenclip.data.store_writer._SHARD", 4)
    monkeypatch.setattr("timesenclip.data.store_writer._CHUNK", 4)
    options = {"count": 6, "plan": {"source": "x"}, "attributes": {"source": "x"}}
    series = random_series(6, missing=0)
    dn = np.rint(series.reflectance * 10_000).astype(np.uint16)
    seen = series.valid.astype(np.uint8)

    def write(writer: StoreWriter, part: int, first: int, count: int) -> None:
        rows = pd.DataFrame(
            {"row": np.arange(first, first + count), "sample_id": series.sample_id[first : first + count]}
        )
        rows = rows.assign(lon=4.0, lat=50.0, first_month=np.datetime64("2021-01-01"))
        writer.write(part, first, dn[first : first + count], seen[first : first + count], rows)

    writer = StoreWriter(tmp_path / "s", **options)
    assert writer.part_size() == 4
    write(writer, 0, 0, 4)
    again = StoreWriter(tmp_path / "s", **options)
    assert [again.done(part) for part in (0, 1)] == [True, False]
    with pytest.raises(InputError, match=r"begun with other input or options \(plan\)"):
        StoreWriter(tmp_path / "s", **options | {"plan": {"source": "y"}})
    write(again, 1, 4, 2)
    store = again.finish()
    assert np.array_equal(store.arrays()[0], dn)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["s"]


def test_a_store_without_places_is_not_finished(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", count=3, plan={}, attributes={})
    with pytest.raises(InputError, match="Nothing could be read"):
        writer.finish()


def test_a_store_tells_the_sensor_and_the_columns_of_its_bands(tmp_path: Path) -> None:
    series = random_series(6)
    here = np.isin(BAND_NAMES, SENSORS["rgb"])
    columns = {name: f"SR_{name}" for name in SENSORS["rgb"]}
    partial = replace(
        series,
        band_valid=np.broadcast_to(here, series.reflectance.shape),
        provenance={"sensor": "landsat", "bands": columns, "units": "dn"},
    )
    attributes = store_points([partial], tmp_path / "s", source="x").attributes
    assert attributes["bands_seen"] == list(SENSORS["rgb"])
    assert attributes["read_as"] == {"sensor": "landsat", "bands": columns}
    assert attributes["bands"] == list(BAND_NAMES)
