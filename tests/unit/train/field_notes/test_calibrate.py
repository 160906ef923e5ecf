"""Calibration, figures and card of a checkpoint trained on field notes."""

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
from timesenclip.series import concatenate
from timesenclip.simulate.series import simulate_series
from timesenclip.train.field_notes import calibrate as module
from timesenclip.train.field_notes.calibrate import (
    CROPS,
    LAND_COVER,
    Measured,
    calibrate,
    calibrate_and_measure,
    measure,
    model_card,
)
from timesenclip.train.field_notes.notes import everyday_group, kinds_of_place
from timesenclip.train.field_notes.places import cover_shares
from timesenclip.train.field_notes.worldcereal import RealPoints

PLACES = 300


@pytest.fixture(scope="module")
def model() -> Model:
    return load("default")


@pytest.fixture(autouse=True)
def _few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SIMULATED", PLACES)


def real_points(*kinds: str) -> RealPoints:
    """Twelve points of each kind: a third to train, a third to calibrate, a third to test."""
    each = 12
    made = [simulate_series(each, rng=np.random.default_rng(i), covers=[kind]).series for i, kind in enumerate(kinds)]
    part = np.array(["train", "calibrate", "test"] * (each // 3) * len(kinds))
    return RealPoints(concatenate(made), tuple(np.repeat(kinds, each)), part, ("t",) * each * len(kinds))


def test_every_kind_of_place_has_a_land_cover_and_every_crop_is_one() -> None:
    names = load_taxonomy("lucas-land-cover").names
    assert {LAND_COVER[everyday_group(kind)] for kind in kinds_of_place()} == set(names)
    assert set(CROPS) <= set(kinds_of_place())


def test_the_temperature_minimises_the_loss_and_the_threshold_spares_98_percent(model: Model) -> None:
    fitted = calibrate(model, None, seed=3).config.calibration
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
    fitted = calibrate(model, None, seed=3)
    assert fitted.encoder is model.encoder
    assert fitted.config.model_copy(update={"calibration": model.config.calibration}) == model.config


def test_real_points_set_aside_count_in_the_calibration(model: Model) -> None:
    real = real_points("maize", "winter wheat")
    alone, with_real = (calibrate(model, points, seed=3).config.calibration for points in (None, real))
    assert with_real.temperature != alone.temperature
    assert with_real.unknown_score <= alone.unknown_score
    others = real.part != "calibrate"
    moved = RealPoints(real.series, tuple(np.where(others, "any water", real.kind)), real.part, real.table)
    assert calibrate(model, moved, seed=3).config.calibration == with_real  # only those set aside


def test_without_real_points_only_simulated_places_are_measured(model: Model) -> None:
    (task,) = measure(model, None, seed=5)
    assert task.title == "LUCAS land cover, simulated places"
    assert list(task.methods) == ["zero-shot"]
    assert task.methods["zero-shot"].count == PLACES
    assert task.methods["zero-shot"].balanced_accuracy > 2 / 8  # twice chance


def test_real_points_are_measured_on_those_held_out_beside_a_forest(model: Model) -> None:
    real = real_points("maize", "winter wheat")
    first, simulated, crops = measure(model, real, seed=5)
    assert (first.title, crops.title) == (
        "LUCAS land cover, held-out real points",
        "Crops and grassland, held-out real points",
    )
    assert simulated.title == "LUCAS land cover, simulated places"
    assert list(crops.methods) == ["zero-shot", "random forest (had labels)", "majority", "chance"]
    assert {name: one.count for name, one in crops.methods.items()} == dict.fromkeys(crops.methods, 8)
    assert {row.name: row.support for row in crops.methods["zero-shot"].classes} == {"maize": 4, "wheat": 4}
    assert crops.methods["random forest (had labels)"].accuracy > crops.methods["chance"].accuracy


def measured() -> Measured:
    truth = np.array([0, 0, 0, 1])
    confidence = np.array([0.5, 0.75, 1.0, 0.5])
    asked = compute_metrics(truth, np.array([0, 0, 1, -1]), names=["a", "b", "c"], confidence=confidence)
    forest = compute_metrics(truth, np.array([0, 0, 0, 0]), names=["a", "b", "c"])
    return Measured("A task", {"zero-shot": asked, "random forest (had labels)": forest})


def test_the_card_shows_the_figures_of_each_method(model: Model) -> None:
    card = model_card(model, [measured()])
    assert "### A task (4)" in card
    assert "| zero-shot | 0.500 | 0.333 | " in card
    assert " | 25.0% |" in card
    assert "| random forest (had labels) | 0.750 | 0.500 | " in card
    assert "| a | 3 | 1.00 | 0.67 | 1.00 |" in card
    assert "No point of: c." in card
    assert f"{model.config.calibration.temperature:.3f}" in card
    assert "$" not in card


def test_a_task_without_a_forest_has_no_column_for_it(model: Model) -> None:
    task = measured()
    card = model_card(model, [Measured(task.title, {"zero-shot": task.methods["zero-shot"]})])
    assert "| class | points | precision | recall |\n" in card
    assert "| a | 3 | 1.00 | 0.67 |\n" in card


def test_calibration_and_figures_draw_other_places(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    simulated = module._simulated

    def recorded(seed: int):
        drawn.append(seed)
        return simulated(seed)

    monkeypatch.setattr(module, "_simulated", recorded)
    calibrate_and_measure(model, None, tmp_path / "m", seed=10)
    assert drawn == [11, 12]
    assert load(tmp_path / "m").config.calibration.fitted
    assert f"({PLACES:,})" in (tmp_path / "m" / "README.md").read_text()
