from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip.errors import InputError
from timesenclip.manifest import read_manifest
from timesenclip.mapping.embed_area import StoreResult, embed_area
from timesenclip.mapping.run.blocks import block_key
from timesenclip.mapping.store.sidecars import item_path, manifest_path
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed


def test_every_pixel_is_its_embedding(embedded: StoreResult, area, model: Model) -> None:
    store = embedded.store
    vectors = embed(area.read().pixel_series(), model=model, missing="nan")
    seen = np.isfinite(vectors).all(axis=1)
    data = store.read()
    assert np.array_equal(data.scale.ravel() > 0, seen)
    kept = store.project(vectors[seen])
    assert np.abs(data.unpacked().reshape(-1, 64)[seen] - kept).max() < np.abs(kept).max() / 127
    assert (embedded.blocks, embedded.reused, embedded.pixels, embedded.seen) == (6, 0, 32 * 48, seen.sum())
    assert store.status["complete"]


def test_the_manifest_names_every_block_once(embedded: StoreResult) -> None:
    entries = [entry for entry in read_manifest(embedded.manifest) if entry.kind == "done"]
    assert {entry.key for entry in entries} == {block_key(0, window) for window in embedded.store.blocks()}
    assert sum(entry.facts["pixels"] for entry in entries) == 32 * 48
    assert sum(bool(entry.facts.get("input")) for entry in entries) == 1  # the same input is kept once
    assert embedded.manifest == manifest_path(embedded.store.path)
    assert embedded.item == item_path(embedded.store.path)


def test_a_second_run_does_what_is_missing(embedded: StoreResult, area, model: Model, tmp_path: Path) -> None:
    first = embed_area(area, tmp_path / "a.zarr", model=model, dims=64, block=16, workers=1)
    scale = first.store.path / "scale" / "c" / "1" / "2"
    before = scale.read_bytes()
    scale.unlink()
    again = embed_area(area, tmp_path / "a.zarr", model=model, dims=64, block=16, workers=2)
    assert again.reused == 5
    assert scale.read_bytes() == before
    assert np.array_equal(again.store.read().vectors, embedded.store.read().vectors)


def test_another_job_is_refused(embedded: StoreResult, area, model: Model, tmp_path: Path) -> None:
    path = embedded.store.path
    with pytest.raises(InputError, match=r"was made with dims 64, this is 32; give another output"):
        embed_area(area, path, model=model, dims=32, block=16)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="exists and is no embedding store"):
        embed_area(area, tmp_path / "folder", model=model, block=16)
    with pytest.raises(InputError, match="300 dimensions were asked for"):
        embed_area(area, tmp_path / "x.zarr", model=model, dims=300, block=16)
    with pytest.raises(InputError, match="0 workers"):
        embed_area(area, tmp_path / "x.zarr", model=model, workers=0, block=16)
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_an_empty_folder_becomes_the_store(area, model: Model, tmp_path: Path) -> None:
    (tmp_path / "made.zarr").mkdir()
    embed_area(area, tmp_path / "made.zarr", model=model, dims=64, block=16).store.require_complete()
