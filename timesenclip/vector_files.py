"""Read a vector file that a user gives: areas of interest and zones.

Only five formats are read: GeoPackage, GeoJSON, shapefile (also in a .zip), FlatGeobuf and GeoParquet. Name and first
bytes of a file must agree before GDAL sees it, because some of GDAL's formats name other files or addresses in their
text (OGR VRT), and GDAL recognises them by the content of any file.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.extras import require
from timesenclip.files import require_regular_file
from timesenclip.messages import list_some, shorten_error

__all__ = ["MOST_FEATURES", "VECTOR_FORMATS", "VECTOR_SUFFIXES", "read_vector"]

VECTOR_FORMATS = "a GeoPackage (.gpkg), GeoJSON, shapefile (.shp or .zip), FlatGeobuf (.fgb) or GeoParquet"
"""The formats, for messages."""
MOST_FEATURES = 5_000_000
"""More features are refused before they are read: a file may declare any number of them."""

_KIND_OF_SUFFIX = {
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".shp": "ESRI Shapefile",
    ".zip": "zip",
    ".shz": "zip",
    ".fgb": "FlatGeobuf",
    ".parquet": "Parquet",
    ".geoparquet": "Parquet",
}
VECTOR_SUFFIXES = tuple(_KIND_OF_SUFFIX)
"""Endings of the names of files that are read, in lower case."""

_SHAPEFILE_PARTS = {".shp", ".shx", ".dbf", ".prj", ".cpg", ".qix", ".qpj", ".sbn", ".sbx", ".cst", ".xml", ".txt"}
_SHAPEFILE_MAGIC = b"\x00\x00\x27\x0a"
_VRT = b"<OGRVRTDataSource"
_HEAD = 65_536
_CRS_MEMBER = re.compile(rb"crs|\\u00", re.IGNORECASE)
"""`crs`, or letters written as escapes, which it could be; files without either need no second look."""
_MOST_BYTES = 4 << 30


def read_vector(path: str | Path, *, what: str) -> Any:
    """Read the features of a file as a GeoDataFrame; its CRS may be None and its geometries may be missing.

    Args:
        path: the file, of one of `VECTOR_FORMATS`, with one layer of geometries.
        what: what it is read as, in the plural, for messages: "zones".

    Raises:
        DataNotFoundError: the file is not there, or cannot be read.
        InputError: it is no regular file or of another format, or holds several layers or too many features.
        MissingExtraError: geopandas is not installed.
    """
    geopandas = require("stac", "geopandas", needed_by=f"Vector files such as '{path}'")
    file = Path(path)
    kind = _checked_kind(file, what)
    try:
        if kind == "Parquet":
            _check_parquet(file)
            return geopandas.read_parquet(file)
        layer = _one_layer(file, kind)
        return geopandas.read_file(file, layer=layer, engine="pyogrio")
    except InputError:
        raise
    except Exception as error:  # pyogrio, pyarrow, shapely and pyproj raise classes of their own
        raise DataNotFoundError(
            f"Cannot read {what} from '{file}' ({type(error).__name__}: {shorten_error(error)}); expected "
            f"{VECTOR_FORMATS}."
        ) from error


def _checked_kind(file: Path, what: str) -> str:
    """Format of the file, if its name and its first bytes agree."""
    try:
        file.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise DataNotFoundError(f"No {what} at '{file}' ({shorten_error(error)}); give {VECTOR_FORMATS}.") from error
    require_regular_file(file, give=f"{what} as {VECTOR_FORMATS}")
    kind = _KIND_OF_SUFFIX.get(file.suffix.lower())
    if kind is None:
        raise InputError(f"'{file.name}' has the ending '{file.suffix}'; give {what} as {VECTOR_FORMATS}.")
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError as error:
        raise DataNotFoundError(f"Cannot read {what} from '{file}' ({shorten_error(error)}).") from error
    if not head:
        raise DataNotFoundError(f"Cannot read {what} from '{file}': it is empty; give {VECTOR_FORMATS}.")
    if _VRT in head or not _begins_as(kind, head):
        raise DataNotFoundError(
            f"Cannot read {what} from '{file}': its content is not that of a {file.suffix} file; give {VECTOR_FORMATS}."
        )
    if kind == "zip":
        _check_zip(file, what)
    if kind == "GeoJSON":
        _check_crs_members(file, what)
    return kind


def _begins_as(kind: str, head: bytes) -> bool:
    if kind == "GPKG":
        return head.startswith(b"SQLite format 3\x00") and head[68:72] in (b"GPKG", b"GP10", b"GP11")
    if kind == "GeoJSON":
        return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    starts = {"ESRI Shapefile": _SHAPEFILE_MAGIC, "zip": b"PK\x03\x04", "FlatGeobuf": b"fgb\x03fgb", "Parquet": b"PAR1"}
    return head.startswith(starts[kind])


def _check_crs_members(file: Path, what: str) -> None:
    """Refuse GeoJSON that gives a CRS by its address (`"crs": {"type": "link"}`), which GDAL would fetch.

    Raises:
        InputError: it does, at any place of the file.
        DataNotFoundError: it is no JSON.
    """
    content = file.read_bytes()
    if not _CRS_MEMBER.search(content):
        return

    def types(pairs: list[tuple[str, Any]]) -> set[str]:
        """Of an object only its types are kept, to save memory."""
        for name, value in pairs:
            if name.lower() == "crs" and isinstance(value, set) and value != {"name"}:
                raise InputError(
                    f"'{file}' does not give its CRS by name but as {', '.join(sorted(value))[:40] or 'an object'}; "
                    "expected none, or a name such as EPSG:32631."
                )
        return {str(value)[:40].lower() for name, value in pairs if name.lower() == "type"}

    try:
        json.loads(content.removeprefix(b"\xef\xbb\xbf"), object_pairs_hook=types)
    except InputError:
        raise
    except (RecursionError, ValueError) as error:  # GDAL is less strict, and could find a CRS in it
        raise DataNotFoundError(
            f"Cannot read {what} from '{file}' ({shorten_error(error)}); expected {VECTOR_FORMATS}."
        ) from error


def _check_zip(file: Path, what: str) -> None:
    """Refuse a .zip that holds anything but the parts of one shapefile, or more bytes than can be meant."""
    try:
        with zipfile.ZipFile(file) as archive:
            parts = [part for part in archive.infolist() if not part.is_dir()]
            shapes = [part for part in parts if part.filename.lower().endswith(".shp")]
            foreign = [part.filename for part in parts if Path(part.filename).suffix.lower() not in _SHAPEFILE_PARTS]
            if len(shapes) != 1 or foreign or len(parts) < 3:
                raise InputError(
                    f"'{file}' holds {len(parts)} files ({list_some([part.filename for part in parts])}); expected the "
                    f"parts of one shapefile and nothing else. Give {what} as {VECTOR_FORMATS}."
                )
            if sum(part.file_size for part in parts) > _MOST_BYTES:
                raise InputError(f"'{file}' unpacks to more than {_MOST_BYTES >> 30} GiB; give fewer {what}.")
            for part in parts:
                with archive.open(part) as opened:
                    head = opened.read(_HEAD)
                if _VRT in head or (part in shapes and not head.startswith(_SHAPEFILE_MAGIC)):
                    raise InputError(f"'{part.filename}' in '{file}' is not part of a shapefile; pack it again.")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise DataNotFoundError(
            f"Cannot read {what} from '{file}' ({type(error).__name__}: {shorten_error(error)}); pack it again."
        ) from error


def _check_parquet(file: Path) -> None:
    from pyarrow import parquet

    about = parquet.read_metadata(file)
    size = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
    _check_size(file, about.num_rows)
    if size > _MOST_BYTES:
        raise InputError(f"'{file}' unpacks to more than {_MOST_BYTES >> 30} GiB; give fewer features.")


def _one_layer(file: Path, kind: str) -> str:
    """Name of the only layer with geometries; its number of features is checked where the file declares it."""
    import pyogrio

    layers = [str(name) for name, geometry in pyogrio.list_layers(file) if geometry is not None]
    if not layers:
        raise DataNotFoundError("it holds no geometries")
    if len(layers) != 1:
        raise InputError(f"'{file}' holds {len(layers)} layers ({list_some(layers)}); keep the one that is meant.")
    if kind != "GeoJSON":  # which declares nothing: to count its features it must be read
        _check_size(file, int(pyogrio.read_info(file, layer=layers[0])["features"]))
    return layers[0]


def _check_size(file: Path, features: int) -> None:
    if features > MOST_FEATURES:
        raise InputError(f"'{file}' declares {features:,} features; at most {MOST_FEATURES:,} can be read.")
