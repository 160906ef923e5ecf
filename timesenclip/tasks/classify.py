"""Zero-shot classification: label each embedding with the class whose text vector is nearest.

A score is the cosine between the embedding of a pixel and the text vector of a class. Probabilities are a softmax of
the scores at the temperature stored in the checkpoint. The label is `unknown` where the best score is below the
`unknown_score` of the checkpoint. One phrase alone is compared with a background (`timesenclip.tasks.phrase_alone`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.outliers import Outliers
from timesenclip.errors import InputError
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import Taxonomy, as_taxonomy
from timesenclip.model.checkpoint import Model, as_model
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.model.embed import embed
from timesenclip.tasks.phrase_alone import judge, rivals_of
from timesenclip.tasks.unknown import calibration_for

if TYPE_CHECKING:
    import pandas as pd

    from timesenclip.series import PixelSeries

__all__ = [
    "UNKNOWN",
    "Classification",
    "Predictions",
    "classify",
    "classify_embeddings",
    "classify_scores",
    "judge_phrase",
    "prior_corrected",
]

UNKNOWN = "unknown"
"""Label where no class fits, or there was no clear observation."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Scores, probabilities and labels of N embeddings for K classes."""

    scores: NDArray[np.float32]
    """(N, K) cosines, -1..1; NaN without a clear observation."""
    probabilities: NDArray[np.float32]
    """(N, K), rows sum to one; with a single phrase, the probability that it fits at all; NaN without a clear
    observation."""
    label_index: NDArray[np.int64]
    """(N,) index of the best class, -1 where unknown."""
    confidence: NDArray[np.float32]
    """(N,) probability of the best class; NaN where unknown, since nothing is stated there."""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(N,) True where there was a clear observation."""
        return np.asarray(np.isfinite(self.scores).all(axis=1))

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """(N,) True where no class fits or there was no clear observation."""
        return np.asarray(self.label_index < 0)


@dataclass(frozen=True, slots=True)
class Classification:
    """Predictions for N series, with their ids and places."""

    taxonomy: Taxonomy
    """The K classes."""
    sample_id: tuple[str, ...]
    """(N,) ids of the series."""
    lon_deg: NDArray[np.float64]
    """(N,) longitude, EPSG:4326."""
    lat_deg: NDArray[np.float64]
    """(N,) latitude, EPSG:4326."""
    predictions: Predictions
    """Scores, probabilities and labels."""

    @property
    def label(self) -> list[str]:
        """(N,) name of the best class, or "unknown"."""
        names = (*self.taxonomy.names, UNKNOWN)
        return [names[i] for i in self.predictions.label_index]

    @property
    def label_index(self) -> NDArray[np.int64]:
        """(N,) index of the best class, -1 where unknown."""
        return self.predictions.label_index

    @property
    def scores(self) -> NDArray[np.float32]:
        """(N, K) cosines."""
        return self.predictions.scores

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(N, K) probabilities."""
        return self.predictions.probabilities

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(N,) probability of the best class; NaN where unknown."""
        return self.predictions.confidence

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """(N,) True where no class fits or there was no clear observation."""
        return self.predictions.unknown

    def __len__(self) -> int:
        """Number of series."""
        return len(self.sample_id)

    def top(self, k: int) -> list[list[tuple[str, float]]]:
        """The k best classes of each series with their probabilities, best first.

        Raises:
            InputError: k is not within 1..K.
        """
        if not 1 <= k <= len(self.taxonomy):
            raise InputError(f"top({k}) of {len(self.taxonomy)} classes; expected 1..{len(self.taxonomy)}.")
        order = np.argsort(-self.scores, axis=1, kind="stable")[:, :k]
        return [[(self.taxonomy.names[j], float(self.probabilities[i, j])) for j in row] for i, row in enumerate(order)]

    def to_frame(self) -> pd.DataFrame:
        """One row a series: sample_id, lat, lon, label, confidence, unknown, and p_<class> for every class."""
        import pandas as pd

        head = {
            "sample_id": list(self.sample_id),
            "lat": self.lat_deg,
            "lon": self.lon_deg,
            "label": self.label,
            "confidence": self.confidence,
            "unknown": self.unknown,
        }
        return pd.DataFrame(head | {f"p_{n}": self.probabilities[:, k] for k, n in enumerate(self.taxonomy.names)})


def classify(
    series: PixelSeries,
    taxonomy: Taxonomy | str | Path | Sequence[str],
    *,
    model: Model | str | Path | None = None,
    templates: str | Sequence[str] = "default",
    against: Taxonomy | str | Path | Sequence[str] | None = None,
    prior_correction: bool = False,
    temperature: float | None = None,
    unknown_below: float | None = None,
    answer_all: bool = False,
    outliers: Outliers = "drop",
    progress: Callable[[int, int], None] | None = None,
) -> Classification:
    """Classify pixel series by phrases.

    Args:
        series: N pixel series; one without a clear observation is `unknown`.
        taxonomy: a taxonomy, its name, a YAML file, or a list of phrases.
        model: a model or a checkpoint's name; default: the shipped one.
        templates: prompt templates, see `timesenclip.ground.prompts.prompts_for`.
        against: with one phrase alone, what it is compared with instead of the shipped background: a class list, its
            name, a YAML file, or a list of phrases.
        prior_correction: transductive: adjust the scores by their means over these same series (see
            `prior_corrected`). It helps where the classes are about equally frequent, and hurts where they are not.
        temperature: instead of the checkpoint's.
        unknown_below: cosine below which a series is unknown, instead of the checkpoint's; -1 switches it off.
        answer_all: give every series with a clear observation its best class: `unknown` are the others only.
        outliers: leave out outlying steps or keep them, as `embed`.
        progress: called with (done, N).

    Raises:
        CheckpointError, TowerError: the model or its tower cannot be loaded.
        TaxonomyError, PromptError: the classes or templates cannot be used.
        InputError: as `embed`, `classify_embeddings`, `timesenclip.tasks.unknown.calibration_for` and
            `timesenclip.tasks.phrase_alone.rivals_of`.
    """
    chosen = as_model(model)
    classes = as_taxonomy(taxonomy)
    rivals = rivals_of(classes, chosen.tower, against=against, templates=templates)
    weights = class_vectors(classes, chosen.tower, templates)
    embeddings = embed(series, model=chosen, missing="nan", outliers=outliers, progress=progress)
    calibration = calibration_for(chosen.config.calibration, unknown_below, answer_all=answer_all, classes=len(classes))
    if temperature is not None:
        calibration = calibration.model_copy(update={"temperature": temperature})
    if rivals is not None:
        if prior_correction:
            raise InputError("A prior correction compares classes with each other; with one phrase there is none.")
        compared = np.concatenate([weights, rivals.vectors])  # (1 + J, D)
        predictions = judge_phrase(embeddings @ compared.T, calibration, unknown_below)
        return Classification(classes, series.sample_id, series.lon_deg, series.lat_deg, predictions)
    predictions = classify_embeddings(
        embeddings,
        weights,
        temperature=calibration.temperature if temperature is None else temperature,
        unknown_score=calibration.unknown_score,
        prior_correction=prior_correction,
    )
    return Classification(classes, series.sample_id, series.lon_deg, series.lat_deg, predictions)


def classify_embeddings(
    embeddings: NDArray[np.float32],
    weights: NDArray[np.float32],
    *,
    temperature: float,
    unknown_score: float | None = None,
    prior_correction: bool = False,
) -> Predictions:
    """Classify embeddings by class vectors.

    Args:
        embeddings: (N, D) unit rows; NaN rows are unknown.
        weights: (K, D) unit rows, one a class.
        temperature: probabilities are softmax(cosine / temperature). With one class there is nothing to compare with,
            and its probability is sigmoid((cosine - unknown_score) / temperature).
        unknown_score: cosine below which nothing fits; None = never unknown (and 0 for a single class).
        prior_correction: see `prior_corrected`.

    Raises:
        InputError: dimensions differ, or the temperature is not positive.
    """
    if embeddings.ndim != 2 or weights.ndim != 2 or embeddings.shape[1] != weights.shape[1]:
        raise InputError(f"Embeddings {embeddings.shape} and class vectors {weights.shape} have different dimensions.")
    scores = embeddings @ weights.T  # (N, K)
    return classify_scores(
        scores, temperature=temperature, unknown_score=unknown_score, prior_correction=prior_correction
    )


def classify_scores(
    scores: NDArray[np.float32],
    *,
    temperature: float,
    unknown_score: float | None = None,
    prior_correction: bool = False,
) -> Predictions:
    """Turn cosines (N, K) into predictions; NaN rows are unknown. Other arguments as `classify_embeddings`.

    Raises:
        InputError: the temperature is not positive.
    """
    if not temperature > 0:
        raise InputError(f"Temperature is {temperature:g}; expected a number above 0.")
    seen = np.isfinite(scores).all(axis=1)
    used = prior_corrected(scores) if prior_correction else scores
    if scores.shape[1] == 1:
        threshold = 0.0 if unknown_score is None else unknown_score
        probabilities = 1 / (1 + np.exp(np.clip(-(used - threshold) / temperature, -60, 60)))
    else:
        shifted = (used - used.max(axis=1, keepdims=True)) / temperature
        exponents = np.exp(shifted)
        probabilities = exponents / exponents.sum(axis=1, keepdims=True)
    best = np.where(seen, np.nan_to_num(used, nan=-2.0).argmax(axis=1), -1)
    row = np.arange(len(scores))
    confidence = probabilities[row, np.maximum(best, 0)]
    if unknown_score is not None:
        best = np.where(scores[row, np.maximum(best, 0)] < unknown_score, -1, best)
    return Predictions(
        scores=scores.astype(np.float32),
        probabilities=probabilities.astype(np.float32),
        label_index=best.astype(np.int64),
        confidence=np.where(best < 0, np.nan, confidence).astype(np.float32),
    )


def judge_phrase(
    scores: NDArray[np.float32], calibration: Calibration, unknown_below: float | None = None
) -> Predictions:
    """Predictions for one phrase alone: `unknown` is where it does not fit.

    Args:
        scores: (N, 1 + J) cosines of the phrase and of what it is compared with; NaN rows are unknown.
        calibration: of the checkpoint.
        unknown_below: cosine of the phrase below which it does not fit, instead of a probability below 0.5.
    """
    probability, fits = judge(scores, calibration, unknown_below)
    fits &= np.isfinite(scores).all(axis=1)
    return Predictions(
        scores=scores[:, :1].astype(np.float32),
        probabilities=probability[:, None],
        label_index=np.where(fits, 0, -1).astype(np.int64),
        confidence=np.where(fits, probability, np.nan).astype(np.float32),
    )


def prior_corrected(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores divided by the mean of each class over the whole set: the authors' "normalised" logits, as cosines again.

    Transductive: the result of a row depends on the other rows, so accuracies with and without it are not comparable.

    Source: the authors' zeroshot.py, where logits are cos / 2 + 1.

    Args:
        scores: (N, K) cosines; NaN rows stay NaN and do not count.
    """
    logits = scores / 2 + 1
    seen = np.isfinite(logits).all(axis=1)
    if not seen.any():
        return scores
    return np.asarray(2 * (logits / logits[seen].mean(axis=0, keepdims=True) - 1), dtype=np.float32)
