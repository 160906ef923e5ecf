"""Presto as a teacher: its decoder, with random weights; its answers to real series where the real file is at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.train.field_notes.presto_file import write_presto
from timesenclip.errors import CheckpointError
from timesenclip.simulate.series import simulate_series
from timesenclip.testing import random_series
from timesenclip.train.field_notes.teacher import CLASSES, PLACES, balanced, load_teacher

PRESTO = Path(__file__).resolve().parents[5] / "shared" / "data" / "teachers" / "presto" / "default_model.pt"


def test_lessons_do_not_depend_on_the_batch_nor_on_missing_steps(tmp_path: Path) -> None:
    teacher, series = load_teacher(write_presto(tmp_path / "presto.pt")), random_series(7)
    whole = teacher.teach(series)
    assert whole.probabilities.shape == (7, len(CLASSES))
    assert whole.features.shape == (7, 128)
    assert np.allclose(whole.probabilities.sum(axis=1), 1, atol=1e-5)
    pieces = teacher.teach(series, batch_size=3)
    assert np.allclose(pieces.probabilities, whole.probabilities, atol=1e-5)
    hidden = np.where(series.valid[..., None], series.reflectance, np.float32(0.9))
    assert np.allclose(teacher.teach(replace(series, reflectance=hidden)).features, whole.features, atol=1e-5)


def test_the_answer_is_the_mean_over_the_places_that_it_is_told(tmp_path: Path) -> None:
    teacher, series = load_teacher(write_presto(tmp_path / "presto.pt")), random_series(3)
    each = [teacher.teach(series, places=(place,)).probabilities for place in PLACES]
    assert np.ptp(np.stack(each), axis=0).max() > 1e-3
    assert np.allclose(teacher.teach(series).probabilities, np.mean(each, axis=0), atol=1e-5)
    moved = replace(series, lat_deg=series.lat_deg + 30, lon_deg=series.lon_deg + 30)
    assert np.array_equal(teacher.teach(moved).probabilities, teacher.teach(series).probabilities)


def test_a_sensor_without_red_edge_can_be_taught(tmp_path: Path) -> None:
    teacher, series = load_teacher(write_presto(tmp_path / "presto.pt")), random_series(4)
    bands = np.repeat(series.valid[..., None], 10, axis=2)
    bands[..., 3:7] = False
    landsat = replace(series, band_valid=bands)
    found = teacher.teach(landsat)
    values = np.where(bands, series.reflectance, np.float32(0.5))
    assert np.allclose(teacher.teach(replace(landsat, reflectance=values)).features, found.features, atol=1e-6)
    assert not np.allclose(found.features, teacher.teach(series).features, atol=1e-3)


def test_files_that_hold_no_decoder_are_refused(tmp_path: Path) -> None:
    path = write_presto(tmp_path / "presto.pt")
    tensors = torch.load(path, weights_only=True)
    torch.save({k: v for k, v in tensors.items() if not k.startswith("decoder.")}, tmp_path / "encoder.pt")
    with pytest.raises(CheckpointError, match="no decoder"):
        load_teacher(tmp_path / "encoder.pt")
    torch.save(tensors | {"decoder.dw_decoder_pred.bias": torch.zeros(11)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"another decoder.*'decoder.dw_decoder_pred.bias'"):
        load_teacher(tmp_path / "other.pt")


def test_priors_are_taken_out() -> None:
    likely = np.array([[0.8, 0.15, 0.05], [0.6, 0.3, 0.1]], dtype=np.float32)
    prior = np.log(likely).mean(axis=0)
    assert np.allclose(balanced(likely, prior, strength=0.0), likely)
    found = balanced(likely, prior, strength=1.0)
    assert np.allclose(np.log(found).mean(axis=0) - np.log(found).mean(), 0, atol=1e-5)
    assert np.allclose(found.sum(axis=1), 1)


@pytest.mark.skipif(not PRESTO.is_file(), reason=f"no published weights in {PRESTO.parent}")
def test_the_published_teacher_knows_water_and_forest() -> None:
    teacher = load_teacher(PRESTO)
    rng = np.random.default_rng(0)
    for cover, told in (("clear lake and sea", "Water"), ("oak and beech forest", "Trees")):
        series = simulate_series(40, rng=rng, covers=[cover], cloud=0.3, mixed=0.0).series
        likely = teacher.teach(series).probabilities
        assert (likely.argmax(axis=1) == CLASSES.index(told)).mean() > 0.6, cover
