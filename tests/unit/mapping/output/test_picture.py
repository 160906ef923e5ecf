from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.image import imread

from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.mapping.output.picture import (
    class_picture,
    confidence_picture,
    png_bytes,
    share_text,
    true_colour_picture,
    write_picture,
)
from timesenclip.mapping.output.result import ClassArea, MapResult, Preview


def result_of(folder: Path) -> MapResult:
    taxonomy = taxonomy_from_phrases(["maize", "water"])
    classes = np.array([[0, 1, 2], [1, 1, 255]], dtype=np.uint8)
    confidence = np.array([[0, 50, 100], [30, 40, 255]], dtype=np.uint8)
    colour = np.linspace(0.01, 0.3, 18, dtype=np.float32).reshape(2, 3, 3)
    colour[1, 2] = 0
    areas = (ClassArea("maize", 1, taxonomy.colours[0], 3, 0.03, 0.6, 0.4),)
    return MapResult(folder, {}, taxonomy, areas, 1, Preview(1, colour, classes, confidence), ())


def test_pictures_are_white_where_there_is_no_data(tmp_path: Path) -> None:
    result = result_of(tmp_path)
    for picture in (class_picture(result), confidence_picture(result.preview), true_colour_picture(result.preview)):
        assert picture.shape == (2, 3, 3)
        assert picture.dtype == np.uint8
        assert (picture[1, 2] == 255).all()
    classes = class_picture(result)
    assert tuple(classes[0, 0]) == (128, 128, 128)
    assert "#{:02x}{:02x}{:02x}".format(*classes[0, 2]) == result.taxonomy.colours[1]
    brightness = true_colour_picture(result.preview).astype(int).sum(axis=2).ravel()[:5]
    assert (np.diff(brightness) > 0).all()


def test_small_pictures_are_enlarged_by_whole_pixels(tmp_path: Path) -> None:
    picture = class_picture(result_of(tmp_path))
    (tmp_path / "small.png").write_bytes(png_bytes(picture, least_px=8))
    large = imread(tmp_path / "small.png")
    assert large.shape[:2] == (6, 9)
    assert np.array_equal(np.round(large[1::3, 1::3, :3] * 255), picture)


def test_a_class_that_is_there_never_has_a_share_of_zero() -> None:
    assert [share_text(share) for share in (1e-6, 0.004, 0.006, 0.25, 1.0)] == ["<1%", "<1%", "1%", "25%", "100%"]


def test_the_picture_has_three_panels_beside_each_other(tmp_path: Path) -> None:
    image = imread(write_picture(result_of(tmp_path), tmp_path / "map.png"))
    assert image.shape[1] > 2 * image.shape[0]
    assert [path.name for path in tmp_path.iterdir()] == ["map.png"]
