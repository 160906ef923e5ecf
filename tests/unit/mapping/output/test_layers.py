from __future__ import annotations

from pathlib import Path

from affine import Affine

from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.mapping.output.layers import AreaGrid, class_colours, class_layer, map_layers


def test_the_grid_of_a_source_and_of_its_store_is_one(area, embedded) -> None:
    grid = AreaGrid.of(area)
    assert grid == AreaGrid.of(embedded.store)
    assert (grid.shape, grid.crs) == ((32, 48), area.crs)
    assert grid.pixel_m == 10.0


def test_pixels_of_degrees_are_measured_in_the_middle_of_the_area() -> None:
    step = 1 / 3600
    grid = AreaGrid((7200, 10), "EPSG:4326", Affine(step, 0.0, 5.0, 0.0, -step, 61.0))
    assert abs(grid.pixel_m - 111_320 / 3600 * 0.5**0.5) < 0.01  # 60 degrees north: half as wide


def test_a_class_map_names_and_colours_its_values() -> None:
    taxonomy = taxonomy_from_phrases(["maize", "water"])
    layer = class_layer("before", taxonomy, "class before")
    assert dict(layer.tags) == {"CLASS_0": "unknown", "CLASS_1": "maize", "CLASS_2": "water"}
    assert list(layer.colours) == [0, 1, 2]
    assert layer.colours[0] == (128, 128, 128)
    assert "#{:02x}{:02x}{:02x}".format(*class_colours(taxonomy)[1]) == taxonomy.colours[0]
    assert layer.path(Path("maps")) == Path("maps/before.tif")


def test_scores_are_a_layer_only_where_they_are_wanted() -> None:
    taxonomy = taxonomy_from_phrases(["maize", "water"])
    assert [layer.name for layer in map_layers(taxonomy, scores=False)] == ["classes", "confidence", "clear"]
    scores = map_layers(taxonomy, scores=True)[-1]
    assert (scores.name, tuple(scores.descriptions), scores.nodata) == ("scores", ("maize", "water"), -9999.0)
