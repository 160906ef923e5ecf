"""Temporal ablations: fewer steps, longer composites, and the contribution of each month."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.temporal import (
    coarsen,
    keep_random_steps,
    month_contribution,
    robustness,
    zero_shot_metrics,
)
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.model.checkpoint import load
from timesenclip.model.embed import embed
from timesenclip.testing import random_series

MODEL = load()


def test_fewer_steps_keep_the_number_asked_for_and_no_missing_ones() -> None:
    series = random_series(50, missing=0.5)
    less = keep_random_steps(series, 3, rng=np.random.default_rng(0))
    had = series.valid.sum(axis=1)
    assert np.array_equal(less.valid.sum(axis=1), np.minimum(had, 3))
    assert not (less.valid & ~series.valid).any()
    assert len({tuple(np.flatnonzero(row)) for row in less.valid}) > 10  # every series has its own draw


def test_coarser_is_the_median_of_the_steps_of_a_quarter() -> None:
    series = random_series(6, missing=0.4)
    quarters = coarsen(series, "quarter")
    assert quarters.steps == 4
    for i in range(6):
        for q in range(4):
            use = np.flatnonzero(series.valid[i, 3 * q : 3 * q + 3]) + 3 * q
            assert quarters.valid[i, q] == bool(len(use))
            if len(use):
                assert quarters.reflectance[i, q] == pytest.approx(np.median(series.reflectance[i, use], axis=0))
    assert quarters.start[0].astype(str).tolist() == ["2021-01-01", "2021-04-01", "2021-07-01", "2021-10-01"]
    year = coarsen(series, "year")
    assert (year.steps, str(year.end[0, 0])) == (1, "2022-01-01")
    assert coarsen(series, "month") is series


def test_the_median_of_a_quarter_is_that_of_the_steps_that_have_the_band() -> None:
    series = random_series(6, missing=0)
    bands = np.ones(series.reflectance.shape, dtype=np.bool_)
    bands[2, :2, 4] = bands[3, :, 5] = False
    reflectance = np.where(bands, series.reflectance, 0).astype(np.float32)
    found = coarsen(replace(series, band_valid=bands, reflectance=reflectance), "quarter")
    assert found.reflectance[2, 0, 4] == reflectance[2, 2, 4]
    assert np.argwhere(~found.bands_seen()).tolist() == [[3, q, 5] for q in range(4)]
    assert np.array_equal(found.reflectance[[0, 1, 4, 5]], coarsen(series, "quarter").reflectance[[0, 1, 4, 5]])


def test_robustness_and_contribution_by_month() -> None:
    taxonomy = load_taxonomy("lucas-land-cover")
    weights = class_vectors(taxonomy, MODEL.tower)
    series = random_series(24, missing=0.0)
    truth = (embed(series, model=MODEL) @ weights.T).argmax(axis=1)
    block = np.arange(24) % 8
    data = LabelledSet("x", series, truth, taxonomy, block, block % 4, "blocks", {})
    curve = robustness(data, weights, model=MODEL, kept=(12, 1), draws=2)
    assert curve[0].accuracy == 1.0  # the truth is what the whole series says
    assert curve[1].accuracy < 1.0
    assert curve[1].mean_steps == 1.0
    again = robustness(data, weights, model=MODEL, kept=(12, 1), draws=2)
    assert again == curve
    table = month_contribution(data, weights, model=MODEL)
    assert table.shape == (8, 12)
    present = np.unique(truth)
    assert np.isfinite(table[present]).all()
    assert np.isnan(np.delete(table, present, axis=0)).all()


def test_a_series_without_a_step_counts_as_wrong_and_draws_give_intervals() -> None:
    taxonomy = load_taxonomy("lucas-land-cover")
    weights = class_vectors(taxonomy, MODEL.tower)
    series = random_series(8, missing=0.0)
    truth = (embed(series, model=MODEL) @ weights.T).argmax(axis=1)
    data = LabelledSet("x", series, truth, taxonomy, np.arange(8) % 4, np.arange(8) % 4, "blocks", {})
    valid = series.valid.copy()
    valid[[1, 5]] = False
    found = zero_shot_metrics(data, replace(series, valid=valid), weights, model=MODEL, draws=20)
    assert (found.accuracy, found.unknown_share) == (0.75, 0.25)
    low, high = found.intervals["accuracy"]
    assert low < 0.75 < high == 1.0  # the two lie in one block of four, which some draws leave out
    assert zero_shot_metrics(data, series, weights, model=MODEL).intervals == {}
