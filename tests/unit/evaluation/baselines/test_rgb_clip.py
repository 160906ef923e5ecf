from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from timesenclip.errors import InputError, TowerError
from timesenclip.evaluation.baselines.rgb_clip import labelled_patches, patches, rgb_baseline, true_colour
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.ground.load import load_tower
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.testing import random_cube, random_series

TINY = Path(__file__).parents[2] / "ground" / "tiny_models.py"


def test_patches_lie_around_their_pixel_and_stay_inside() -> None:
    cube = random_cube((10, 14))
    series = patches(cube, np.array([0, 5]), np.array([13, 6]), size_px=4)
    assert series.reflectance.shape == (2, 6, 10, 4, 4)
    assert np.array_equal(series.reflectance[0], cube.reflectance[:, :, 0:4, 10:14])
    assert np.array_equal(series.reflectance[1], cube.reflectance[:, :, 3:7, 4:8])
    assert np.array_equal(series.valid[1], cube.valid[:, 3:7, 4:8].all(axis=(1, 2)))
    with pytest.raises(InputError, match="Patches of 11 pixels"):
        patches(cube, np.array([0]), np.array([0]), size_px=11)
    with pytest.raises(InputError, match="outside"):
        patches(cube, np.array([10]), np.array([0]), size_px=4)


def test_true_colour_is_the_median_of_clear_steps_stretched_to_bytes() -> None:
    series = random_series(3, missing=0.5)
    pictures = true_colour(series)
    assert [picture.size for picture in pictures] == [(1, 1)] * 3
    for i, picture in enumerate(pictures):
        bands = series.reflectance[i, series.valid[i]][:, [2, 1, 0]]
        expected = np.round(np.clip(np.median(bands, axis=0) / 0.3, 0, 1) * 255)
        assert np.array_equal(np.asarray(picture)[0, 0], expected)


def test_labelled_patches_carry_the_label_of_their_middle() -> None:
    cube = random_cube((12, 16), cloudy=0)
    labels = np.where(np.arange(16) < 8, 1, 2)[None].repeat(12, axis=0)
    names = taxonomy_from_phrases(["maize field", "lake"])
    found = labelled_patches(
        cube, labels, taxonomy=names, mapping={"1": "maize field", "2": "lake"}, size_px=4, most=50
    )
    assert len(found) == 50
    column = np.array([int(name) % 16 for name in found.series.sample_id])
    assert np.array_equal(found.truth, (column >= 8).astype(int))
    assert found.series.reflectance.shape == (50, 6, 10, 4, 4)
    with pytest.raises(InputError, match="seen clearly as a whole"):
        labelled_patches(
            random_cube((12, 16), cloudy=0.6), labels, taxonomy=names, mapping={"1": "lake"}, size_px=12, most=9
        )


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_frozen_model_answers_for_patches(kind: str, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("tiny_models", TINY)
    assert spec is not None
    assert spec.loader is not None
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    tower = load_tower(getattr(tiny, f"save_tiny_{kind}")(tmp_path / kind))
    rng = np.random.default_rng(0)
    series = patches(random_cube((16, 16), cloudy=0), rng.integers(0, 16, 12), rng.integers(0, 16, 12), size_px=6)
    block = np.arange(12)
    names = taxonomy_from_phrases(["maize field", "lake"])
    data = LabelledSet("x", series, np.arange(12) % 2, names, block, block % 4, "blocks", {})
    found = rgb_baseline(data, tower, templates="name", draws=20)
    assert found.size_px == 6
    assert found.embeddings.shape == (12, tower.dim)
    expected = (found.embeddings @ tower.encode_text(["maize field", "lake"]).T).argmax(axis=1)
    assert found.raw.accuracy == pytest.approx((expected == data.truth).mean())
    assert 0 <= found.corrected.accuracy <= 1
    with pytest.raises(TowerError):
        rgb_baseline(data, load_tower("compact"))


def test_true_colour_takes_the_steps_that_have_its_three_bands() -> None:
    series = random_series(2, missing=0)
    bands = np.ones(series.reflectance.shape, dtype=np.bool_)
    bands[0, 1:, 0] = bands[1, :, 3] = False
    found = true_colour(replace(series, band_valid=bands))
    only = true_colour(replace(series, valid=np.arange(12) < np.array([[1], [12]])))
    assert [np.asarray(image).tolist() for image in found] == [np.asarray(image).tolist() for image in only]
    bands[0, :, 0] = False
    with pytest.raises(InputError, match="1 of 2 series were never seen clearly in red, green and blue"):
        true_colour(replace(series, band_valid=bands))


def test_a_patch_has_the_bands_that_all_its_pixels_have() -> None:
    cube = random_cube((6, 6))
    bands = np.ones(cube.reflectance.shape, dtype=np.bool_)
    bands[0, 4, 2, 2] = False
    found = patches(replace(cube, band_valid=bands), np.array([2, 5]), np.array([2, 5]), size_px=3)
    assert found.band_valid is not None
    assert np.argwhere(~found.band_valid).tolist() == [[0, 0, 4]]
