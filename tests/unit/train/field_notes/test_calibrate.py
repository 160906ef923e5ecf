"""Calibration, figures and card of a checkpoint that was not measured on Earth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from timesenclip.evaluation.metrics import compute_metrics
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.model.checkpoint import Model, load
from timesenclip.model.embed import embed
from timesenclip.simulate.series import simulate_series
from timesenclip.train.field_notes import calibrate as module
from timesenclip.train.field_notes import phrase_places
from timesenclip.train.field_notes.calibrate import Measured, calibrate, calibrate_and_measure, measure, model_card
from timesenclip.train.field_notes.notes import everyday_group
from timesenclip.train.field_notes.places import cover_shares
from timesenclip.train.field_notes.questions import LAND_COVER

PLACES = 300


@pytest.fixture(scope="module")
def model() -> Model:
    return load("default")


@pytest.fixture(autouse=True)
def _few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SIMULATED", PLACES)
    monkeypatch.setattr(phrase_places, "_PLACES", PLACES)


def test_the_temperature_minimises_the_loss_and_the_threshold_spares_98_percent(model: Model) -> None:
    fitted = calibrate(model, seed=3).config.calibration
    taxonomy = load_taxonomy("lucas-land-cover")
    made = simulate_series(PLACES, rng=np.random.default_rng(10_003), shares=cover_shares())
    scores = embed(made.series, model=model) @ class_vectors(taxonomy, model.tower).T
    truth = [taxonomy.names.index(LAND_COVER[everyday_group(kind)]) for kind in made.cover]

    def loss(temperature: float) -> float:
        logits = torch.from_numpy(scores.astype(np.float64)) / temperature
        return float(log_loss(truth, torch.softmax(logits, dim=1).numpy(), labels=range(len(taxonomy))))

    assert loss(fitted.temperature) <= min(loss(fitted.temperature * 1.06), loss(fitted.temperature / 1.06))
    assert 0 < (scores.max(axis=1) < fitted.unknown_score).mean() <= 0.02
    assert fitted.fitted


def test_calibration_changes_nothing_else(model: Model) -> None:
    fitted = calibrate(model, seed=3)
    assert fitted.encoder is model.encoder
    assert fitted.config.model_copy(update={"calibration": model.config.calibration}) == model.config


def test_simulated_places_are_measured(model: Model) -> None:
    (task,) = measure(model, seed=5)
    assert task.title == "LUCAS land cover, simulated places"
    assert list(task.methods) == ["zero-shot"]
    assert task.methods["zero-shot"].count == PLACES
    assert task.methods["zero-shot"].balanced_accuracy > 2 / 8  # twice chance


def measured() -> Measured:
    truth = np.array([0, 0, 0, 1])
    confidence = np.array([0.5, 0.75, 1.0, 0.5])
    asked = compute_metrics(truth, np.array([0, 0, 1, -1]), names=["a", "b", "c"], confidence=confidence)
    return Measured("A task", {"zero-shot": asked})


def test_the_card_shows_the_figures_and_where_they_come_from(model: Model) -> None:
    card = model_card(model, [measured()])
    assert "### A task (4)" in card
    assert "| zero-shot | 0.500 | 0.333 | " in card
    assert " | 25.0% |" in card
    assert "| a | 3 | 1.00 | 0.67 |" in card
    assert "No place of: c." in card
    assert "Not measured on Earth" in card
    assert f"{model.config.calibration.temperature:.3f}" in card
    assert "fitted on simulated places" in card
    assert "$" not in card


def test_calibration_and_figures_draw_other_places(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    simulated = module._simulated

    def recorded(seed: int):
        drawn.append(seed)
        return simulated(seed)

    monkeypatch.setattr(module, "_simulated", recorded)
    calibrate_and_measure(model, tmp_path / "m", seed=10)
    assert drawn == [11, 12]
    calibration = load(tmp_path / "m").config.calibration
    assert calibration.fitted
    assert calibration.phrase_margin is not None
    assert f"({PLACES:,})" in (tmp_path / "m" / "README.md").read_text()
