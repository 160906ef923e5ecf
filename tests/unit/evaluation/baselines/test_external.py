"""Features and scores of external models, with a tower whose vectors are mean colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from timesenclip.errors import InputError
from timesenclip.evaluation.baselines.external import (
    PRESTO,
    TRUE_COLOUR,
    TRUE_COLOUR_CORRECTED,
    TRUE_COLOUR_PROBE,
    ExternalModels,
    predict_external,
)
from timesenclip.evaluation.baselines.presto import PrestoEncoder
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.series import Cube, PixelSeries
from timesenclip.tasks.classify import prior_corrected
from timesenclip.testing import random_cube, random_series

WORDS = {"red roof": [1.0, 0.0, 0.0], "green field": [0.0, 1.0, 0.0]}


class _Colours:
    """A picture is its mean colour, and a text the colour that it names."""

    name, dim = "colours", 3

    def encode_text(self, texts: list[str]) -> np.ndarray:
        return np.array([WORDS[text] for text in texts], np.float32)

    def encode_images(self, images: list[object]) -> np.ndarray:
        means = np.array([np.asarray(image).mean(axis=(0, 1)) for image in images], np.float32) + 1
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def _set(series: PixelSeries) -> LabelledSet:
    n = len(series)
    return LabelledSet(
        "mine", series, np.arange(n) % 2, taxonomy_from_phrases(list(WORDS)), np.arange(n), np.arange(n) % 4, "x", {}
    )


def _colour(values: np.ndarray) -> np.ndarray:
    """Unit mean colour of a patch (T, C, Y, X), computed here: the median of the steps, 0 to 0.3 as 0 to 255."""
    median = np.median(values[:, [2, 1, 0]], axis=0)
    mean = np.round(np.clip(median / 0.3, 0, 1) * 255).mean(axis=(1, 2)) + 1
    return mean / np.linalg.norm(mean)


def _around(cube: Cube, number: int, size: int) -> np.ndarray:
    """The patch (T, C, size, size) around a pixel, moved inwards at the edge."""
    y, x = divmod(number, cube.shape[1])
    top, left = (min(max(at - size // 2, 0), side - size) for at, side in zip((y, x), cube.shape, strict=True))
    return cube.reflectance[:, :, top : top + size, left : left + size]


def test_patches_around_the_pixels_of_a_cube_are_scored_by_colour() -> None:
    cube = random_cube((8, 12), cloudy=0)
    data = _set(cube.pixel_series().take(np.array([0, 40, 95])))
    found = predict_external(data, ExternalModels(tower=_Colours(), cube=cube, size_px=4), templates="name")
    expected = np.array([_colour(_around(cube, number, 4)) for number in (0, 40, 95)])
    assert found.features[TRUE_COLOUR_PROBE] == pytest.approx(expected, abs=1e-5)
    assert found.scores[TRUE_COLOUR] == pytest.approx(expected[:, :2], abs=1e-5)
    assert np.array_equal(found.scores[TRUE_COLOUR_CORRECTED], prior_corrected(found.scores[TRUE_COLOUR]))
    assert len(found.notes) == 1
    assert found.notes[0].startswith("True-colour patches: 4 x 4 pixels")
    assert "colours; frozen." in found.notes[0]


def test_a_patch_that_was_never_clear_as_a_whole_takes_the_clear_steps_of_its_middle() -> None:
    cube = random_cube((8, 12), cloudy=0)
    clouded = cube.valid.copy()
    clouded[:, 0, 0] = False
    clouded[1:, 2, 2] = False  # the middle pixel is clear in the first step only
    cloudy = replace(cube, valid=clouded)
    data = _set(cloudy.pixel_series().take(np.array([2 * 12 + 2, 95])))
    found = predict_external(data, ExternalModels(tower=_Colours(), cube=cloudy, size_px=4), templates="name")
    assert found.features[TRUE_COLOUR_PROBE][0] == pytest.approx(_colour(_around(cube, 26, 4)[:1]), abs=1e-5)
    assert found.notes[0].endswith("1 of 2 were never clear as a whole: of these the steps count whose middle was.")


def test_samples_that_are_patches_need_no_cube() -> None:
    series = random_series(3, missing=0.0)
    patch = series.reflectance[..., None, None] * np.array([[0.5, 1.5], [1.0, 1.0]], np.float32)
    data = _set(replace(series, reflectance=patch.astype(np.float32)))
    found = predict_external(data, ExternalModels(tower=_Colours()), templates="name")
    assert found.features[TRUE_COLOUR_PROBE] == pytest.approx(np.array([_colour(one) for one in patch]), abs=1e-5)
    assert "2 x 2 pixels" in found.notes[0]


def test_single_pixels_without_a_cube_are_refused() -> None:
    with pytest.raises(InputError, match="'mine' holds single pixels"):
        predict_external(_set(random_series(2)), ExternalModels(tower=_Colours()))


def test_presto_gives_features_and_no_scores(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = PrestoEncoder(32, depth=1, hidden=8)
    state = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
    torch.save(state | {"decoder.bias": torch.zeros(2)}, tmp_path / "tiny.pt")
    found = predict_external(_set(random_series(4)), ExternalModels(presto=tmp_path / "tiny.pt"))
    assert found.features[PRESTO].shape == (4, 32)
    assert found.features[PRESTO].std(axis=0).min() > 0
    assert found.scores == {}
    assert "tiny.pt, decoder (1 tensors) left out" in found.notes[0]


def test_without_external_models_nothing_is_predicted() -> None:
    found = predict_external(_set(random_series(2)), ExternalModels())
    assert (found.features, found.scores, found.notes) == ({}, {}, ())
