from __future__ import annotations

from pathlib import Path

import numpy as np

from timesenclip.grid import Window
from timesenclip.mapping.embed_area import StoreResult
from timesenclip.mapping.run.embed_block import EmbedJob, OverviewJob, block_data
from timesenclip.mapping.run.facts import BlockFacts
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model
from timesenclip.testing import random_cube

WINDOW = Window(0, 16, 16, 32)


def empty_store(embedded: StoreResult, path: Path) -> EmbeddingStore:
    return EmbeddingStore.create(path, embedded.store.info, embedded.store.projection)


def test_a_block_is_the_same_whoever_does_it(area, embedded: StoreResult, model: Model, tmp_path: Path) -> None:
    store = empty_store(embedded, tmp_path / "again.zarr")
    job = EmbedJob(area, model, None, "month", store)
    facts = job.run(WINDOW)
    assert facts.pixels == 256
    assert facts.seen == int((store.read(WINDOW).scale > 0).sum())
    assert set(facts.seconds) == {"load", "embed", "write"}
    assert facts.days == ("2021-01-01", "2021-04-30")
    assert facts.input["source"] == area.source_name
    for name in ("vectors", "scale", "clear", "colour"):
        assert np.array_equal(getattr(store.read(WINDOW), name), getattr(embedded.store.read(WINDOW), name))
    assert job.is_done(WINDOW, facts)
    assert not job.is_done(Window(16, 32, 0, 16), facts)
    assert job.is_done(Window(16, 32, 0, 16), BlockFacts(seen=0))


def test_a_block_without_observations_replaces_what_was_there(area, embedded, model: Model, tmp_path: Path) -> None:
    store = empty_store(embedded, tmp_path / "again.zarr")
    store.write(WINDOW, embedded.store.read(WINDOW))
    cube = random_cube((16, 16))
    cube.valid[:] = False

    class Dark:
        def read(self, *_: object, **__: object):
            return cube

    facts = EmbedJob(Dark(), model, None, "month", store).run(WINDOW)  # type: ignore[arg-type]
    assert facts.seen == 0
    assert (store.read(WINDOW).scale == 0).all()


def test_an_overview_block_counts_what_it_holds(embedded: StoreResult) -> None:
    job = OverviewJob(embedded.store, 1)
    assert not job.is_done(Window(0, 16, 0, 16), BlockFacts(seen=4))  # 32 x 48 pixels need no overview


def test_block_data_have_the_shape_of_the_cube() -> None:
    cube = random_cube((4, 6))
    vectors = np.random.default_rng(0).normal(size=(24, 8)).astype(np.float32)
    vectors[5] = np.nan
    data = block_data(cube, vectors)
    assert data.vectors.shape == (4, 6, 8)
    assert data.scale[0, 5] == 0
    assert (data.scale > 0).sum() == 23
