from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from timesenclip.mapping.output.class_map import ClassBlock
from timesenclip.mapping.query import Query
from timesenclip.testing import random_cube

SHAPE = (20, 30)


def block_of(scores: np.ndarray, query: Query, **how) -> ClassBlock:
    clear = np.full(SHAPE, 5, dtype=np.uint16)
    return ClassBlock.from_scores(scores, query, clear=clear, colour=np.zeros((*SHAPE, 3), dtype=np.uint8), **how)


def test_values_are_those_of_a_class_map(scores: np.ndarray, query: Query) -> None:
    query = replace(query, calibration=query.calibration.model_copy(update={"unknown_score": 0.3}))
    block, answers = block_of(scores, query), query.classify(scores)
    assert (block.classes[0] == 255).all()
    assert (block.confidence[0] == 255).all()
    assert np.array_equal(block.classes[1:].ravel(), answers.label_index[30:] + 1)
    assert set(np.unique(block.classes)) == {0, 1, 2, 3, 255}
    answered = ~answers.unknown
    assert np.array_equal(block.confidence.ravel() == 255, ~answered)
    assert np.abs(block.confidence.ravel()[answered] - answers.confidence[answered] * 100).max() <= 0.5
    assert block.seen == 570
    assert block.scores is not None
    assert np.array_equal(block.scores[:, 1:].reshape(3, -1).T, scores[30:])
    assert (block.scores[:, 0] == -9999).all()
    for value, total in zip((1, 2, 3, 0), block.certainty, strict=True):
        assert total == pytest.approx(np.nansum(answers.confidence[(block.classes == value).ravel()]), rel=1e-6)


def test_a_block_comes_back_from_its_file(scores: np.ndarray, query: Query, tmp_path: Path) -> None:
    cube = random_cube(SHAPE)
    for more in ({"masked": 7, "cube": cube}, {"keep_scores": False}):
        block = block_of(scores, query, **more)
        block.save(tmp_path / "0-0.npz")
        again = ClassBlock.load(tmp_path / "0-0.npz")
        for name in {field.name for field in fields(ClassBlock)} - {"typical"}:
            mine, theirs = getattr(block, name), getattr(again, name)
            assert (mine is None) == (theirs is None)
            assert mine is None or (np.array_equal(mine, theirs) and np.asarray(mine).dtype == np.asarray(theirs).dtype)
        assert block.typical.keys() == again.typical.keys()
        for k, pixel in block.typical.items():
            assert again.typical[k].count == pixel.count
            assert np.array_equal(again.typical[k].series.reflectance, pixel.series.reflectance)
            assert np.array_equal(again.typical[k].series.start, pixel.series.start)
    assert [path.name for path in tmp_path.iterdir()] == ["0-0.npz"]


def test_a_typical_pixel_is_near_the_upper_quartile_of_its_class(scores: np.ndarray, query: Query) -> None:
    cube = random_cube(SHAPE)
    block, answers = block_of(scores, query, cube=cube), query.classify(scores)
    for k, pixel in block.typical.items():
        mine = np.flatnonzero(answers.label_index == k)
        assert pixel.count == len(mine)
        found = int(pixel.series.sample_id[0])
        assert found in mine
        assert np.array_equal(pixel.series.reflectance, cube.pixel_series().take(np.array([found])).reflectance)
        higher = (answers.confidence[mine] > answers.confidence[found]).mean()
        assert higher == pytest.approx(0.25, abs=0.02)


def test_rasters_have_a_band_axis(scores: np.ndarray, query: Query) -> None:
    shapes = {name: raster.shape for name, raster in block_of(scores, query).rasters().items()}
    assert shapes == {
        "classes": (1, *SHAPE),
        "confidence": (1, *SHAPE),
        "clear": (1, *SHAPE),
        "scores": (3, *SHAPE),
    }
    assert "scores" not in block_of(scores, query, keep_scores=False).rasters()


def test_pixels_seen_too_rarely_get_no_class(query: Query) -> None:
    cube = random_cube(SHAPE, dates=3, cloudy=0.5)
    clear = cube.valid.sum(axis=0)
    vectors = np.repeat(query.vectors[:1], clear.size, axis=0)
    vectors[clear.ravel() == 0] = np.nan
    block = ClassBlock.from_vectors(vectors, query, cube, min_clear=2, keep_scores=True)
    assert np.array_equal(block.classes == 255, clear < 2)
    assert block.masked == (clear == 1).sum() > 0
    assert block.scores is not None
    assert np.array_equal((block.scores == -9999).all(axis=0), clear < 2)
    assert np.array_equal(block.clear, clear)
