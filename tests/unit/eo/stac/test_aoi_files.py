"""Files of polygons that are broken, or are another format than their name says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from timesenclip.eo.stac.aoi import open_aoi
from timesenclip.eo.stac.aoi_files import read_polygons
from timesenclip.errors import DataNotFoundError, GridError, InputError, TimeSenCLIPError

RING = [[4.0, 50.0], [4.01, 50.0], [4.01, 50.01], [4.0, 50.01], [4.0, 50.0]]
POLYGON = {"type": "Polygon", "coordinates": [RING]}
VRT = (
    b'<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>/etc/passwd</SrcDataSource></OGRVRTLayer>'
    b"</OGRVRTDataSource>"
)


def named(name: str) -> dict[str, object]:
    return {**POLYGON, "crs": {"type": "name", "properties": {"name": name}}}


def written(path: Path, content: object) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.mark.parametrize(
    ("content", "crs"),
    [
        (POLYGON, "EPSG:4326"),
        ({"type": "Feature", "geometry": POLYGON, "properties": None}, "EPSG:4326"),
        ({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": POLYGON}]}, "EPSG:4326"),
        ({**POLYGON, "coordinates": [[[*corner, 5.0] for corner in RING]]}, "EPSG:4326"),
        (b"\xef\xbb\xbf" + json.dumps(POLYGON).encode(), "EPSG:4326"),
        (named("urn:ogc:def:crs:OGC:1.3:CRS84"), "OGC:CRS84"),
        (named("urn:ogc:def:crs:EPSG::32631"), "EPSG:32631"),
        (named("EPSG:32631"), "EPSG:32631"),
    ],
)
def test_geojson_of_every_form_is_read(tmp_path: Path, content: object, crs: str) -> None:
    geometries, found = read_polygons(written(tmp_path / "a.geojson", content))
    assert len(geometries) == 1
    assert geometries[0].geom_type == "Polygon"
    assert found == crs


BROKEN = {
    "nothing": (b"", "Expecting value"),
    "null": (None, "JSON NoneType"),
    "a list": ([], "JSON list"),
    "too deep": (b"[" * 100_000, "recursion"),
    "features null": ({"type": "FeatureCollection", "features": None}, "no list of `features`"),
    "features empty": ({"type": "FeatureCollection", "features": []}, "holds no geometry"),
    "a feature that is none": ({"type": "FeatureCollection", "features": [1]}, "a feature that is a int"),
    "geometry null": ({"type": "Feature", "geometry": None}, "holds no geometry"),
    "a point": ({"type": "Point", "coordinates": [4, 50]}, "holds Point; expected polygons"),
    "no coordinates": ({"type": "Polygon", "coordinates": []}, "holds no geometry"),
    "text as coordinates": ({"type": "Polygon", "coordinates": "abc"}, "Cannot read an area"),
    "a short ring": ({"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}, "at least 4 coordinates"),
    "not a number": (b'{"type":"Polygon","coordinates":[[[NaN,1],[2,3],[4,5],[NaN,1]]]}', "Cannot read an area"),
    "infinite": (b'{"type":"Polygon","coordinates":[[[1e999,1],[2,3],[4,5],[1e999,1]]]}', "is not valid"),
    "huge": (b'{"type":"Polygon","coordinates":[[[1e300,1],[2e300,3],[4,5],[1e300,1]]]}', "expected longitudes"),
    "crossing itself": ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}, "is not valid"),
    "another encoding": (b'{"type": "\xe9"}', "utf-8"),
    "a pipeline": ({"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ..."}, "gdal_streamed_alg"),
    "a topology": ({"type": "Topology", "objects": {}}, "is no GeoJSON"),
    "a VRT": (VRT, "Cannot read an area"),
    "a CRS that is a file": (named("+init=/etc/passwd"), "names the CRS"),
    "a CRS that is a number": ({**POLYGON, "crs": 3}, "names the CRS"),
    "a CRS that is not there": (named("EPSG:999999"), "a CRS that cannot be read"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_geojson_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    content, said = BROKEN[case]
    with pytest.raises(TimeSenCLIPError) as caught:
        open_aoi(written(tmp_path / "a.geojson", content))
    assert isinstance(caught.value, InputError | GridError | DataNotFoundError)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".fgb", ".parquet", ".geoparquet"])
def test_another_format_under_a_good_name_is_not_opened(tmp_path: Path, suffix: str) -> None:
    for content in (VRT, b"", json.dumps({"type": "gdal_streamed_alg"}).encode()):
        with pytest.raises(DataNotFoundError, match=f"does not begin as a {suffix} file does"):
            open_aoi(written(tmp_path / f"a{suffix}", content))


@pytest.mark.parametrize(
    ("suffix", "first"), [(".gpkg", b"SQLite format 3\0"), (".shp", b"\0\0\x27\x0a"), (".fgb", b"fgb\x03")]
)
def test_a_good_beginning_alone_is_not_enough(tmp_path: Path, suffix: str, first: bytes) -> None:
    with pytest.raises((DataNotFoundError, InputError), match=r"Cannot read an area|holds no layer"):
        open_aoi(written(tmp_path / f"a{suffix}", first + b"\xff" * 500))


def test_pipes_and_names_that_are_no_files_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.geojson")
    os.mkfifo(tmp_path / "a.prj")
    written(tmp_path / "a.shp", b"\0\0\x27\x0a")
    for path in (tmp_path / "pipe.geojson", tmp_path / "a.shp"):
        with pytest.raises(InputError, match="is no regular file"):
            open_aoi(path)
    for name in ("/vsizip//tmp/x.zip/a.geojson", "a\0.geojson", "a" * 5000 + ".geojson"):
        with pytest.raises(InputError, match="is no path of an area"):
            open_aoi(name)


@pytest.mark.parametrize("edges", [[float("nan"), 1, 2, 3], "1,2,1e999,4"])
def test_a_box_of_no_numbers_is_refused(edges: object) -> None:
    with pytest.raises(InputError, match=r"A box of .*(nan|inf)"):
        open_aoi(edges)  # type: ignore[arg-type]
