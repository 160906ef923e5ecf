from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from timesenclip.errors import InputError
from timesenclip.grid import Window
from timesenclip.mapping.query import Query, make_query
from timesenclip.mapping.run.facts import BlockFacts
from timesenclip.mapping.run.map_block import MapJob
from timesenclip.model.checkpoint import Model

WINDOW = Window(0, 16, 0, 16)


@pytest.fixture
def job(area, model: Model, query: Query, tmp_path: Path) -> MapJob:
    folder = tmp_path / "parts"  # of random pixels, hardly any step is like the others
    return MapJob(area, model, query, None, "month", min_clear=4, scores=True, folder=folder, outliers="keep")


def test_a_block_is_classified_and_kept(job: MapJob, area) -> None:
    job.folder.mkdir()
    facts = job.run(WINDOW)
    clear = area.read(WINDOW).observations.sum(axis=0)
    assert facts.pixels == 256
    assert facts.seen == (clear > 0).sum()
    block = dict(job.load_all({WINDOW: facts}))[WINDOW]
    assert block is not None
    assert block.masked == ((clear > 0) & (clear < 4)).sum() > 0
    assert np.array_equal(block.classes != 255, clear >= 4)
    assert block.scores is not None
    assert block.scores.shape == (3, 16, 16)
    assert block.typical
    assert job.is_done(WINDOW, facts)
    assert not job.is_done(Window(16, 32, 0, 16), facts)
    assert job.is_done(Window(16, 32, 0, 16), BlockFacts(seen=0))


def test_a_block_without_observations_keeps_no_file(job: MapJob) -> None:
    job.folder.mkdir()
    facts = job.run(Window(0, 8, 0, 6))
    assert facts.seen == 0
    assert not list(job.folder.iterdir())
    assert dict(job.load_all({Window(0, 8, 0, 6): facts})) == {Window(0, 8, 0, 6): None}


def test_only_missing_blocks_are_done_by_a_second_run(job: MapJob) -> None:
    first = job.run_all(16, workers=1, dask=None, progress=None)
    assert len(first) == 6
    job.path(WINDOW).unlink()
    told: list[int] = []
    assert job.run_all(16, workers=1, dask=None, progress=lambda done, _: told.append(done)).keys() == first.keys()
    assert told == [32 * 48]
    assert job.path(WINDOW).is_file()


def test_another_question_is_another_map(job: MapJob, model: Model) -> None:
    job.run_all(16, workers=1, dask=None, progress=None)
    other = replace(job, query=make_query(model, ["maize", "grassland", "rivers"]))
    with pytest.raises(InputError, match=r"records a job with question 'maize, grassland, water \(\w+\)'"):
        other.run_all(16, workers=1, dask=None, progress=None)
