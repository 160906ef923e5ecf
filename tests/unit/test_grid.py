from __future__ import annotations

import math

import pytest
from affine import Affine
from pyproj import Geod, Transformer

from timesenclip.grid import resolution_m


def test_utm_pixels_are_what_they_say():
    assert resolution_m("EPSG:32631", Affine(10.0, 0.0, 399_960.0, 0.0, -10.0, 5_700_000.0), (10_980, 10_980)) == 10.0
    assert resolution_m("EPSG:3035", Affine(20.0, 0.0, 4_000_000.0, 0.0, -20.0, 3_000_000.0), (100, 100)) == 20.0


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:4326"])
def test_other_pixels_are_measured_on_the_ground(crs: str):
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(5.0, 51.0)
    step = 10.0 if crs == "EPSG:3857" else 1e-4
    corners = [(x, y), (x + step, y), (x + step, y - step), (x, y - step)]
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(*zip(*corners, strict=True))
    area = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0])
    assert resolution_m(crs, Affine(step, 0.0, x, 0.0, -step, y), (1, 1)) == pytest.approx(math.sqrt(area), rel=0.005)
