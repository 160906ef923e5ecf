"""Sentinel-2 tiles and UTM zones, computed without a list of tiles.

Source: NGA.SIG.0012, The Universal Grids and the MGRS (letters of the 100 km squares); ESA, Sentinel-2 Products
Specification 14.9 (a tile is its square plus an overlap to the east and south, 109.8 km, its corner on the 60 m grid).
"""

from __future__ import annotations

import re

from timesenclip.errors import InputError

__all__ = ["TILE_M", "is_tile_id", "tile_corner", "utm_epsg"]

TILE_M = 109_800.0
"""Side of a tile in metres."""

_SQUARE_M = 100_000
_GRID_M = 60
"""Corners of tiles lie on the grid of the coarsest bands."""
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # neither I nor O
_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_TILE = re.compile(r"T?(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])")
_SOUTH_M = 10_000_000
_CYCLE_M = 2_000_000
"""After so many metres of northing the row letters repeat."""


def is_tile_id(text: str) -> bool:
    """Whether a text has the form of a tile id: `31UFS` or `T31UFS`."""
    return _TILE.fullmatch(text.strip().upper()) is not None


def tile_corner(tile: str) -> tuple[int, float, float]:
    """EPSG code, and the upper left corner (x, y) in metres, of a tile.

    Raises:
        InputError: no tile has this id.
    """
    match = _TILE.fullmatch(tile.strip().upper())
    if match is None:
        raise InputError(f"'{tile}' is no Sentinel-2 tile; expected an id such as 31UFS.")
    zone, band = int(match[1]), match[2]
    column = _LETTERS.index(match[3]) - 8 * ((zone - 1) % 3)  # eight columns a zone, A-H, J-R, S-Z
    if not 1 <= zone <= 60 or not 0 <= column < 8:
        raise InputError(f"There is no Sentinel-2 tile '{tile}': zone {zone} has no square column {match[3]}.")
    east = (column + 1) * _SQUARE_M
    row = (_ROWS.index(match[4]) - (5 if zone % 2 == 0 else 0)) % len(_ROWS)
    south = band < "N"
    epsg = (32700 if south else 32600) + zone
    for cycle in range(_SOUTH_M // _CYCLE_M):
        north = row * _SQUARE_M + cycle * _CYCLE_M
        if _in_band(epsg, east, north, band):
            x0 = east // _GRID_M * _GRID_M
            y0 = -(-(north + _SQUARE_M) // _GRID_M) * _GRID_M
            return epsg, float(x0), float(y0)
    raise InputError(f"There is no Sentinel-2 tile '{tile}': row {match[4]} does not lie in latitude band {band}.")


def utm_epsg(lon: float, lat: float) -> int:
    """EPSG code of the UTM zone of a place, with the exceptions for Norway and Svalbard.

    Raises:
        InputError: the place is nearer to a pole than UTM (and Sentinel-2's tiles) go.
    """
    if not -80.0 <= lat <= 84.0:
        raise InputError(f"The area's centre is at latitude {lat:.2f}; Sentinel-2's tiles lie between -80 and 84.")
    zone = min(int((lon + 180.0) // 6) + 1, 60)
    if 56 <= lat < 64 and 3 <= lon < 12:
        zone = 32
    elif lat >= 72 and 0 <= lon < 42:
        zone = 31 if lon < 9 else 33 if lon < 21 else 35 if lon < 33 else 37
    return (32600 if lat >= 0 else 32700) + zone


def _in_band(epsg: int, east: int, north: int, band: str) -> bool:
    """Whether a square touches its latitude band."""
    from pyproj import Transformer

    to_degrees = Transformer.from_crs(epsg, 4326, always_xy=True)
    low = -80.0 + 8.0 * _BANDS.index(band)
    high = 84.0 if band == "X" else low + 8.0
    middle = east + _SQUARE_M / 2
    _, bottom = to_degrees.transform(middle, north)
    _, top = to_degrees.transform(middle, north + _SQUARE_M)
    return bool(top > low and bottom < high)
