"""Polygons: zones and areas of interest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..bytes import BREAKAGES, flip, nested_json
from ..case import Case, Expect, Place


def _polygon(ring: list[Any], **properties: object) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def _square(place: Place, size: float = 0.001) -> list[list[float]]:
    """A square within the cube of the base, in degrees."""
    w, n = 3.0003 + place.random.random() * 1e-4, 50.5518 - place.random.random() * 1e-4
    return [[w, n - size], [w + size, n - size], [w + size, n], [w, n], [w, n - size]]


def _collection(features: Callable[[Place], list[Any]], **more: object) -> Callable[[Place], str]:
    return lambda place: json.dumps({"type": "FeatureCollection", "features": features(place), **more})


def _geometry(geometry: Callable[[Place], Any]) -> Callable[[Place], str]:
    return _collection(lambda p: [{"type": "Feature", "properties": {}, "geometry": geometry(p)}])


def _edges(place: Place) -> list[list[float]]:
    import math

    return [[3.0007 + 1e-4 * math.cos(i / 1e4), 50.5512 + 1e-4 * math.sin(i / 1e4)] for i in range(62_832)] + [
        [3.0008, 50.5512]
    ]


_JSON: dict[str, tuple[Callable[[Place], str], Expect]] = {
    "valid": (_collection(lambda p: [_polygon(_square(p))]), "works"),
    "valid, one feature": (lambda p: json.dumps(_polygon(_square(p))), "refused or works"),
    "a bare geometry": (lambda p: json.dumps(_polygon(_square(p))["geometry"]), "refused or works"),
    "no features": (_collection(lambda p: []), "refused"),
    "no geometry": (_geometry(lambda p: None), "refused"),
    "a point": (_geometry(lambda p: {"type": "Point", "coordinates": [3.0005, 50.5512]}), "refused"),
    "a line": (_geometry(lambda p: {"type": "LineString", "coordinates": _square(p)}), "refused"),
    "an empty polygon": (_geometry(lambda p: {"type": "Polygon", "coordinates": []}), "refused"),
    "a ring of one point": (_geometry(lambda p: {"type": "Polygon", "coordinates": [[[3, 50]]]}), "refused"),
    "an open ring": (_geometry(lambda p: {"type": "Polygon", "coordinates": [_square(p)[:4]]}), "refused or works"),
    "a bow tie": (_geometry(lambda p: {"type": "Polygon", "coordinates": [[_square(p)[i] for i in (0, 2, 1, 3, 0)]]}), "refused or works"),
    "no width": (_geometry(lambda p: {"type": "Polygon", "coordinates": [[[3.0005, 50.5512]] * 5]}), "refused or works"),
    "coordinates not numbers": (_geometry(lambda p: {"type": "Polygon", "coordinates": [[[float("nan")] * 2] * 5]}), "refused"),
    "coordinates of text": (_geometry(lambda p: {"type": "Polygon", "coordinates": [[["3", "50"]] * 5]}), "refused"),
    "coordinates nested": (_geometry(lambda p: {"type": "Polygon", "coordinates": [[[[[[1]]]]]]}), "refused"),
    "coordinates beyond the world": (_geometry(lambda p: {"type": "Polygon", "coordinates": [[[999, 999], [1000, 999], [1000, 1000], [999, 999]]]}), "refused"),
    "coordinates of 1e308": (_geometry(lambda p: {"type": "Polygon", "coordinates": [[[1e308, 1e308], [-1e308, 1e308], [0, -1e308], [1e308, 1e308]]]}), "refused"),
    "metres as degrees": (_geometry(lambda p: {"type": "Polygon", "coordinates": [[[5e5, 5.6e6], [5e5 + 90, 5.6e6], [5e5, 5.6e6 - 90], [5e5, 5.6e6]]]}), "refused"),
    "a collection in a collection": (_geometry(lambda p: {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": []}]}), "refused"),
    "an unknown type": (_geometry(lambda p: {"type": "\x1b[31mCircle", "coordinates": []}), "refused"),
    "60000 corners": (_geometry(lambda p: {"type": "Polygon", "coordinates": [[*_edges(p)[:-1], _edges(p)[0]]]}), "works"),
    "2000 polygons": (_collection(lambda p: [_polygon(_square(p), i=i) for i in range(2000)]), "refused or works"),
    "elsewhere": (_collection(lambda p: [_polygon([[9, 9], [9.1, 9], [9.1, 9.1], [9, 9]])]), "refused"),
    "across the date line": (_collection(lambda p: [_polygon([[179, 1], [-179, 1], [-179, 2], [179, 2], [179, 1]])]), "refused"),
    "at the pole": (_collection(lambda p: [_polygon([[0, 89.9], [90, 89.9], [180, 89.9], [0, 89.9]])]), "refused"),
    "the whole world": (_collection(lambda p: [_polygon([[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]])]), "refused or works"),
    "another CRS": (_collection(lambda p: [_polygon(_square(p))], crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::99999"}}), "refused or works"),
    "a CRS by address": (lambda p: json.dumps({"type": "FeatureCollection", "features": [_polygon(_square(p))], "crs": {"type": "link", "properties": {"href": f"{p.trap}/crs"}}}), "refused or works"),
    "escapes in a property": (_collection(lambda p: [_polygon(_square(p), name="\x1b[31m\x9b2J")]), "refused or works"),
    "a property named as ours": (_collection(lambda p: [_polygon(_square(p), label="x", pixels="many", geometry="y", hectares=None)]), "refused or works"),
    "properties of every type": (_collection(lambda p: [_polygon(_square(p), a=1), _polygon(_square(p), a="x", b=[1], c={"d": 1}, e=None)]), "refused or works"),
    "a property of a megabyte": (_collection(lambda p: [_polygon(_square(p), a="x" * 1_000_000)]), "works"),
    "a thousand properties": (_collection(lambda p: [_polygon(_square(p), **{f"k{i}": i for i in range(1000)})]), "works"),
    "properties missing": (lambda p: json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": _polygon(_square(p))["geometry"]}]}), "refused or works"),
    "features of numbers": (_collection(lambda p: [1, 2]), "refused"),
    "features of null": (_collection(lambda p: [None]), "refused"),
    "another JSON": (lambda p: '{"a": 1}', "refused"),
    "nested": (lambda p: '{"type": "FeatureCollection", "features": ' + nested_json(50_000) + "}", "refused"),
    "TopoJSON": (lambda p: '{"type": "Topology", "objects": {}, "arcs": []}', "refused"),
    "a VRT of OGR": (lambda p: f'<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>{p.canary / "secret.json"}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>', "refused"),
}  # fmt: skip


def _zones(name: str, text: Callable[[Place], str], expect: Expect, command: str) -> Case:
    def build(place: Place) -> Sequence[object]:
        (place.folder / "zones.geojson").write_text(text(place))
        return _command(place, command, "zones.geojson")

    return Case("vector", f"vector/{command}/{name}", build, expect)


def _command(place: Place, command: str, file: str) -> Sequence[object]:
    if command == "map":
        return ["map", place.base / "cube", "-p", "maize", "-p", "forest", "--zones", file, "-o", "out"]
    if command == "ask":
        return ["ask", place.base / "store.zarr", "-p", "maize", "-p", "forest", "--zones", file, "-o", "out"]
    (place.folder / "archive").mkdir()
    return [
        "map",
        "--aoi",
        file,
        "--period",
        "2021",
        "--catalog",
        "archive",
        "-p",
        "maize",
        "-p",
        "forest",
        "-o",
        "out",
    ]


def _file(name: str, driver: str, suffix: str, breakage: Callable[[Path, Place], None] | None, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        import geopandas as gpd

        frame = gpd.read_file(place.base / "zones.geojson")
        path = place.folder / f"zones{suffix}"
        if driver == "parquet":
            frame.to_parquet(path)
        else:
            frame.to_file(path, driver=driver)
        if breakage is not None:
            breakage(path, place)
        return _command(place, "map", path.name)

    return Case("vector", f"vector/{suffix[1:]}/{name}", build, expect)


def _shapefile(name: str, change: Callable[[Path, Place], None], expect: Expect) -> Case:
    def breakage(path: Path, place: Place) -> None:
        change(path, place)

    return _file(name, "ESRI Shapefile", ".shp", breakage, expect)


def _two_layers(path: Path, _: Place) -> None:
    import geopandas as gpd

    gpd.read_file(path).to_file(path, layer="second", driver="GPKG")


def _table_without_geometry(path: Path, place: Place) -> None:
    shutil.copy(place.base / "wide.parquet", path)


def _aoi(name: str, text: str, expect: Expect) -> Case:
    def build(place: Place) -> Sequence[object]:
        return _command(place, "aoi", text)

    return Case("vector", f"vector/aoi text/{name}", build, expect)


def cases() -> list[Case]:
    found = [_zones(name, text, expect, "map") for name, (text, expect) in _JSON.items()]
    found += [
        _zones(n, *_JSON[n], "ask")
        for n in ("valid", "no features", "coordinates not numbers", "escapes in a property", "elsewhere")
    ]
    for name, (text, _) in _JSON.items():  # the archive is empty, so that a valid area is refused, too
        found.append(_zones(name, text, "refused", "aoi"))
    for driver, suffix in (("GPKG", ".gpkg"), ("parquet", ".parquet"), ("FlatGeobuf", ".fgb")):
        found.append(_file("valid", driver, suffix, None, "works"))
        found += [
            _file(n, driver, suffix, BREAKAGES[n], "refused")
            for n in ("empty file", "random bytes", "cut short", "a pipe", "a folder")
        ]
        found += [_file(f"changed bytes {i}", driver, suffix, flip, "no crash") for i in range(3)]
    found += [
        _file("two layers", "GPKG", ".gpkg", _two_layers, "refused or works"),
        _file("no geometry", "parquet", ".parquet", _table_without_geometry, "refused"),
        _shapefile("valid", lambda f, p: None, "works"),
        _shapefile("no attributes", lambda f, p: f.with_suffix(".dbf").unlink(), "refused or works"),
        _shapefile("no index", lambda f, p: f.with_suffix(".shx").unlink(), "refused"),
        _shapefile("no CRS", lambda f, p: f.with_suffix(".prj").unlink(), "refused"),
        _shapefile("a CRS that is none", lambda f, p: f.with_suffix(".prj").write_text("PROJCS[["), "refused"),
        _shapefile("changed bytes", flip, "no crash"),
    ]
    for name, text in {
        "three numbers": "1,2,3", "five numbers": "1,2,3,4,5", "west of east": "5,50,4,51", "south of north": "5,51,6,50",
        "no area": "5,50,5,50", "not numbers": "nan,nan,nan,nan", "infinite": "-inf,-inf,inf,inf", "beyond the world": "500,95,501,96",
        "huge numbers": "1e308,1e308,1e309,1e309", "a tile that is none": "99ZZZ", "a tile of the pole": "00AAA", "empty": "",
        "an address": "http://127.0.0.1:9/a.geojson", "a GDAL file": "/vsicurl/http://elsewhere.example/a.geojson",
        "a folder": ".", "a parent": "..", "escapes": "\x1b[31m", "a surrogate": "\udcff", "10000 characters": "5," * 5000,
        "a device": "/dev/zero.geojson", "the world": "-180,-80,180,80",
    }.items():  # fmt: skip
        found.append(_aoi(name, text, "refused"))
    return found
