"""Zero-shot predictions against labels, compared with chance, the majority class and supervised models.

Zero-shot predictions are evaluated raw and prior-corrected. Supervised models (a random forest and a linear probe, on
the raw series and on the embeddings) are always tested on other blocks of land than those they were trained on. Every
metric has a 95 % interval from a bootstrap over blocks of land.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.evaluation.baselines.simple import (
    Learner,
    chance,
    cross_predicted,
    forest,
    forest_features,
    majority,
    probe,
)
from timesenclip.evaluation.bootstrap import DRAWS
from timesenclip.evaluation.labels.labelled import (
    LabelledSet,
    Labels,
    labelled_cube,
    labelled_points,
    parse_mapping,
    read_labels,
)
from timesenclip.evaluation.metrics import Metrics, compute_metrics
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.model.checkpoint import Model, as_model
from timesenclip.model.embed import embed
from timesenclip.series import Cube
from timesenclip.tasks.classify import Answers, classify_embeddings, prior_corrected

__all__ = [
    "FOREST",
    "PRIOR_CORRECTED",
    "ZERO_SHOT",
    "Comparison",
    "Evaluation",
    "compare_methods",
    "evaluate_cube",
    "evaluate_labelled",
    "evaluate_points",
    "parse_mapping",
    "read_labels",
]

ZERO_SHOT, PRIOR_CORRECTED = "zero-shot", "zero-shot, prior-corrected"
FOREST, PROBE = "random forest (with labels)", "linear probe (with labels)"
EMBEDDED_FOREST, EMBEDDED_PROBE = (
    "random forest on embeddings",
    "linear probe on embeddings",
)
_FOLDS = 4


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics of each method on the same samples."""

    title: str
    """Data, number of samples and of classes."""
    methods: dict[str, Metrics]
    """Metrics by method, zero-shot first."""
    skipped: dict[str, int]
    """Labels that belong to no class, with their counts."""
    notes: tuple[str, ...]
    """How the data were split, and which methods were left out."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "title": self.title,
            "methods": {name: result.to_dict() for name, result in self.methods.items()},
            "skipped": self.skipped,
            "notes": list(self.notes),
        }

    def rows(self) -> list[tuple[str, float, float, float, float]]:
        """One row a method: name, accuracy, balanced accuracy, macro F1, calibration error (NaN where none)."""
        return [
            (
                name,
                r.accuracy,
                r.balanced_accuracy,
                r.macro_f1,
                r.calibration_error if r.calibration_error is not None else float("nan"),
            )
            for name, r in self.methods.items()
        ]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Predictions and metrics of every method on the same samples."""

    methods: dict[str, Metrics]
    """Metrics by method, zero-shot first."""
    raw: Answers
    """Raw zero-shot predictions."""
    corrected: Answers
    """Zero-shot predictions after the transductive prior correction."""
    predicted: dict[str, NDArray[np.int64]]
    """(N,) predicted class by method, -1 = unknown."""
    notes: tuple[str, ...]
    """How the data were split, and which methods were left out."""


def evaluate_points(
    path: str | Path | Sequence[str | Path],
    *,
    label_column: str,
    taxonomy: Taxonomy,
    mapping: Labels | Sequence[Labels] | None = None,
    model: Model | str | Path | None = None,
    prior_correction: bool = False,
    seed: int = 0,
    **read_options: Any,
) -> Evaluation:
    """Evaluate a labelled table of points.

    Args:
        path: the table (or several), as `read_points` takes it.
        label_column: column with the labels.
        taxonomy: the K classes to predict.
        mapping: label -> class name, or several that are applied one after the other; default: labels are names,
            synonyms or codes of classes. Labels without a class are skipped.
        model: a model or a checkpoint's name.
        prior_correction: list the prior-corrected metrics first; both are always computed.
        seed: seed of the forest, of chance and of the bootstrap.
        read_options: period, units and so on, as `read_points`.

    Raises:
        InputError: no label belongs to a class.
        TaxonomyError: the mapping names a class that the taxonomy does not have.
    """
    found = labelled_points(path, label_column=label_column, taxonomy=taxonomy, mapping=mapping, **read_options)
    return evaluate_labelled(found, model=model, unit="points", prior_correction=prior_correction, seed=seed)


def evaluate_cube(
    cube: Cube,
    labels: NDArray[np.integer],
    *,
    taxonomy: Taxonomy,
    mapping: Labels | Sequence[Labels] | None = None,
    model: Model | str | Path | None = None,
    prior_correction: bool = False,
    seed: int = 0,
) -> Evaluation:
    """Evaluate the pixels of a cube against a label raster on the same grid.

    Args:
        cube: Y x X pixels.
        labels: (Y, X) integer codes.
        taxonomy: the K classes to predict.
        mapping: code (as text) -> class name, as `evaluate_points`; other codes are skipped.
        model, prior_correction, seed: as `evaluate_points`.

    Raises:
        GridError: the raster has another shape.
    """
    found = labelled_cube(cube, labels, taxonomy=taxonomy, mapping=mapping, title="")
    return evaluate_labelled(found, model=model, unit="pixels", prior_correction=prior_correction, seed=seed)


def compare_methods(
    data: LabelledSet,
    embeddings: NDArray[np.float32],
    weights: NDArray[np.float32],
    *,
    temperature: float,
    unknown_score: float | None,
    seed: int = 0,
    draws: int = DRAWS,
    others: Mapping[str, NDArray[np.float32]] | None = None,
    asked: Mapping[str, NDArray[np.float32]] | None = None,
) -> Comparison:
    """Metrics of zero-shot predictions (raw and prior-corrected), chance, the majority class and supervised models.

    Args:
        data: N labelled samples.
        embeddings: (N, D) unit rows.
        weights: (K, D) class vectors.
        temperature, unknown_score: as `classify_embeddings`.
        seed: seed of the forest, of chance and of the bootstrap.
        draws: draws of the bootstrap.
        others: features (N, F) of other encoders by name of the method (`predict_external`); each gets a linear probe.
        asked: scores (N, K) of other zero-shot models by name of the method.
    """
    names, truth, count = data.taxonomy.names, data.truth, len(data.taxonomy)
    raw = classify_embeddings(embeddings, weights, temperature=temperature, unknown_score=unknown_score)
    # A corrected prediction is not always the class of the highest cosine, so the cosine threshold does not apply.
    corrected = classify_embeddings(embeddings, weights, temperature=temperature, prior_correction=True)
    predicted: dict[str, NDArray[np.int64]] = {}
    methods: dict[str, Metrics] = {}

    def add(name: str, said: NDArray[np.int64], sure: Any = None, scores: Any = None) -> None:
        predicted[name] = said
        methods[name] = compute_metrics(
            truth, said, names=names, confidence=sure, scores=scores, block=data.block, draws=draws, seed=seed
        )

    add(ZERO_SHOT, raw.label_index, raw.confidence, raw.scores)
    add(PRIOR_CORRECTED, corrected.label_index, corrected.confidence, corrected.probabilities)
    for name, scores in (asked or {}).items():
        add(name, scores.argmax(axis=1), None, scores)
    add("chance", chance(len(truth), count, seed=seed))
    fold = data.fold
    learned = _with_labels(data, embeddings, others or {}, seed=seed)
    if learned is None:
        notes = [*data.notes, "No model with labels: they do not allow a spatial split with two classes on each side."]
        return Comparison(methods, raw, corrected, predicted, tuple(notes))
    most = np.full(len(truth), -1, dtype=np.int64)
    for part in np.unique(fold):
        most[fold == part] = majority(truth[fold != part], int((fold == part).sum()))
    add("majority", most)
    for name, shares in learned.items():
        add(name, shares.argmax(axis=1), shares.max(axis=1), shares)
    notes = [*data.notes, f"Majority, forests and probes: trained on {data.split} other than those they are tested on."]
    return Comparison(methods, raw, corrected, predicted, tuple(notes))


def _with_labels(
    data: LabelledSet, embeddings: NDArray[np.float32], others: Mapping[str, NDArray[np.float32]], *, seed: int
) -> dict[str, NDArray[np.float32]] | None:
    raw = forest_features(data.series)
    learners: tuple[tuple[str, NDArray[np.float32], Learner], ...] = (
        (FOREST, raw, forest(seed=seed, trees=300)),
        (PROBE, raw, probe(strength=0.1)),
        *((name, features, probe(strength=0.1)) for name, features in others.items()),
        (EMBEDDED_FOREST, embeddings, forest(seed=seed)),
        (EMBEDDED_PROBE, embeddings, probe(strength=0.1)),
    )
    out = {}
    for name, features, learner in learners:
        shares = cross_predicted(features, data.truth, data.fold, learner, classes=len(data.taxonomy), seed=seed)
        if shares is None:
            return None
        out[name] = shares
    return out


def evaluate_labelled(
    data: LabelledSet,
    *,
    model: Model | str | Path | None = None,
    templates: str | Sequence[str] = "default",
    unit: str = "samples",
    prior_correction: bool = False,
    seed: int = 0,
    draws: int = DRAWS,
    others: Mapping[str, NDArray[np.float32]] | None = None,
    asked: Mapping[str, NDArray[np.float32]] | None = None,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Evaluate labelled samples from anywhere.

    Args:
        data: N labelled samples.
        model: a model or a checkpoint's name.
        templates: how the classes are put into words.
        unit: what a sample is, for the title: points, pixels, places.
        prior_correction, seed: as `evaluate_points`.
        draws: of the bootstrap.
        others, asked: as `compare_methods`; each of `asked` stands there raw and prior-corrected.
        notes: what else should be said of the methods.
    """
    chosen = as_model(model)
    calibration = chosen.config.calibration
    zero_shot = {
        row: values
        for name, scores in (asked or {}).items()
        for row, values in ((name, scores), (f"{name}, prior-corrected", prior_corrected(scores)))
    }
    found = compare_methods(
        data,
        embed(data.series, model=chosen),
        class_vectors(data.taxonomy, chosen.tower, templates),
        temperature=calibration.temperature,
        unknown_score=calibration.unknown_score,
        seed=seed,
        draws=draws,
        others=others,
        asked=zero_shot,
    )
    first = PRIOR_CORRECTED if prior_correction else ZERO_SHOT
    methods = {first: found.methods[first]} | found.methods
    title = f"{data.title}: " if data.title else ""
    title += f"{len(data)} labelled {unit}, {len(data.present)} of {len(data.taxonomy)} classes"
    return Evaluation(title, methods, data.skipped, (*found.notes, *notes))
