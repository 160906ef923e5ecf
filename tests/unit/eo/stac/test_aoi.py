from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from pyproj import Transformer
from shapely.geometry import LineString, Point, Polygon, box

from timesenclip.eo.stac.aoi import open_aoi
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, GridError, InputError

SQUARE = box(500_003, 5_600_007, 500_493, 5_600_393)  # in EPSG:32631


def write(path: Path, shapes: list, crs: object = 32631, **more: object) -> Path:
    import geopandas

    frame = geopandas.GeoDataFrame(geometry=shapes, crs=crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path, **more)
    return path


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".parquet", ".geojson", ".fgb"])
def test_every_format_gives_the_same_grid(tmp_path: Path, suffix: str):
    path = tmp_path / f"area{suffix}"
    if suffix == ".geojson":
        import geopandas

        write(path, list(geopandas.GeoSeries([SQUARE], crs=32631).segmentize(10).to_crs(4326)), 4326)
    else:
        write(path, [SQUARE])
    aoi = open_aoi(path)
    assert aoi.crs == "EPSG:32631"
    assert (aoi.grid.x0, aoi.grid.y0, aoi.grid.shape) == (500_000, 5_600_400, (40, 50))
    assert aoi.name == path.name


def test_several_polygons_are_one_area(tmp_path: Path):
    aoi = open_aoi(write(tmp_path / "two.gpkg", [SQUARE, box(501_000, 5_600_000, 501_100, 5_600_100)]))
    assert aoi.geometry.geom_type == "MultiPolygon"
    assert aoi.grid.shape == (40, 110)


def test_whole_tens_stay_whole(tmp_path: Path):
    aoi = open_aoi(write(tmp_path / "area.gpkg", [box(500_000, 5_600_000, 501_000, 5_600_500)]))
    assert (aoi.grid.x0, aoi.grid.y0, aoi.grid.shape) == (500_000, 5_600_500, (50, 100))


def test_a_file_in_another_zone_goes_to_the_zone_of_its_centre(tmp_path: Path):
    x, y = Transformer.from_crs(4326, 32631, always_xy=True).transform(6.5, 50.0)
    assert open_aoi(write(tmp_path / "area.gpkg", [box(x, y, x + 500, y + 500)])).crs == "EPSG:32632"


def two_layers(path: Path) -> Path:
    write(path, [SQUARE], layer="one")
    return write(path, [SQUARE], layer="two")


def two_files(folder: Path) -> Path:
    write(folder / "a.gpkg", [SQUARE])
    return write(folder / "b.gpkg", [SQUARE]).parent


def without_crs(path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pyogrio says that the file will have no CRS
        return write(path, [SQUARE], None)


BAD_FILES = {
    "no CRS": (lambda path: without_crs(path / "a.gpkg"), GridError, "has no CRS"),
    "crossing itself": (
        lambda path: write(path / "a.gpkg", [Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])], 4326),
        InputError,
        "not valid .Self-intersection",
    ),
    "empty": (lambda path: write(path / "a.gpkg", [Polygon()], 4326), InputError, "no geometry"),
    "points": (lambda path: write(path / "a.gpkg", [Point(1, 2)], 4326), InputError, "holds Point; expected polygons"),
    "lines": (lambda path: write(path / "a.gpkg", [LineString([(1, 2), (3, 4)])], 4326), InputError, "LineString"),
    "metres as degrees": (lambda path: write(path / "a.gpkg", [SQUARE], 4326), InputError, r"500003.*x first"),
    "across the antimeridian": (
        lambda path: write(path / "a.gpkg", [box(800_000, 0, 900_000, 9000)], 32660),
        InputError,
        "crosses the antimeridian",
    ),
    "several layers": (
        lambda path: two_layers(path / "a.gpkg"),
        InputError,
        r"2 layers \(one, two\)",
    ),
    "several files": (
        lambda path: two_files(path),
        InputError,
        r"2 files with areas \(a.gpkg, b.gpkg\)",
    ),
    "no such file": (lambda path: path / "a.gpkg", DataNotFoundError, "No area at"),
    "another kind of file": (
        lambda path: path.joinpath("a.txt").write_text("x") and path / "a.txt",
        InputError,
        "no area",
    ),
    "broken": (
        lambda path: path.joinpath("a.geojson").write_text("{") and path / "a.geojson",
        DataNotFoundError,
        "Cannot",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, case: str):
    make, kind, expected = BAD_FILES[case]
    path = make(tmp_path)
    with pytest.raises(kind, match=expected) as error:
        open_aoi(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("179,0,-179,1", "crosses the antimeridian"),
        ("3,50,2.9,51", "crosses the antimeridian"),
        ("3,51,4,50", "is empty"),
        ("170,0,190,1", "longitudes -180..180"),
        ("0,85,1,86", "between -80 and 84"),
        ("50.1,3.2", "No area at"),
        ("31UFO", "No area at"),
    ],
)
def test_bad_boxes_are_refused(text: str, expected: str):
    with pytest.raises((InputError, DataNotFoundError), match=expected):
        open_aoi(text)


def test_a_box_is_covered_by_its_grid():
    aoi = open_aoi("-60.1, -3.2, -60.0, -3.1")
    assert aoi.crs == "EPSG:32720"
    assert open_aoi((-60.1, -3.2, -60.0, -3.1)) == aoi
    to_metres = Transformer.from_crs(4326, aoi.crs, always_xy=True)
    x, y = to_metres.transform([-60.1, -60.0, -60.1, -60.0], [-3.2, -3.2, -3.1, -3.1])
    assert min(x) - 10 < aoi.grid.x0 <= min(x)
    assert max(y) <= aoi.grid.y0 < max(y) + 10


def test_an_area_can_be_read_back_from_its_own_geometry(tmp_path: Path):
    aoi = open_aoi("3.0,50.8,3.1,50.9")
    path = tmp_path / "again.geojson"
    path.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": aoi.geometry.__geo_interface__}))
    again = open_aoi(path)
    assert again.grid == aoi.grid
    np.testing.assert_array_equal(again.bounds, aoi.bounds)


def test_an_area_far_beyond_its_zone_is_said():
    with pytest.warns(DegradedInputWarning, match=r"far beyond UTM zone 32: .* off by up to 6%"):
        open_aoi([-12.0, 48.0, 30.0, 52.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_aoi([5.9, 47.3, 15.0, 55.0])  # Germany
