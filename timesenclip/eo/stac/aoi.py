"""Areas of interest: a file of polygons, a box, or a Sentinel-2 tile, and the 10 m grid that is laid over it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite
from pathlib import Path
from typing import Any

import numpy as np

from timesenclip.eo.stac.aoi_files import FORMS as _FORMS
from timesenclip.eo.stac.aoi_files import VECTOR_FILES, read_polygons
from timesenclip.eo.stac.mgrs import TILE_M, is_tile_id, tile_corner, utm_epsg
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, GridError, InputError
from timesenclip.extras import require
from timesenclip.grid import Grid
from timesenclip.messages import shorten_error

__all__ = ["Aoi", "open_aoi"]

PIXEL_M = 10.0
_NUMBER = r"\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*"
_BOX = re.compile(",".join([_NUMBER] * 4))
_LONGEST_NAME = 255
_SEGMENTS = 100
"""Number of pieces that an edge is cut into before it is reprojected, since a straight edge becomes a curve."""
_MOST_STRETCH = 0.01
"""Pixels of an area may differ by this share from 100 m2 without a warning; within a UTM zone it is below 0.003."""
_MOST_PX = 1_000_000
"""Side of the largest grid in pixels; a larger area is refused."""


@dataclass(frozen=True)
class Aoi:
    """An area on Earth, and the grid of a map of it."""

    geometry: Any
    """shapely Polygon or MultiPolygon in EPSG:4326, x = longitude."""
    name: str
    """File name, box or tile: for messages and provenance."""
    epsg: int
    """UTM zone of its centre; the tile's own for a tile."""
    grid: Grid
    """10 m pixels that cover it, corners at whole tens of metres."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        west, south, east, north = map(float, self.geometry.bounds)
        return west, south, east, north

    @property
    def dense(self) -> Any:
        """The geometry with its edges cut into pieces, to be reprojected."""
        from shapely import segmentize

        west, south, east, north = self.bounds
        return segmentize(self.geometry, max(east - west, north - south) / _SEGMENTS)

    @property
    def crs(self) -> str:
        """`EPSG:32631`."""
        return f"EPSG:{self.epsg}"


def open_aoi(what: str | Path | Sequence[float]) -> Aoi:
    """Read an area of interest.

    Args:
        what: a file with polygons (all of them together are the area), `west,south,east,north` in degrees, as text or
            as four numbers, or the id of a Sentinel-2 tile.

    Raises:
        InputError: none of these; no polygon; a polygon that crosses itself or the antimeridian, or lies off the Earth.
        GridError: a file without a CRS (GeoJSON needs none: it is EPSG:4326).
        DataNotFoundError: no such file, or it cannot be read.
        MissingExtraError: geopandas and shapely are not installed.
    """
    require("stac", "geopandas", "shapely", needed_by="Areas of interest")
    if not isinstance(what, (str, Path)):
        return _from_box([float(value) for value in what])
    box = _BOX.fullmatch(str(what))
    if box:
        return _from_box([float(value) for value in box.groups()])
    if is_tile_id(str(what)) and not Path(what).exists():
        return _from_tile(str(what))
    return _from_file(Path(what))


def _from_box(edges: Sequence[float]) -> Aoi:
    from shapely.geometry import box

    if len(edges) != 4:
        raise InputError(f"A box of {len(edges)} numbers; expected west,south,east,north in degrees.")
    if not np.isfinite(edges).all():
        raise InputError(f"A box of {', '.join(map(str, edges))}; expected west,south,east,north in degrees.")
    west, south, east, north = edges
    name = ",".join(f"{edge:g}" for edge in edges)
    if west > east and east >= -180 and west <= 180:
        raise InputError(
            f"The box {name} crosses the antimeridian, or its west and east are swapped; expected "
            "west,south,east,north. Map the two sides of the antimeridian on their own."
        )
    if west >= east or south >= north:
        raise InputError(f"The box {name} is empty; expected west,south,east,north with west < east, south < north.")
    return _placed(box(west, south, east, north), 4326, name)


def _from_tile(tile: str) -> Aoi:
    from shapely.geometry import box

    epsg, x0, y0 = tile_corner(tile)
    name = tile.strip().upper().removeprefix("T")
    geometry = _degrees(box(x0, y0 - TILE_M, x0 + TILE_M, y0), epsg, name)
    side = round(TILE_M / PIXEL_M)
    return Aoi(geometry, name, epsg, Grid(x0, y0, PIXEL_M, -PIXEL_M, (side, side)))


def _from_file(path: Path) -> Aoi:
    from shapely import force_2d, union_all

    path = _one_file(path)
    found, crs = read_polygons(path)
    shapes = [force_2d(shape) for shape in found if shape is not None and not shape.is_empty]
    if not shapes:
        raise InputError(f"'{path}' holds no geometry; expected polygons.")
    if crs is None:
        raise GridError(f"'{path}' has no CRS; write one: ogr2ogr -a_srs EPSG:4326 OUT.gpkg '{path.name}'.")
    kinds = sorted({shape.geom_type for shape in shapes})
    if not set(kinds) <= {"Polygon", "MultiPolygon"}:
        raise InputError(f"'{path}' holds {', '.join(kinds)}; expected polygons. Buffer points or lines first.")
    for shape in shapes:
        _refuse_invalid(shape, str(path))
    return _placed(union_all(shapes), crs, path.name)


def _one_file(path: Path) -> Path:
    if "\0" in str(path) or str(path).startswith("/vsi"):
        raise InputError(f"{str(path)[:80]!r} is no path of an area; expected {_FORMS}.")
    if max(map(len, path.parts), default=0) > _LONGEST_NAME:
        raise InputError(f"'{str(path)[:80]}...' is no path of an area; expected {_FORMS}.")
    if path.is_dir():
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in VECTOR_FILES)
        if len(inside) == 1:
            return inside[0]
        names = ", ".join(file.name for file in inside[:4])
        raise InputError(f"'{path}' holds {len(inside)} files with areas ({names or 'none'}); give one of them.")
    if not path.exists():
        raise DataNotFoundError(f"No area at '{path}'; expected {_FORMS}.")
    if path.suffix.lower() not in VECTOR_FILES:
        raise InputError(f"'{path}' is no area that can be read; expected {_FORMS}.")
    return path


def _refuse_invalid(shape: Any, name: str) -> None:
    from shapely.validation import explain_validity

    if not shape.is_valid:
        raise InputError(
            f"A polygon of '{name}' is not valid ({explain_validity(shape)}); repair it: ogr2ogr -makevalid "
            "OUT.gpkg FILE."
        )
    if shape.area == 0:
        raise InputError(f"A polygon of '{name}' has no area; expected polygons.")


def _degrees(shape: Any, crs: Any, name: str) -> Any:
    """A shape in EPSG:4326, its edges densified first."""
    from pyproj import CRS, Transformer
    from pyproj.exceptions import CRSError
    from shapely import segmentize, transform

    west, south, east, north = shape.bounds
    try:
        reference = CRS.from_user_input(crs)
    except CRSError as error:
        raise GridError(
            f"'{name}' has a CRS that cannot be read ({shorten_error(error)}); expected one such as EPSG:4326."
        ) from error
    if not all(map(isfinite, shape.bounds)):
        raise InputError(f"'{name}' has coordinates that are no numbers; expected polygons.")
    if reference.to_epsg() != 4326:
        dense = segmentize(shape, max(east - west, north - south) / _SEGMENTS)
        to_degrees = Transformer.from_crs(reference, 4326, always_xy=True)
        shape = transform(dense, to_degrees.transform, interleaved=False)
    west, south, east, north = shape.bounds
    on_earth = -180 <= west <= east <= 180 and -90 <= south <= north <= 90  # False for NaN and infinity, too
    if not on_earth:
        raise InputError(
            f"'{name}' reaches from {west:.6g}, {south:.6g} to {east:.6g}, {north:.6g}; expected longitudes -180..180 "
            "and latitudes -90..90 (x first)."
        )
    if east - west > 180:
        raise InputError(
            f"'{name}' reaches from {west:.4g} to {east:.4g} degrees east: it crosses the antimeridian; map the two "
            "sides of it on their own."
        )
    return shape


def _placed(shape: Any, crs: Any, name: str) -> Aoi:
    """Lay the grid: the UTM zone of the centre, whole tens of metres."""
    from pyproj import Transformer
    from shapely import segmentize, transform

    geometry = _degrees(shape, crs, name)
    west, south, east, north = geometry.bounds
    epsg = utm_epsg((west + east) / 2, (south + north) / 2)
    to_metres = Transformer.from_crs(4326, epsg, always_xy=True)
    dense = segmentize(geometry, max(east - west, north - south) / _SEGMENTS)
    left, bottom, right, top = transform(dense, to_metres.transform, interleaved=False).bounds
    if not max(right - left, top - bottom) / PIXEL_M <= _MOST_PX:
        raise InputError(f"'{name}' is {(right - left) / 1e3:.0f} x {(top - bottom) / 1e3:.0f} km; map parts of it.")
    _say_stretched(geometry.bounds, epsg, name)
    slack = 0.01 / PIXEL_M  # a centimetre: what a round trip through degrees may add
    column0, column1 = floor(left / PIXEL_M + slack), -floor(-right / PIXEL_M + slack)
    row0, row1 = -floor(-top / PIXEL_M + slack), floor(bottom / PIXEL_M + slack)
    shape_px = (max(row0 - row1, 1), max(column1 - column0, 1))
    return Aoi(geometry, name, epsg, Grid(column0 * PIXEL_M, row0 * PIXEL_M, PIXEL_M, -PIXEL_M, shape_px))


def _say_stretched(bounds: tuple[float, float, float, float], epsg: int, name: str) -> None:
    """Warn where an area reaches so far beyond its UTM zone that pixels and hectares are no longer what they say."""
    from pyproj import Proj

    west, south, east, north = bounds
    places = [(lon, lat) for lon in (west, east) for lat in (south, (south + north) / 2, north)]
    zone = Proj(epsg)
    stretch = max(abs(float(zone.get_factors(lon, lat).areal_scale) - 1) for lon, lat in places)
    if not stretch <= _MOST_STRETCH:
        warnings.warn(
            f"'{name}' reaches far beyond UTM zone {epsg % 100}: pixels of 10 m, and hectares, are off by up to "
            f"{stretch:.0%} there. Map it in parts, such as one for each zone.",
            DegradedInputWarning,
            stacklevel=4,
        )
