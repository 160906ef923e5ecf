from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesenclip.eo.stac.aoi import open_aoi
from timesenclip.eo.stac.mgrs import is_tile_id, tile_corner, utm_epsg
from timesenclip.errors import InputError

# Corners as ESA's products have them.
TILES = {
    "31UDS": (32631, 399_960, 5_700_000),
    "31TCJ": (32631, 300_000, 4_900_020),
    "33UXP": (32633, 600_000, 5_400_000),
    "52SFA": (32652, 600_000, 3_600_000),
    "10SGF": (32610, 699_960, 4_100_040),
}


@pytest.mark.parametrize("tile", TILES)
def test_tiles_lie_where_esa_has_them(tile: str):
    assert tile_corner(tile) == TILES[tile]
    aoi = open_aoi(f"T{tile}")
    assert (aoi.epsg, aoi.grid.x0, aoi.grid.y0) == TILES[tile]
    assert aoi.grid.shape == (10_980, 10_980)
    assert aoi.name == tile


@pytest.mark.parametrize("tile", ["31UZZ", "61UDS", "00UDS", "31UDM"])
def test_tiles_that_do_not_exist_are_refused(tile: str):
    with pytest.raises(InputError, match="no Sentinel-2 tile"):
        tile_corner(tile)


@given(lon=st.floats(-179.9, 179.9), lat=st.floats(-79, 83))
def test_a_zone_is_six_degrees_wide(lon: float, lat: float):
    if 56 <= lat < 84 and 0 <= lon < 42:
        return  # the exceptions
    epsg = utm_epsg(lon, lat)
    assert epsg // 100 == (326 if lat >= 0 else 327)
    assert abs(lon - (6 * (epsg % 100) - 183)) <= 3 + 1e-9


def test_norway_and_svalbard():
    assert [utm_epsg(5, 60), utm_epsg(10, 78), utm_epsg(5, 78), utm_epsg(30, 78)] == [32632, 32633, 32631, 32635]


def test_what_a_tile_id_is():
    assert [is_tile_id(text) for text in ("31UFS", "t31ufs", "1CCV", "31UFSX", "area", "31IFS")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
