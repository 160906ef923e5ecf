"""Does one phrase fit a place? Its margin over the background, as a probability that is fitted for each checkpoint.

The margin is the cosine of the phrase less the soft maximum of the cosines of the background phrases that compete:

    margin = cosine - T log(sum over competitors of exp(cosine / T))        T: the temperature of the checkpoint
    probability that it fits = sigmoid((margin - m) / s)                    fits: at least 0.5, so where margin >= m

With s = T this is a softmax over the phrase and its competitors, in which the phrase weighs exp(-m / T) times as much
as each of them. `fit_phrase` chooses m by places where phrases are known to be false, and s by how sure a margin makes
it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError
from timesenclip.ground.background import Background
from timesenclip.model.checkpoint_config import Calibration

__all__ = ["PhraseFit", "fit_phrase", "phrase_fit", "phrase_margin"]

_ROWS = 1 << 14
_WEIGHT = 10.0
"""Weight of the phrase beside each competitor where nothing was fitted."""


@dataclass(frozen=True, slots=True)
class PhraseFit:
    """How a margin becomes a probability."""

    margin: float
    """Margin from which a phrase fits: the probability is 0.5 there."""
    scale: float
    """Change of the margin that multiplies the odds by e."""

    def probability(self, margin: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) probability that the phrase fits; NaN stays NaN."""
        return np.asarray(1 / (1 + np.exp(np.clip((self.margin - margin) / self.scale, -60, 60))), dtype=np.float32)


def phrase_fit(calibration: Calibration) -> PhraseFit:
    """The fitted values of a checkpoint; where it has none, a softmax in which the phrase weighs ten times as much."""
    if calibration.phrase_margin is None or calibration.phrase_scale is None:
        return PhraseFit(-calibration.temperature * math.log(_WEIGHT), calibration.temperature)
    return PhraseFit(calibration.phrase_margin, calibration.phrase_scale)


def phrase_margin(score: NDArray[np.float32], rivals: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """(N,) margin of a phrase over its competitors.

    Args:
        score: (N,) cosines of the phrase; NaN stays NaN.
        rivals: (N, J) cosines of the competitors, at least one.
        temperature: of the checkpoint.

    Raises:
        InputError: the temperature is not positive.
    """
    if not temperature > 0:
        raise InputError(f"Temperature is {temperature:g}; expected a number above 0.")
    margin = np.empty(len(score), dtype=np.float32)
    for first in range(0, len(score), _ROWS):  # the exponents of a whole block would take as much memory as its pixels
        rows = slice(first, first + _ROWS)
        top = rivals[rows].max(axis=1)
        total = np.exp((rivals[rows] - top[:, None]) / np.float32(temperature)).sum(axis=1)
        margin[rows] = score[rows] - top - np.float32(temperature) * np.log(total)
    return margin


def fit_phrase(
    embeddings: NDArray[np.float32],
    phrases: NDArray[np.float32],
    truth: NDArray[np.int8],
    *,
    background: Background,
    temperature: float,
    false_share: float = 0.03,
    phrases_share: float = 0.95,
) -> PhraseFit:
    """Fit the margin and the scale on places where it is known which phrases are true.

    The margin is the smallest at which `phrases_share` of the phrases take at most `false_share` of the places where
    they are false. The scale is that of the logistic curve through this point which is most likely, true and false
    places of each phrase counted alike.

    Args:
        embeddings: (N, D) unit rows of places that were not trained on; NaN rows are left out.
        phrases: (P, D) unit rows of phrases of many kinds.
        truth: (N, P) 1 where the phrase is true, 0 where it is false, -1 where nobody can say.
        background: `embed_background(load_background(), tower)`.
        temperature: of the checkpoint, fitted before.
        false_share: share of the places where a phrase is false that it may take.
        phrases_share: share of the phrases of which that holds.

    Raises:
        InputError: shapes differ, or no phrase is false anywhere, or none is true anywhere.
    """
    if truth.shape != (len(embeddings), len(phrases)):
        raise InputError(
            f"The truth has the shape {truth.shape}; expected ({len(embeddings)}, {len(phrases)}): places, phrases."
        )
    seen = np.isfinite(embeddings).all(axis=1)
    places, known = embeddings[seen], truth[seen]
    scores, rivals = places @ phrases.T, places @ background.vectors.T  # (N, P), (N, J)
    limits, right, wrong = [], [], []
    for p, phrase in enumerate(phrases):
        competing = background.competitors(phrase[None])
        if not competing.any():
            continue
        margin = phrase_margin(scores[:, p], rivals[:, competing], temperature)
        false = margin[known[:, p] == 0]
        if len(false):
            limits.append(float(np.quantile(false, 1 - false_share)))
            wrong.append(false)
        if (known[:, p] == 1).any():
            right.append(margin[known[:, p] == 1])
    if not wrong or not right:
        raise InputError("No phrase is known to be false, or none to be true, at any place; give places of both kinds.")
    limit = float(np.quantile(limits, phrases_share))
    return PhraseFit(limit, _scale(right, wrong, limit))


def _scale(right: list[NDArray[np.float32]], wrong: list[NDArray[np.float32]], margin: float) -> float:
    """The scale that makes the known answers most likely; each phrase counts as one true and one false place."""
    true = np.concatenate(right) - margin
    false = np.concatenate(wrong) - margin
    true_weight = np.concatenate([np.full(len(part), 1 / len(part)) for part in right]) / len(right)
    false_weight = np.concatenate([np.full(len(part), 1 / len(part)) for part in wrong]) / len(wrong)
    grid = np.geomspace(0.005, 0.5, 60)
    loss = [
        (true_weight * np.logaddexp(0, -true / s)).sum() + (false_weight * np.logaddexp(0, false / s)).sum()
        for s in grid
    ]
    return float(grid[int(np.argmin(loss))])
