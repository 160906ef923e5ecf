"""Calibrate a trained model on simulated places, measure it on others, and write its model card.

A checkpoint that ships is calibrated and measured on left-out regions afterwards (`held_out_regions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.evaluation.metrics import Metrics, compute_metrics
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import Taxonomy, load_taxonomy
from timesenclip.model.checkpoint import Model, save
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries
from timesenclip.simulate.series import simulate_series
from timesenclip.tasks.classify import classify_embeddings
from timesenclip.train.field_notes.card import card_text
from timesenclip.train.field_notes.notes import everyday_group
from timesenclip.train.field_notes.phrase_places import with_phrase_fit
from timesenclip.train.field_notes.places import cover_shares
from timesenclip.train.field_notes.questions import LAND_COVER
from timesenclip.train.field_notes.region_calibration import negative_log_likelihood

__all__ = ["Measured", "calibrate", "calibrate_and_measure", "measure", "model_card"]

_SIMULATED = 4000
_UNKNOWN_AT_MOST = 0.02
_SIMULATED_ONLY = (
    "Not measured on Earth: these figures are of simulated places that come from the same generator as those of the "
    "training, with another seed. They show what was learnt, not what holds."
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Metrics of one task on one set of places."""

    title: str
    """Task and places."""
    methods: dict[str, Metrics]
    """Metrics of the zero-shot predictions and of the baselines."""


def calibrate(model: Model, *, seed: int) -> Model:
    """Fit the temperature and the unknown threshold on simulated places that were not trained on.

    The temperature minimises the mean negative log-likelihood of the LUCAS land cover. The threshold is the highest
    cosine under which at most 2 % of the places lie. Simulated places are what a model knows best: a checkpoint that is
    used gets the calibration of left-out regions instead.
    """
    taxonomy = load_taxonomy("lucas-land-cover")
    series, truth = _simulated(seed)
    scores = embed(series, model=model) @ class_vectors(taxonomy, model.tower).T
    grid = np.geomspace(0.01, 0.5, 80)
    loss = [negative_log_likelihood(scores / t, truth).mean() for t in grid]
    unknown = float(np.quantile(scores.max(axis=1), _UNKNOWN_AT_MOST))
    fitted = Calibration(temperature=float(grid[int(np.argmin(loss))]), unknown_score=unknown, fitted=True)
    return Model(model.encoder, model.config.model_copy(update={"calibration": fitted}), digest=model.digest)


def measure(model: Model, *, seed: int) -> list[Measured]:
    """Measure zero-shot answers on new simulated places."""
    taxonomy = load_taxonomy("lucas-land-cover")
    series, truth = _simulated(seed)
    return [Measured("LUCAS land cover, simulated places", {"zero-shot": _zero_shot(model, series, truth, taxonomy)})]


def calibrate_and_measure(model: Model, folder: Path, *, seed: int) -> None:
    """Calibrate a trained model on simulated places, measure it on others, and write it with its card.

    Args:
        model: the model.
        folder: the checkpoint's.
        seed: seed of the recipe; the places of calibration and measurement are drawn with seeds of their own.
    """
    model = with_phrase_fit(calibrate(model, seed=seed + 1), seed=seed + 3)
    measured = measure(model, seed=seed + 2)
    save(model, folder, card=model_card(model, measured))


def model_card(model: Model, measured: list[Measured]) -> str:
    """The text of README.md in the folder of a checkpoint that was measured on simulated places only."""
    tables = "\n\n".join(_table(task) for task in measured)
    return card_text(model, measured=f"{_SIMULATED_ONLY}\n\n{tables}", calibrated="fitted on simulated places")


def _simulated(seed: int) -> tuple[PixelSeries, NDArray[np.int64]]:
    made = simulate_series(_SIMULATED, rng=np.random.default_rng(10_000 + seed), shares=cover_shares())
    return made.series, _land_cover(made.cover, load_taxonomy("lucas-land-cover"))


def _land_cover(kinds: tuple[str, ...], taxonomy: Taxonomy) -> NDArray[np.int64]:
    return np.array([taxonomy.names.index(LAND_COVER[everyday_group(kind)]) for kind in kinds], dtype=np.int64)


def _zero_shot(model: Model, series: PixelSeries, truth: NDArray[np.int64], taxonomy: Taxonomy) -> Metrics:
    calibration = model.config.calibration
    answers = classify_embeddings(
        embed(series, model=model),
        class_vectors(taxonomy, model.tower),
        temperature=calibration.temperature,
        unknown_score=calibration.unknown_score,
    )
    return compute_metrics(truth, answers.label_index, names=taxonomy.names, confidence=answers.confidence)


def _table(task: Measured) -> str:
    first = next(iter(task.methods.values()))
    lines = [
        f"### {task.title} ({first.count:,})",
        "",
        "| | accuracy | balanced accuracy | macro F1 | calibration error | unknown |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in task.methods.items():
        error = "" if result.calibration_error is None else f"{result.calibration_error:.3f}"
        lines.append(
            f"| {name} | {result.accuracy:.3f} | {result.balanced_accuracy:.3f} | {result.macro_f1:.3f} | "
            f"{error} | {result.unknown_share:.1%} |"
        )
    lines += ["", "| class | places | precision | recall |", "|---|---|---|---|"]
    lines += [f"| {row.name} | {row.support} | {row.precision:.2f} | {row.recall:.2f} |" for row in first.classes]
    if first.absent:
        lines += ["", f"No place of: {', '.join(first.absent)}."]
    return "\n".join(lines)
