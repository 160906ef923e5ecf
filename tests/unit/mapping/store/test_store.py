from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.grid import Window
from timesenclip.mapping.embed_area import StoreResult
from timesenclip.mapping.store.store import EmbeddingStore


@pytest.fixture
def empty(embedded: StoreResult, tmp_path: Path) -> EmbeddingStore:
    return EmbeddingStore.create(tmp_path / "empty.zarr", embedded.store.info, embedded.store.projection)


def test_what_was_written_is_read_again(embedded: StoreResult, empty: EmbeddingStore) -> None:
    window = Window(16, 32, 0, 16)
    assert not empty.has(window)
    empty.write(window, embedded.store.read(window))
    assert empty.has(window)
    again = EmbeddingStore.open(empty.path)
    assert again.info == embedded.store.info
    for name in ("vectors", "scale", "clear", "colour"):
        assert np.array_equal(getattr(again.read(window), name), getattr(embedded.store.read(window), name))
    assert (again.read(Window(0, 16, 0, 16)).scale == 0).all()  # what was never written is not seen
    assert again.read().vectors.shape == (32, 48, 64)


def test_a_store_is_complete_once_it_is_finished(empty: EmbeddingStore) -> None:
    with pytest.raises(InputError, match="is not complete; run the same `embed-area` command"):
        empty.require_complete()
    empty.finish({"input": {"dates": np.int64(3)}})
    EmbeddingStore.open(empty.path).require_complete()
    assert empty.status == {"complete": True, "provenance": {"input": {"dates": 3}}}


def test_levels_have_their_own_grid(embedded: StoreResult) -> None:
    info = embedded.store.info.model_copy(update={"shape": (600, 500)})
    store = EmbeddingStore(embedded.store.path, info).at_level(1)
    assert store.shape == (300, 250)
    assert tuple(store.transform[:6]) == (20.0, 0.0, info.transform[2], 0.0, -20.0, info.transform[5])
    assert len(list(store.blocks())) == 19 * 16
    assert store.crs == "EPSG:32631"


def test_scores_need_nothing_but_vectors_and_scale(embedded: StoreResult, empty: EmbeddingStore) -> None:
    window = Window(0, 16, 16, 32)
    empty.write(window, embedded.store.read(window))
    for name in ("clear", "colour"):
        shutil.rmtree(empty.path / name / "c")
    vectors = np.eye(3, 64, dtype=np.float32)
    expected = embedded.store.read(window).unpacked()[..., :3].reshape(-1, 3)
    assert np.allclose(empty.scores(window, vectors), expected, atol=1e-6, equal_nan=True)


def test_vectors_are_projected_as_the_pixels_were(embedded: StoreResult) -> None:
    store = embedded.store
    vectors = np.random.default_rng(0).normal(size=(2, 256)).astype(np.float32)
    assert store.projection is not None
    assert np.allclose(store.project(vectors), vectors @ store.projection.basis, atol=1e-5)
    with pytest.raises(InputError, match=r"12 dimensions, the store .* was made in 256"):
        store.project(vectors[:, :12])


def test_the_period_is_what_sources_take(embedded: StoreResult) -> None:
    assert embedded.store.period is None
    year = embedded.store.info.model_copy(update={"period": "2021-01-01..2021-12-31"})
    assert EmbeddingStore(embedded.store.path, year).period == "2021-01-01..2021-12-31"


def test_folders_that_are_no_store_are_refused(empty: EmbeddingStore, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="No embedding store at"):
        EmbeddingStore.open(tmp_path / "none.zarr")
    zarr.open_group(tmp_path / "other.zarr", mode="w", zarr_format=3)
    with pytest.raises(InputError, match="is a Zarr group, but no embedding store"):
        EmbeddingStore.open(tmp_path / "other.zarr")
    file = empty.path / "zarr.json"
    content = json.loads(file.read_text())
    content["attributes"]["timesenclip"]["dims"] = "many"
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="'dims': Input should be a valid integer"):
        EmbeddingStore.open(empty.path)
    content["attributes"]["timesenclip"]["format_version"] = 9
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="format_version 9; this version of timesenclip reads 1"):
        EmbeddingStore.open(empty.path)
