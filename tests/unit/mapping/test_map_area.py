from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from timesenclip.cli.map import report_map
from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import InputError, NoClearObservationError
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.mapping.map_area import map_cube
from timesenclip.mapping.output.page import write_page
from timesenclip.model.checkpoint import load
from timesenclip.tasks.classify import classify
from timesenclip.testing import random_cube, write_netcdf_cube

PHRASES = ["water", "forest & shade", "maize"]


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory):
    cube = random_cube((24, 36), cloudy=0.4)
    cube = replace(cube, valid=cube.valid & (np.arange(36) > 3))  # a strip without any observation
    return cube, map_cube(cube, PHRASES, out=tmp_path_factory.mktemp("map"), block=16)


def test_the_map_is_the_classification_of_its_pixels(mapped) -> None:
    cube, result = mapped
    answers = classify(cube.pixel_series(), PHRASES)
    seen = cube.valid.any(axis=0)
    with rasterio.open(result.files["classes"]) as raster:
        values = raster.read(1)
        assert raster.nodata == 255
        assert raster.crs.to_epsg() == 32631
        assert raster.transform == cube.transform
        colours = raster.colormap(1)
    expected = np.where(seen.ravel(), answers.label_index + 1, 255).reshape(seen.shape)
    assert np.array_equal(values, expected)
    assert (values[:, :4] == 255).all()
    for value, colour in enumerate(result.taxonomy.colours, start=1):
        assert "#{:02x}{:02x}{:02x}".format(*colours[value][:3]) == colour
    with rasterio.open(result.files["scores"]) as raster:
        scores = raster.read()
        assert raster.descriptions == tuple(PHRASES)
        assert raster.nodata == -9999
    assert np.allclose(scores.reshape(3, -1).T[seen.ravel()], answers.scores[seen.ravel()], atol=1e-5)
    with rasterio.open(result.files["confidence"]) as raster:
        percent = raster.read(1)
    stated = np.where(answers.unknown, 255, answers.confidence * 100)
    assert np.allclose(percent.ravel(), stated, atol=0.51)


def test_every_raster_is_a_cog_with_overviews_and_statistics(mapped) -> None:
    for name in ("classes", "scores", "confidence"):
        with rasterio.open(mapped[1].files[name]) as raster:
            assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert "STATISTICS_MEAN" in raster.tags(1)


def test_class_names_are_where_gdal_and_qgis_look(mapped) -> None:
    result = mapped[1]
    aux = Path(f"{result.files['classes']}.aux.xml").read_text()
    assert re.findall("<Category>(.*?)</Category>", aux) == ["unknown", "water", "forest &amp; shade", "maize"]
    qml = result.files["classes"].with_suffix(".qml").read_text()
    assert 'value="2"' in qml
    assert "forest &amp; shade" in qml
    with rasterio.open(result.files["classes"]) as raster:
        assert raster.tags()["CLASS_3"] == "maize"


def test_areas_add_up(mapped) -> None:
    cube, result = mapped
    seen = int(cube.valid.any(axis=0).sum())
    assert sum(area.pixels for area in result.areas) == seen
    assert result.nodata_pixels == 24 * 36 - seen
    assert sum(area.hectares for area in result.areas) == pytest.approx(seen / 100)
    about = json.loads(result.files["provenance"].read_text())
    assert about["checkpoint"]["digest"] == load().digest
    assert set(about["prompts"]) == set(PHRASES)


def test_large_counts_are_readable_and_one_phrase_is_one(mapped, tmp_path: Path, capsys) -> None:
    large = replace(mapped[1], nodata_pixels=120_556_304, taxonomy=taxonomy_from_phrases(["maize"]))
    report_map(large, as_json=False)
    assert "\n120,556,304 pixels were not seen clearly (nodata)\n" in capsys.readouterr().out
    page = write_page(large, tmp_path / "map.html").read_text()
    assert "120,556,304 pixels had no clear observation." in page
    assert "asked with 1 phrase." in page


def test_the_page_stands_alone_and_escapes_what_was_asked(mapped) -> None:
    page = mapped[1].files["page"].read_text()
    assert "forest &amp; shade" in page
    assert "forest & shade" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "<script" not in page


def test_block_size_and_source_do_not_matter(mapped, tmp_path: Path) -> None:
    cube = random_cube((24, 36), cloudy=0.4)
    folder = write_netcdf_cube(cube, tmp_path / "cube")
    source = open_cube(folder, dilate_px=0)
    a = map_cube(source, PHRASES, out=tmp_path / "a", block=10, scores=False)
    b = map_cube(source.read(), PHRASES, out=tmp_path / "b", block=64, scores=False)
    assert "scores" not in a.files
    with rasterio.open(a.files["classes"]) as one, rasterio.open(b.files["classes"]) as two:
        same = one.read(1) == two.read(1)
    assert same.mean() > 0.999  # batches differ in the last bit, and a tie may fall either way
    assert [path.name for path in (tmp_path / "a").glob(".*")] == [".timesenclip.json"]


def test_bad_maps_leave_nothing_behind(tmp_path: Path) -> None:
    cube = random_cube(cloudy=0)
    dark = replace(cube, valid=np.zeros_like(cube.valid), reflectance=np.zeros_like(cube.reflectance))
    with pytest.raises(NoClearObservationError, match="No pixel"):
        map_cube(dark, PHRASES, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="at most 254"):
        map_cube(cube, [f"phrase {i} field" for i in range(255)], out=tmp_path / "out")
