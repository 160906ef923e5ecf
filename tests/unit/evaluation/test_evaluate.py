"""The suite gives the figures of `evaluate points`, `evaluate map` and `evaluate rgb` on the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from timesenclip.evaluation.baselines.external import TRUE_COLOUR, TRUE_COLOUR_CORRECTED, ExternalModels
from timesenclip.evaluation.baselines.rgb_clip import labelled_patches, rgb_baseline
from timesenclip.evaluation.evaluate import PRIOR_CORRECTED, ZERO_SHOT, evaluate_cube, evaluate_points
from timesenclip.evaluation.labels.labelled import LabelledSet, labelled_cube, labelled_points
from timesenclip.evaluation.metrics import Metrics
from timesenclip.evaluation.suite.run import run_suite
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.ground.tower import GroundTower
from timesenclip.model.checkpoint import load
from timesenclip.testing import random_cube, random_series, write_wide_table

MODEL = load()
NAMES = taxonomy_from_phrases(["maize field", "deep lake"])
CODES = {"1": "maize field", "2": "deep lake"}


class _Colours:
    """An image-text model whose vectors are mean colours."""

    name, dim = "colours", 3

    def encode_text(self, texts: list[str]) -> np.ndarray:
        vectors = np.array([[len(text), text.count("e"), text.count("i")] for text in texts], np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def encode_images(self, images: list[object]) -> np.ndarray:
        means = np.array([np.asarray(image).mean(axis=(0, 1)) for image in images], np.float32) + 1
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def _suite(data: LabelledSet, out: Path, tower: GroundTower | None = None) -> dict[str, Metrics]:
    return run_suite(MODEL, data, out=out, external=ExternalModels(tower=tower)).findings.comparison.methods


def _same(first: object, second: object) -> bool:
    """Equal to the last bit; unlike with ==, NaN equals NaN."""
    return repr(first) == repr(second)


@pytest.mark.slow
def test_points(tmp_path: Path) -> None:
    table = tmp_path / "points.parquet"
    write_wide_table(random_series(24), table)
    frame = pd.read_parquet(table)
    place = {"lat": 50 + 0.3 * (np.arange(24) % 8), "lon": 3.0}
    frame.assign(kind=[str(i % 3) for i in range(24)], **place).to_parquet(table)
    found = evaluate_points(table, label_column="kind", taxonomy=NAMES, mapping=CODES, model=MODEL, seed=3)
    data = labelled_points(table, label_column="kind", taxonomy=NAMES, mapping=CODES)
    suite = run_suite(MODEL, data, out=tmp_path / "report", seed=3).findings
    assert _same(suite.comparison.methods, found.methods)
    assert suite.comparison.notes == found.notes
    assert suite.data.skipped == found.skipped == {"0": 8}


@pytest.mark.slow
def test_pixels_of_a_cube(tmp_path: Path) -> None:
    cube = random_cube((6, 8))
    labels = 1 + np.arange(48).reshape(6, 8) % 2
    found = evaluate_cube(cube, labels, taxonomy=NAMES, mapping=CODES, model=MODEL)
    data = labelled_cube(cube, labels, taxonomy=NAMES, mapping=CODES, title="cube")
    assert _same(_suite(data, tmp_path / "report"), found.methods)


def test_true_colour_patches(tmp_path: Path) -> None:
    cube = random_cube((12, 16), cloudy=0)
    labels = np.where(np.arange(16) < 8, 1, 2)[None].repeat(12, axis=0)
    data = labelled_patches(cube, labels, taxonomy=NAMES, mapping=CODES, size_px=4, most=30)
    tower = _Colours()
    found = rgb_baseline(data, tower)
    suite = _suite(data, tmp_path / "report", tower)
    assert _same(suite[TRUE_COLOUR], found.raw)
    assert _same(suite[TRUE_COLOUR_CORRECTED], found.corrected)
    assert {ZERO_SHOT, PRIOR_CORRECTED} <= set(suite)  # the checkpoint's own answers stand beside them
