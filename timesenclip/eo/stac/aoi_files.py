"""Files of polygons: read by their own format only, never by whatever GDAL makes of their content.

GDAL chooses a driver by content, and some (OGR VRT, GDALG, WFS, GMLAS) read further files and addresses that the file
names. So the first bytes must be those of the format that the name promises, and GeoJSON is read without GDAL.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from timesenclip.errors import DataNotFoundError, GridError, InputError
from timesenclip.files import require_regular_file
from timesenclip.messages import shorten_error

__all__ = ["FORMS", "VECTOR_FILES", "read_polygons"]

VECTOR_FILES = (".geojson", ".json", ".gpkg", ".shp", ".parquet", ".geoparquet", ".fgb")
"""File name endings that are read."""
FORMS = (
    "a GeoJSON, GeoPackage, shapefile or GeoParquet file, 'west,south,east,north' in degrees, or a tile such as 31UFS"
)
"""What an area can be, for messages."""

_FIRST_BYTES = {
    ".gpkg": b"SQLite format 3\0",
    ".shp": b"\0\0\x27\x0a",
    ".fgb": b"fgb",
    ".parquet": b"PAR1",
    ".geoparquet": b"PAR1",
}
_BESIDE = (".shx", ".dbf", ".prj", ".cpg")
"""Files that are read with a shapefile."""
_MOST_BYTES = 2**30
_MOST_JSON_BYTES = 2**28
_CRS_NAME = re.compile(r"(?:urn:ogc:def:crs:)?(EPSG|OGC)(?:::?|:[\d.]*:)(\w{1,12})", re.IGNORECASE)
_GEOMETRIES = (
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection",
)  # fmt: skip


def read_polygons(path: Path) -> tuple[list[Any], Any]:
    """Geometries of a file and their CRS.

    Args:
        path: whose ending is one of `VECTOR_FILES`.

    Returns:
        shapely geometries, None among them where one is missing, and the CRS, or None.

    Raises:
        InputError: no regular file, several layers, or too large; GeoJSON that is none.
        DataNotFoundError: it cannot be read.
    """
    kind = path.suffix.lower()
    for beside in (path, *(path.with_suffix(one) for one in _BESIDE if kind == ".shp")):
        require_regular_file(beside)
    size = path.stat().st_size
    most = _MOST_JSON_BYTES if kind in (".geojson", ".json") else _MOST_BYTES
    if size > most:
        raise InputError(f"'{path}' has {size >> 20} MiB; expected an area of at most {most >> 20} MiB.")
    try:
        if kind in (".geojson", ".json"):
            return _read_geojson(path)
        return _read_frame(path, kind)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # each format raises its own errors; all mean that the file cannot be read
        raise DataNotFoundError(
            f"Cannot read an area from '{path}' ({shorten_error(error)}); expected {FORMS}."
        ) from error


def _read_frame(path: Path, kind: str) -> tuple[list[Any], Any]:
    import geopandas

    with path.open("rb") as file:
        first = file.read(16)
    if not first.startswith(_FIRST_BYTES[kind]):
        raise ValueError(f"it does not begin as a {kind} file does")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # GDAL's remarks about files that it can read nevertheless
        if kind in (".parquet", ".geoparquet"):
            frame = geopandas.read_parquet(path)
        else:
            frame = geopandas.read_file(path, layer=_one_layer(path))
    geometry = getattr(frame, "geometry", None)
    return ([], None) if geometry is None else (list(geometry), frame.crs)


def _one_layer(path: Path) -> str:
    import pyogrio

    layers = [str(name) for name in pyogrio.list_layers(path)[:, 0]]
    if not layers:
        raise InputError(f"'{path}' holds no layer; expected polygons.")
    if len(layers) != 1:
        raise InputError(f"'{path}' holds {len(layers)} layers ({', '.join(layers[:4])}); keep the one that is meant.")
    return layers[0]


def _read_geojson(path: Path) -> tuple[list[Any], Any]:
    from shapely.geometry import shape

    found = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(found, dict):
        raise InputError(f"'{path}' is a JSON {type(found).__name__}; expected GeoJSON, such as a FeatureCollection.")
    with np.errstate(invalid="ignore"):  # NaN, which is refused with the polygon that holds it
        geometries = [None if one is None else shape(one) for one in _geometries(found, str(path))]
    return geometries, _crs(found.get("crs"), str(path))


def _geometries(found: dict[str, Any], name: str) -> Iterator[Any]:
    kind = found.get("type")
    if kind == "FeatureCollection":
        features = found.get("features")
        if not isinstance(features, list):
            raise InputError(f"'{name}' has no list of `features`; expected GeoJSON.")
        for feature in features:
            if not isinstance(feature, dict):
                raise InputError(f"'{name}' has a feature that is a {type(feature).__name__}; expected GeoJSON.")
            yield feature.get("geometry")
    elif kind == "Feature":
        yield found.get("geometry")
    elif kind in _GEOMETRIES:
        yield found
    else:
        raise InputError(f"'{name}' is no GeoJSON (its type is {str(kind)[:60]!r}); expected a FeatureCollection.")


def _crs(said: Any, name: str) -> str:
    """CRS of a GeoJSON file: EPSG:4326, or what the `crs` of before 2016 names."""
    if said is None:
        return "EPSG:4326"
    properties = said.get("properties") if isinstance(said, dict) else None
    text = properties.get("name") if isinstance(properties, dict) else None
    match = _CRS_NAME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise GridError(f"'{name}' names the CRS {str(text or said)[:60]!r}; expected one such as EPSG:32631.")
    return f"{match[1].upper()}:{match[2].upper()}"
