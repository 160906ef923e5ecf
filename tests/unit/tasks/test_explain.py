from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.model.checkpoint import load
from timesenclip.tasks.classify import classify
from timesenclip.tasks.explain import step_contribution
from timesenclip.testing import random_series


def test_contribution_is_what_the_margin_loses_without_a_step() -> None:
    model, series = load(), random_series(3)
    weights = class_vectors(taxonomy_from_phrases(["forest", "water", "maize"]), model.tower)
    found = step_contribution(series, weights, model=model)
    assert found.shape == series.valid.shape
    assert np.array_equal(np.isfinite(found), series.valid)
    before = classify(series, ["forest", "water", "maize"], model=model).scores
    valid = series.valid.copy()
    valid[:, 0] = False
    after = classify(replace(series, valid=valid), ["forest", "water", "maize"], model=model).scores
    for i in range(3):
        k = before[i].argmax()
        margin = [row[i, k] - np.delete(row[i], k).mean() for row in (before, after)]
        assert found[i, 0] == pytest.approx(margin[0] - margin[1], abs=1e-4)


def test_a_step_that_alone_has_all_bands_has_no_contribution() -> None:
    model, series = load(), random_series(2, missing=0)
    if model.encoder.config.band_mask:
        pytest.skip("the shipped checkpoint reads any bands")
    bands = np.ones(series.reflectance.shape, dtype=np.bool_)
    bands[0, 1:, 4] = False
    weights = class_vectors(taxonomy_from_phrases(["forest", "water"]), model.tower)
    found = step_contribution(replace(series, band_valid=bands), weights, model=model)
    assert np.isnan(found[0, 0])
    assert np.isfinite(found[1]).all()
