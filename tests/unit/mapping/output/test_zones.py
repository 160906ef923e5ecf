from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

from timesenclip.errors import DataNotFoundError, DegradedInputWarning, GridError, InputError
from timesenclip.grid import Window
from timesenclip.mapping.output.class_map import ClassBlock
from timesenclip.mapping.output.layers import AreaGrid, map_layers
from timesenclip.mapping.output.write_map import write_rasters
from timesenclip.mapping.output.zones import check_zones, read_zones, write_zones
from timesenclip.mapping.query import Query

X0, Y0 = 500_000, 5_600_000


@pytest.fixture
def maps(scores: np.ndarray, query: Query, grid: AreaGrid, tmp_path: Path) -> Path:
    """A class map of 20 x 30 pixels, the first row of which was never seen."""
    clear, colour = np.ones(grid.shape, dtype=np.uint16), np.zeros((*grid.shape, 3), dtype=np.uint8)
    scores = scores.copy()
    scores[4 * 30 : 4 * 30 + 3] = -0.9  # three unknown pixels
    block = ClassBlock.from_scores(scores, query, clear=clear, colour=colour, keep_scores=False)
    layers = map_layers(query.taxonomy, scores=False)
    write_rasters(layers, [(Window(0, 20, 0, 30), block.rasters())], folder=tmp_path, grid=grid)
    return tmp_path


def zones_of(path: Path, *shapes: shapely.Geometry, crs: str = "EPSG:32631") -> Path:
    frame = geopandas.GeoDataFrame({"label": list("abcdef")[: len(shapes)]}, geometry=list(shapes), crs=crs)
    frame.to_crs(4326).to_file(path)
    return path


def test_pixels_are_counted_where_their_centre_lies(maps: Path, query: Query) -> None:
    rows_4_8 = shapely.box(X0, Y0 - 80, X0 + 100, Y0 - 40)  # 4 x 10 pixels
    unseen = shapely.box(X0 - 50, Y0 - 10, X0 + 40, Y0 + 50)  # 1 x 4 pixels of it inside
    outside = shapely.box(X0 - 50, Y0, X0 - 20, Y0 + 50)
    files = write_zones(zones_of(maps / "z.gpkg", rows_4_8, unseen, outside), maps, query.taxonomy, pixel_m=10.0)
    table = geopandas.read_parquet(files["zones"])
    assert table["pixels"].tolist() == [40, 4, 0]
    assert table["zone: label"].tolist() == ["a", "b", "c"]  # a column of that name is ours
    assert table["hectares"][0] == pytest.approx(0.4)
    assert table["nodata_share"].tolist()[:2] == [0, 1]
    with rasterio.open(maps / "classes.tif") as classes, rasterio.open(maps / "confidence.tif") as confidence:
        inside, percent = classes.read(1)[4:8, :10], confidence.read(1)[4:8, :10]
    assert table["unknown_share"][0] == pytest.approx((inside == 0).mean())
    for value, name in enumerate(query.taxonomy.names, start=1):
        assert table[f"share: {name}"][0] == pytest.approx((inside == value).mean())
    assert table["label"][0] == ["unknown", *query.taxonomy.names][np.bincount(inside.ravel(), minlength=4).argmax()]
    assert (inside == 0).sum() >= 3
    assert table["mean_confidence"][0] == pytest.approx(percent[inside > 0].mean() / 100)
    assert pd.isna(table["label"][1])
    flat = pd.read_csv(files["zones_csv"])
    assert "geometry" not in flat.columns
    assert flat["pixels"].tolist() == [40, 4, 0]


def test_zones_outside_the_area_are_said_before_work_begins(grid: AreaGrid, tmp_path: Path) -> None:
    how = {"shape": grid.shape, "crs": grid.crs, "transform": grid.transform}
    inside, outside = shapely.box(X0, Y0 - 50, X0 + 50, Y0), shapely.box(X0 - 900, Y0, X0 - 800, Y0 + 50)
    check_zones(zones_of(tmp_path / "inside.gpkg", inside), **how)
    with pytest.warns(DegradedInputWarning, match=r"1 of 2 zones .* lie outside the area"):
        check_zones(zones_of(tmp_path / "both.gpkg", inside, outside), **how)
    with pytest.raises(InputError, match=r"None of the 1 zones in .* touches the area"):
        check_zones(zones_of(tmp_path / "outside.gpkg", outside), **how)


def test_zones_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    geopandas.GeoDataFrame(geometry=[shapely.Point(3, 50)], crs=4326).to_parquet(tmp_path / "points.parquet")
    geopandas.GeoDataFrame(geometry=[shapely.box(3, 50, 4, 51)]).to_parquet(tmp_path / "nowhere.parquet")
    (tmp_path / "text.gpkg").write_text("no polygons")
    for name, kind, words in (
        ("points.parquet", InputError, "must be polygons"),
        ("nowhere.parquet", GridError, "has no CRS"),
        ("none.gpkg", DataNotFoundError, "No zones at"),
        ("text.gpkg", DataNotFoundError, "Cannot read zones"),
    ):
        with pytest.raises(kind, match=words):
            read_zones(tmp_path / name)


def test_a_polygon_that_crosses_itself_is_repaired(tmp_path: Path) -> None:
    bow = shapely.Polygon([(X0, Y0), (X0 + 50, Y0 - 50), (X0 + 50, Y0), (X0, Y0 - 50)])
    with pytest.warns(DegradedInputWarning, match="1 of 1 zones .* cross themselves"):
        frame = read_zones(zones_of(tmp_path / "bow.gpkg", bow))
    assert frame.geometry.is_valid.all()


def test_zones_without_a_geometry_or_with_infinite_coordinates_are_refused(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame(geometry=[shapely.box(3, 50, 4, 51), None], crs=4326)
    frame.to_parquet(tmp_path / "missing.parquet")
    endless = shapely.Polygon([(3, 50), (float("inf"), 50), (4, 51)])
    geopandas.GeoDataFrame(geometry=[endless], crs=4326).to_parquet(tmp_path / "endless.parquet")
    with pytest.raises(InputError, match="features without a geometry"):
        read_zones(tmp_path / "missing.parquet")
    with pytest.raises(InputError, match="coordinates that are no numbers"):
        read_zones(tmp_path / "endless.parquet")


def test_zones_in_a_text_that_names_another_file_are_refused(tmp_path: Path) -> None:
    secret = zones_of(tmp_path / "secret.gpkg", shapely.box(X0, Y0 - 80, X0 + 100, Y0 - 40))
    layer = f"<OGRVRTLayer name='secret'><SrcDataSource>{secret}</SrcDataSource></OGRVRTLayer>"
    (tmp_path / "z.geojson").write_text(f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>")
    with pytest.raises(DataNotFoundError, match="its content is not that of"):
        read_zones(tmp_path / "z.geojson")
