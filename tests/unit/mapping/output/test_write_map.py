from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from timesenclip.errors import InputError, NoClearObservationError
from timesenclip.grid import Window
from timesenclip.mapping.output.class_map import ClassBlock
from timesenclip.mapping.output.cog import CogWriter
from timesenclip.mapping.output.layers import AreaGrid, Layer, class_layer
from timesenclip.mapping.output.write_map import write_map, write_rasters
from timesenclip.mapping.query import Query

UPPER, LOWER = Window(0, 10, 0, 30), Window(10, 20, 0, 30)


@pytest.fixture
def how(query: Query, grid: AreaGrid, tmp_path: Path) -> dict[str, Any]:
    return {
        "query": query,
        "describe": lambda tally: query.origin | {"input": {"source": "test"}} | tally.missing(),
        "folder": tmp_path,
        "grid": grid,
        "scores": True,
        "zones": None,
        "nothing_seen": lambda tally: f"Nothing was seen; {tally.masked} masked.",
    }


def block_of(scores: np.ndarray, query: Query, masked: int = 0) -> ClassBlock:
    clear, colour = np.full((10, 30), 7, dtype=np.uint16), np.full((10, 30, 3), 90, dtype=np.uint8)
    return ClassBlock.from_scores(scores, query, clear=clear, colour=colour, masked=masked)


def test_a_map_has_all_its_files_and_their_content(scores: np.ndarray, query: Query, how: dict[str, Any]) -> None:
    block, told = block_of(scores[300:], query), []
    result = write_map([(UPPER, None), (LOWER, block)], **how, progress=lambda done, of: told.append((done, of)))
    assert told == [(300, 600), (600, 600)]
    names = ["classes", "confidence", "clear", "scores", "provenance", "picture", "page"]
    assert list(result.files) == names
    beside = {"classes.tif.aux.xml", "classes.qml"}
    assert {path.name for path in how["folder"].iterdir()} == {path.name for path in result.files.values()} | beside
    with rasterio.open(result.files["classes"]) as raster:
        assert np.array_equal(raster.read(1)[10:], block.classes)
        assert (raster.read(1)[:10] == 255).all()
    with rasterio.open(result.files["clear"]) as raster:
        assert np.array_equal(np.unique(raster.read(1)), [0, 7])
    about = json.loads(result.files["provenance"].read_text())
    assert about["nodata_pixels"] == result.nodata_pixels == 300
    assert [area["pixels"] for area in about["areas"]] == [area.pixels for area in result.areas]
    assert about["prompts"]["maize"] == ["maize"]
    assert result.examples == ()


def test_where_nothing_was_seen_nothing_stays(query: Query, how: dict[str, Any]) -> None:
    dark = block_of(np.full((300, 3), np.nan, dtype=np.float32), query, masked=300)
    with pytest.raises(NoClearObservationError, match="Nothing was seen; 300 masked"):
        write_map([(UPPER, None), (LOWER, dark)], **how)
    assert not list(how["folder"].iterdir())


def test_an_error_in_a_block_leaves_no_file(query: Query, grid: AreaGrid, tmp_path: Path) -> None:
    def blocks() -> Iterator[Any]:
        yield UPPER, {"a": np.zeros((1, 10, 30), dtype=np.uint8), "b": np.zeros((1, 10, 30), dtype=np.uint8)}
        raise OSError("the disk is gone")

    layers = [Layer("a", "uint8", 255, ["a"]), class_layer("b", query.taxonomy, "b")]
    with pytest.raises(OSError, match="the disk is gone"):
        write_rasters(layers, blocks(), folder=tmp_path, grid=grid)
    assert not list(tmp_path.iterdir())


def test_a_raster_that_cannot_be_completed_leaves_the_older_map(
    query: Query, grid: AreaGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: CogWriter) -> None:
        if self.path.name == "b.tif":
            raise OSError("the disk is full")
        whole(self)

    layers = [Layer("a", "uint8", 255, ["a"]), Layer("b", "uint8", 255, ["b"])]
    older, newer = (np.full((1, 10, 30), value, dtype=np.uint8) for value in (1, 2))
    write_rasters(layers, [(UPPER, {"a": older, "b": older})], folder=tmp_path, grid=grid)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    whole = CogWriter.complete
    monkeypatch.setattr(CogWriter, "complete", full)
    with pytest.raises(OSError, match="the disk is full"):
        write_rasters(layers, [(UPPER, {"a": newer, "b": newer})], folder=tmp_path, grid=grid)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


OPTIONAL = ("scores.tif", "zones.parquet", "zones.csv")


def test_a_second_map_removes_what_only_the_first_has(scores: np.ndarray, query: Query, how: dict[str, Any]) -> None:
    write_map([(LOWER, block_of(scores[300:], query))], **how)
    strangers = ("notes.txt", "scores.tif.txt", "zones.geojson", "other.tif")
    for name in ("zones.parquet", "zones.csv", *strangers):
        (how["folder"] / name).write_text("before")
    plain = replace(block_of(scores[300:], query), scores=None)
    result = write_map([(LOWER, plain)], **(how | {"scores": False}))
    assert "scores" not in result.files
    assert not [name for name in OPTIONAL if (how["folder"] / name).exists()]
    assert all((how["folder"] / name).read_text() == "before" for name in strangers)
    assert all(path.is_file() for path in result.files.values())


@pytest.mark.parametrize("found", [None, "no JSON", "[]", '{"timesenclip": "0.1"}', '{"areas": []}'])
def test_in_a_folder_that_holds_no_map_of_ours_nothing_is_written_or_removed(
    found: str | None, scores: np.ndarray, query: Query, how: dict[str, Any]
) -> None:
    for name in OPTIONAL:
        (how["folder"] / name).write_text("a stranger's")
    if found is not None:
        (how["folder"] / "provenance.json").write_text(found)
    before = {path.name: path.read_bytes() for path in how["folder"].iterdir()}
    plain = replace(block_of(scores[300:], query), scores=None)
    with pytest.raises(InputError, match="was not written by timesenclip, and would be replaced by a map"):
        write_map([(LOWER, plain)], **(how | {"scores": False}))
    assert {path.name: path.read_bytes() for path in how["folder"].iterdir()} == before


def test_only_class_maps_get_sidecars(query: Query, grid: AreaGrid, tmp_path: Path) -> None:
    layers = [Layer("a", "uint8", 255, ["a"]), class_layer("b", query.taxonomy, "b")]
    values = np.ones((1, 10, 30), dtype=np.uint8)
    files = write_rasters(layers, [(UPPER, {"a": values}), (LOWER, {"b": values})], folder=tmp_path, grid=grid)
    assert list(files) == ["a", "b"]
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", "b.tif", "b.tif.aux.xml", "b.qml"}
    with rasterio.open(files["a"]) as raster:
        assert (raster.read(1)[:10] == 1).all()
        assert (raster.read(1)[10:] == 255).all()
