from __future__ import annotations

import json
import os
import sqlite3
import zipfile
from pathlib import Path

import geopandas
import pandas as pd
import pyogrio
import pytest
import shapely

from timesenclip import vector_files
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.vector_files import read_vector

VRT = "<OGRVRTDataSource><OGRVRTLayer name='a'><SrcDataSource>{}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"


@pytest.fixture
def frame() -> geopandas.GeoDataFrame:
    boxes = [shapely.box(3, 50, 4, 51), shapely.box(4, 50, 5, 51)]
    return geopandas.GeoDataFrame({"label": ["a", "b"]}, geometry=boxes, crs=4326)


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.JSON", "a.shp", "a.fgb"])
def test_each_format_is_read(name: str, frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    frame.to_file(tmp_path / name, driver="GeoJSON" if name == "a.JSON" else None)
    read = read_vector(tmp_path / name, what="zones")
    assert sorted(read["label"]) == ["a", "b"]
    assert read.crs.to_epsg() == 4326


def test_geoparquet_and_a_packed_shapefile_are_read(frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    frame.to_parquet(tmp_path / "a.parquet")
    assert len(read_vector(tmp_path / "a.parquet", what="zones")) == 2
    frame.to_file(tmp_path / "a.shp")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for part in [tmp_path / f"a.{ending}" for ending in ("shp", "shx", "dbf", "prj")]:
            archive.write(part, part.name)
    assert len(read_vector(tmp_path / "a.zip", what="zones")) == 2
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("b.vrt", "text")
    with pytest.raises(InputError, match="the parts of one shapefile and nothing else"):
        read_vector(tmp_path / "a.zip", what="zones")


def test_a_file_is_never_opened_as_one_that_names_other_files(frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    frame.to_file(tmp_path / "secret.gpkg")
    text = VRT.format(tmp_path / "secret.gpkg")
    frame.to_file(tmp_path / "real.fgb")
    (tmp_path / "a.geojson").write_text(text)
    (tmp_path / "b.geojson").write_text('{"type": "FeatureCollection", "x": "' + text + '", "features": []}')
    (tmp_path / "c.fgb").write_bytes((tmp_path / "real.fgb").read_bytes()[:8] + text.encode())
    for name in ("a.geojson", "b.geojson", "c.fgb"):
        with pytest.raises(DataNotFoundError, match="its content is not that of"):
            read_vector(tmp_path / name, what="zones")
    for name in ("d.vrt", "e.kml", "f"):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="has the ending"):
            read_vector(tmp_path / name, what="zones")


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.geojson")
    (tmp_path / "folder.gpkg").mkdir()
    for name in ("pipe.geojson", "folder.gpkg"):
        with pytest.raises(InputError, match="is no regular file"):
            read_vector(tmp_path / name, what="zones")
    for name in ("none.gpkg", "a\0b.gpkg"):
        with pytest.raises(DataNotFoundError, match="No zones at"):
            read_vector(tmp_path / name, what="zones")


def test_damaged_files_are_refused(frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    for name in ("a.gpkg", "a.fgb", "a.geojson"):
        frame.to_file(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 and no archive")
    (tmp_path / "deep.geojson").write_text('{"type": "FeatureCollection", "features": ' + "[" * 200_000)
    (tmp_path / "empty.geojson").touch()
    for name in ("a.gpkg", "a.fgb", "a.geojson", "a.parquet", "b.zip", "deep.geojson", "empty.geojson"):
        with pytest.raises(DataNotFoundError, match="Cannot read zones from") as caught:
            read_vector(tmp_path / name, what="zones")
        assert "\n" not in str(caught.value)


def test_a_declared_number_of_features_is_not_believed(
    frame: geopandas.GeoDataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame.to_file(tmp_path / "a.gpkg")
    with sqlite3.connect(tmp_path / "a.gpkg") as opened:
        opened.execute("update gpkg_ogr_contents set feature_count = 2000000000")
    with pytest.raises(InputError, match="declares 2,000,000,000 features"):
        read_vector(tmp_path / "a.gpkg", what="zones")
    frame.to_parquet(tmp_path / "a.parquet")
    monkeypatch.setattr(vector_files, "MOST_FEATURES", 1)
    with pytest.raises(InputError, match="declares 2 features"):
        read_vector(tmp_path / "a.parquet", what="zones")


def test_layers_without_geometries_do_not_count(frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    frame.to_file(path, layer="parcels")
    pyogrio.write_dataframe(pd.DataFrame({"style": ["x"]}), path, layer="styles")
    assert len(read_vector(path, what="zones")) == 2
    frame.to_file(path, layer="more")
    with pytest.raises(InputError, match="holds 2 layers"):
        read_vector(path, what="zones")


def test_text_that_is_no_unicode_is_read(tmp_path: Path) -> None:
    ring = [[3, 50], [4, 50], [4, 51], [3, 50]]
    feature = {
        "type": "Feature",
        "properties": {"name": "x\ud800\x1b[31m"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    text = read_vector(tmp_path / "a.geojson", what="zones")["name"][0]
    assert text.encode("utf-8")


LINK = {"type": "link", "properties": {"href": "http://127.0.0.1:9/crs"}}


@pytest.mark.parametrize("place", ["collection", "geometry", "escapes", "capitals"])
def test_a_crs_by_address_is_refused_wherever_it_stands(
    place: str, frame: geopandas.GeoDataFrame, tmp_path: Path
) -> None:
    content = json.loads(frame.to_json())
    (content["features"][1]["geometry"] if place == "geometry" else content)["crs"] = LINK
    text = json.dumps(content)
    if place == "escapes":
        text = text.replace('"crs"', '"\\u0063rs"')
    if place == "capitals":
        text = text.replace('"crs"', '"CRS"').replace('"link"', '"Link"')
    (tmp_path / "a.geojson").write_text(text)
    with pytest.raises(InputError, match="does not give its CRS by name but as link"):
        read_vector(tmp_path / "a.geojson", what="zones")


def test_a_crs_by_name_and_properties_called_so_are_read(frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    content = json.loads(frame.assign(crs="EPSG:1", name="\xe9").to_json())
    content["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}
    (tmp_path / "a.geojson").write_text(json.dumps(content))
    found = read_vector(tmp_path / "a.geojson", what="zones")
    assert found.crs.to_epsg() == 32631
