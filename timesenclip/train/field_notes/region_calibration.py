"""Fit confidence and `unknown` on regions that a checkpoint has not seen, and measure both on one region at a time.

Every region, every class within it and every wording of the question counts the same, so that a large table does not
decide alone. What is measured in a region was fitted on the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.evaluation.metrics import BINS, confidence_bin
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.tasks.classify import Predictions, classify_scores

__all__ = [
    "LOST_AT_MOST",
    "RegionCalibration",
    "Scored",
    "calibration_error",
    "fit",
    "keeping_right_answers",
    "left_one_out",
    "negative_log_likelihood",
    "pooled_errors",
]

LOST_AT_MOST = 0.02
"""Share of the right answers that `unknown` may take away."""
_TEMPERATURES = np.geomspace(0.005, 1.0, 160)


@dataclass(frozen=True, slots=True)
class Scored:
    """Cosines of the places of one region with the classes of one wording."""

    region: str
    """Its name."""
    wording: str
    """Name of the class list."""
    scores: NDArray[np.float64]
    """(N, K) cosines."""
    truth: NDArray[np.int64]
    """(N,) index of the true class."""

    @property
    def weight(self) -> NDArray[np.float64]:
        """(N,) weights that sum to one, every class that is present counting the same."""
        counts = np.bincount(self.truth)
        return np.asarray(1 / ((counts > 0).sum() * counts[self.truth]))

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,) whether the class of the highest cosine is the true one."""
        return np.asarray(self.scores.argmax(axis=1) == self.truth)


@dataclass(frozen=True, slots=True)
class RegionCalibration:
    """How well confidence and `unknown` hold in a region, with what was fitted on the other regions."""

    region: str
    """Its name."""
    wording: str
    """Name of the class list."""
    fitted: Calibration
    """What was fitted on the others."""
    error: float
    """Expected calibration error of the answers, every place counting the same."""
    balanced_error: float
    """The same, every class counting the same."""
    confidence: float
    """Mean confidence of the answers."""
    accuracy: float
    """Share of the answers that are right."""
    unknown: float
    """Share of the places that are `unknown`."""
    lost: float
    """Share of the places whose answer would have been right that are `unknown`."""


def fit(parts: Sequence[Scored]) -> Calibration:
    """The temperature with the smallest mean negative log-likelihood, and the highest threshold that loses little.

    The threshold takes away at most `LOST_AT_MOST` of the right answers of each region in each wording.

    Args:
        parts: at least one region in one wording.
    """
    loss = np.zeros(len(_TEMPERATURES))
    for part in parts:
        loss += [_loss(part, temperature) for temperature in _TEMPERATURES]
    return Calibration(
        temperature=float(_TEMPERATURES[int(np.argmin(loss))]),
        unknown_score=min(_threshold(part) for part in parts),
        fitted=True,
    )


def keeping_right_answers(fitted: Calibration, parts: Sequence[Scored]) -> Calibration:
    """The calibration with a threshold that takes away at most `LOST_AT_MOST` of the right answers of these, too.

    Args:
        fitted: fitted on folds. Their cosines are not those of a checkpoint that was trained longer.
        parts: what the checkpoint itself answers.
    """
    found = [fitted.unknown_score, *(_threshold(part) for part in parts)]
    return fitted.model_copy(update={"unknown_score": min(value for value in found if value is not None)})


def left_one_out(parts: Sequence[Scored]) -> list[RegionCalibration]:
    """Each region in each wording, with what was fitted on the other regions."""
    fitted = _fitted_on_others(parts)
    return [_measure(part, fitted[part.region]) for part in parts]


def pooled_errors(parts: Sequence[Scored]) -> dict[str, float]:
    """Calibration error over the places of all regions together by wording, every region and class counting the same.

    The confidence of each region comes from what was fitted on the others. Regions in which answers are better than
    their confidence make up for those in which they are worse.
    """
    fitted = _fitted_on_others(parts)
    out = {}
    for wording in dict.fromkeys(part.wording for part in parts):
        these = [part for part in parts if part.wording == wording]
        said = [_answers(part, fitted[part.region]).confidence for part in these]
        right, weight = ([getattr(part, name) for part in these] for name in ("right", "weight"))
        out[wording] = calibration_error(np.concatenate(said), np.concatenate(right), np.concatenate(weight))
    return out


def calibration_error(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], weight: NDArray[np.float64] | None = None
) -> float:
    """Expected calibration error over bins of equal width. Source: Guo et al. 2017, with weights.

    Args:
        confidence: (N,) 0..1; NaN is left out.
        right: (N,) whether the answer is right.
        weight: (N,) weights; default: all the same.
    """
    stated = np.isfinite(confidence)
    if not stated.any():
        return float("nan")
    sure = np.asarray(confidence, np.float64)[stated]
    share = np.ones(len(sure)) if weight is None else weight[stated]
    slot = confidence_bin(sure)
    gap = np.bincount(slot, weights=share * (right[stated] - sure), minlength=BINS)
    return float(np.abs(gap).sum() / share.sum())


def _fitted_on_others(parts: Sequence[Scored]) -> dict[str, Calibration]:
    """What was fitted on the other regions, by region; with one region only, on itself."""
    names = dict.fromkeys(part.region for part in parts)
    return {name: fit([part for part in parts if part.region != name] or parts) for name in names}


def _answers(part: Scored, fitted: Calibration) -> Predictions:
    return classify_scores(
        part.scores.astype(np.float32), temperature=fitted.temperature, unknown_score=fitted.unknown_score
    )


def _measure(part: Scored, fitted: Calibration) -> RegionCalibration:
    said = _answers(part, fitted)
    answered, right = ~said.unknown, part.right
    none = float("nan")
    return RegionCalibration(
        region=part.region,
        wording=part.wording,
        fitted=fitted,
        error=calibration_error(said.confidence, right),
        balanced_error=calibration_error(said.confidence, right, part.weight),
        confidence=float(said.confidence[answered].mean()) if answered.any() else none,
        accuracy=float(right[answered].mean()) if answered.any() else none,
        unknown=float(said.unknown.mean()),
        lost=float(said.unknown[right].mean()) if right.any() else 0.0,
    )


def negative_log_likelihood(logits: NDArray[np.floating], truth: NDArray[np.int64]) -> NDArray[np.floating]:
    """(N,) negative logarithm of the probability that a softmax of logits (N, K) gives the true classes (N,)."""
    top = logits.max(axis=1, keepdims=True)
    log_total = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return np.asarray(log_total - logits[np.arange(len(logits)), truth])


def _loss(part: Scored, temperature: float) -> float:
    return float((part.weight * negative_log_likelihood(part.scores / temperature, part.truth)).sum())


def _threshold(part: Scored) -> float:
    """The weighted quantile of the highest cosines of right answers; -1 where none is right."""
    best, weight = part.scores.max(axis=1)[part.right], part.weight[part.right]
    if not len(best):
        return -1.0
    order = np.argsort(best)
    below = np.cumsum(weight[order]) - weight[order]  # weight of the answers that are lost if this one is just kept
    kept = np.flatnonzero(below <= LOST_AT_MOST * weight.sum())[-1]
    return float(best[order][kept])
