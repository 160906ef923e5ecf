from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from timesenclip.errors import InputError, NoClearObservationError
from timesenclip.mapping.ask_store import ask_store
from timesenclip.mapping.embed_area import StoreResult
from timesenclip.mapping.map_area import map_cube
from timesenclip.mapping.store.store import EmbeddingStore

PHRASES = ["maize", "grassland", "water"]


def test_a_store_answers_as_a_map_of_its_area(embedded: StoreResult, area, model, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    asked = ask_store(
        embedded.store.path, PHRASES, out=tmp_path / "ask", progress=lambda done, of: told.append((done, of))
    )
    mapped = map_cube(area, PHRASES, out=tmp_path / "map", model=model, block=16)
    assert told[-1] == (32 * 48, 32 * 48)
    assert list(asked.files) == list(mapped.files)
    with rasterio.open(asked.files["classes"]) as one, rasterio.open(mapped.files["classes"]) as two:
        first, second = one.read(1), two.read(1)
        assert one.tags()["CLASS_2"] == two.tags()["CLASS_2"] == "grassland"
    assert np.array_equal(first == 255, second == 255)
    assert (first == second).mean() > 0.97
    assert asked.nodata_pixels == mapped.nodata_pixels
    assert [area.name for area in asked.areas] == [area.name for area in mapped.areas]
    with rasterio.open(asked.files["clear"]) as one, rasterio.open(mapped.files["clear"]) as two:
        assert np.array_equal(one.read(1), two.read(1))


def test_the_provenance_names_the_store_and_what_was_asked(embedded: StoreResult, tmp_path: Path) -> None:
    result = ask_store(embedded.store, PHRASES, out=tmp_path, min_clear=3, scores=False)
    about = json.loads(result.files["provenance"].read_text())
    assert about["store"] == str(embedded.store.path)
    assert about["dimensions"]["kept"] == 64
    assert about["prompts"]["maize"] == ["maize"]
    assert about["input"]["source"] == embedded.store.status["provenance"]["input"]["source"]
    data = embedded.store.read()
    assert about["masked_pixels"] == ((data.scale > 0) & (data.clear < 3)).sum() > 0
    assert "scores" not in result.files


def test_a_threshold_of_the_caller_is_used(embedded: StoreResult, tmp_path: Path) -> None:
    for threshold, unknown in ((1.0, True), (-1.0, False)):
        result = ask_store(embedded.store, PHRASES, out=tmp_path, unknown_below=threshold, scores=False)
        share = {area.name: area.share for area in result.areas}
        assert share["unknown"] == (1 if unknown else 0)


def test_what_cannot_be_asked_leaves_no_folder(embedded: StoreResult, tmp_path: Path) -> None:
    out = tmp_path / "out"
    begun = EmbeddingStore.create(tmp_path / "begun.zarr", embedded.store.info, embedded.store.projection)
    for store, how, words in (
        (begun, {}, "is not complete"),
        (embedded.store, {"min_clear": -1}, "min_clear is -1; expected 0 or more"),
        (embedded.store, {"unknown_below": 2}, "unknown_below is 2; a cosine is -1..1"),
    ):
        with pytest.raises(InputError, match=words):
            ask_store(store, PHRASES, out=out, **how)
    assert not out.exists()
    with pytest.raises(NoClearObservationError, match="has 13 clear observation"):
        ask_store(embedded.store, PHRASES, out=out, min_clear=13)
    assert not out.exists()


def test_a_phrase_alone_is_asked_of_a_store_as_of_its_pixels(
    embedded: StoreResult, area, model, tmp_path: Path
) -> None:
    asked = ask_store(embedded.store, ["maize"], out=tmp_path / "ask")
    drawn = map_cube(area, ["maize"], out=tmp_path / "map", model=model, workers=1)
    for result in (asked, drawn):
        assert [row.name for row in result.areas] == ["maize", "unknown"]
        assert result.provenance["against"]["background"] == "background"
    shares = [result.areas[0].pixels / sum(row.pixels for row in result.areas) for result in (asked, drawn)]
    assert shares[0] == pytest.approx(shares[1], abs=0.1)  # the store has 64 of 256 dimensions
    wide = ask_store(embedded.store, ["maize"], out=tmp_path / "ask", against=["glacier"], scores=False)
    assert wide.areas[0].pixels >= asked.areas[0].pixels
