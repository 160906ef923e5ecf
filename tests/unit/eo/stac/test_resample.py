"""Pixels of the area's grid are looked up in files: nearest, and bilinear where all four neighbours are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from scipy.ndimage import map_coordinates

from timesenclip.eo.stac.resample import PixelPlaces, look_up_nearest, sample
from timesenclip.errors import InputError
from timesenclip.grid import Grid, Window

GRID = Grid(500_000.0, 5_600_000.0, 10.0, -10.0, (16, 20))
ALIGNED = Affine(20, 0, 500_000, 0, -20, 5_600_000)
VALUES = np.random.default_rng(0).integers(1000, 4000, (8, 10), dtype=np.uint16)
"""At 20 m, on the same corner."""


@pytest.fixture
def raster(tmp_path: Path) -> Iterator[Any]:
    yield from opened(tmp_path, VALUES)


def opened(folder: Path, values: np.ndarray, transform: Affine = ALIGNED) -> Any:
    path = folder / "x.tif"
    options = {"driver": "GTiff", "count": 1, "dtype": "uint16", "nodata": 0, "crs": "EPSG:32631"}
    with rasterio.open(
        path, "w", height=values.shape[0], width=values.shape[1], transform=transform, **options
    ) as file:
        file.write(values, 1)
    with rasterio.open(path) as file:
        yield file


@pytest.mark.parametrize("shift", [0, -3, 9, 40, -40])
def test_rows_and_columns_apart_find_what_places_one_by_one_find(shift: int) -> None:
    values = np.arange(1, 12 * 9 + 1, dtype=np.float32).reshape(12, 9)
    rows, columns = np.arange(7)[:, None] * 1.5 + 0.7 + shift, np.arange(5)[None, :] * 0.5 + 2.2 - shift
    apart = look_up_nearest(values, rows, columns, (1, 0), outside=np.float32(0))
    together = look_up_nearest(values, *np.broadcast_arrays(rows, columns), (1, 0), outside=np.float32(0))
    assert apart.dtype == values.dtype
    assert np.array_equal(apart, together)
    for i in range(7):
        for j in range(5):
            row, column = int(np.floor(rows[i, 0])) - 1, int(np.floor(columns[0, j]))
            inside = 0 <= row < 12 and 0 <= column < 9
            assert apart[i, j] == (values[row, column] if inside else 0)


def test_the_nearest_value_is_repeated(raster: Any) -> None:
    window = Window(3, 12, 2, 15)
    found, there = sample(raster, PixelPlaces(GRID, 32631, window), "nearest")
    assert there.all()
    assert np.array_equal(found, VALUES.repeat(2, 0).repeat(2, 1)[window.slices])


def test_bilinear_is_that_of_scipy_inside_and_nearest_at_the_edge(raster: Any) -> None:
    found, there = sample(raster, PixelPlaces(GRID, 32631, Window.whole(GRID.shape)), "bilinear")
    row, column = np.mgrid[0:16, 0:20] / 2 - 0.25
    expected = map_coordinates(VALUES.astype(np.float64), (row, column), order=1)
    inner = np.s_[1:-1, 1:-1]
    assert there.all()
    assert np.allclose(found[inner], expected[inner], atol=0.01)
    assert np.array_equal(found[0], VALUES.repeat(2, 0).repeat(2, 1)[0])


def test_a_missing_neighbour_leaves_the_nearest_value(tmp_path: Path) -> None:
    holed = VALUES.copy()
    holed[4, 5] = 0
    for raster in opened(tmp_path, holed):
        found, there = sample(raster, PixelPlaces(GRID, 32631, Window.whole(GRID.shape)), "bilinear")
    assert np.argwhere(~there).tolist() == [[8, 10], [8, 11], [9, 10], [9, 11]]
    assert found[7, 10] == VALUES[3, 5]
    assert found[8, 9] == VALUES[4, 4]


def test_beyond_the_file_nothing_is_there(raster: Any) -> None:
    far = Grid(600_000.0, 5_600_000.0, 10.0, -10.0, (4, 4))
    found, there = sample(raster, PixelPlaces(far, 32631, Window.whole(far.shape)), "nearest")
    assert not there.any()
    assert not found.any()


def test_a_file_in_another_zone_is_looked_up_by_coordinates(raster: Any) -> None:
    x, y = Transformer.from_crs(32631, 32630, always_xy=True).transform(500_085.0, 5_599_925.0)
    other = Grid(round(x, -1), round(y, -1), 10.0, -10.0, (3, 3))
    places = PixelPlaces(other, 32630, Window.whole(other.shape))
    found, there = sample(raster, places, "nearest")
    east, north = np.meshgrid(*other.centres(Window.whole(other.shape)))
    back_x, back_y = Transformer.from_crs(32630, 32631, always_xy=True).transform(east, north)
    row, column = ((5_600_000 - back_y) // 20).astype(int), ((back_x - 500_000) // 20).astype(int)
    assert there.all()
    assert np.array_equal(found, VALUES[row, column])


def test_a_rotated_file_is_refused(tmp_path: Path) -> None:
    for raster in opened(tmp_path, VALUES, Affine(20, 1, 500_000, 1, -20, 5_600_000)):
        with pytest.raises(InputError, match="is rotated; expected a north-up image"):
            PixelPlaces(GRID, 32631, Window.whole(GRID.shape)).in_file(raster)


def test_a_crs_to_which_there_is_no_way_is_refused() -> None:
    moon = 'GEOGCS["Moon",DATUM["D_Moon",SPHEROID["Moon",1737400,0]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925]]'

    class Raster:
        crs = rasterio.crs.CRS.from_wkt(moon)
        transform = Affine(20, 0, 500_000, 0, -20, 5_600_000)

    with pytest.raises(InputError, match="no way from EPSG:32631 to its CRS"):
        PixelPlaces(GRID, 32631, Window.whole(GRID.shape)).in_file(Raster())
