"""Few-shot learning: accuracy against the number of labelled examples of each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.metrics import accuracy_ranges
from timesenclip.tasks.fit_vectors import METHODS, Method, fit_vectors

__all__ = ["FewShotPoint", "few_shot_curve"]

SHOTS = (1, 2, 5, 10, 20, 50, 100)
"""Examples of each class; a class with fewer gives all that it has."""


@dataclass(frozen=True, slots=True)
class FewShotPoint:
    """One point of the few-shot curve."""

    method: Method
    """How the examples were used, see `timesenclip.tasks.fit_vectors`."""
    shots: int
    """Examples requested of each class."""
    examples: float
    """Examples used in all, mean over the repeats; fewer than requested where a class has fewer."""
    accuracy: float
    """Mean over the repeats."""
    balanced_accuracy: float
    """Mean over the repeats."""
    accuracy_range: tuple[float, float]
    """Minimum and maximum over the repeats."""
    balanced_accuracy_range: tuple[float, float]
    """Minimum and maximum over the repeats."""


def few_shot_curve(
    data: LabelledSet,
    embeddings: NDArray[np.float32],
    text: NDArray[np.float32],
    *,
    shots: Sequence[int] = SHOTS,
    methods: Sequence[Method] = METHODS,
    repeats: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[FewShotPoint]:
    """Learn from k examples of each class, drawn at random from three folds, and test on the fourth; each fold in turn.

    Args:
        data: N labelled samples; a class without an example in the three folds keeps its text vector, or is never
            predicted.
        embeddings: (N, D) unit rows.
        text: (K, D) class vectors from text.
        shots: numbers of examples of each class; larger ones are left out once no class has more.
        methods: see `timesenclip.tasks.fit_vectors`.
        repeats: number of random draws of the examples.
        seed: seed of the draws.
        progress: called with (done, all) points of the curve.

    Returns:
        Points by method and number of examples; empty with a single class or a single fold. Points for which
        `fit_vectors` refuses the examples are left out.
    """
    most = int(np.bincount(data.truth).max())
    wanted = [k for i, k in enumerate(shots) if i == 0 or shots[i - 1] < most]
    if len(np.unique(data.truth)) < 2 or len(np.unique(data.fold)) < 2:
        return []
    out: list[FewShotPoint] = []
    for done, (method, k) in enumerate((method, k) for method in methods for k in wanted):
        rng = np.random.default_rng([seed, k])  # the same examples for every method
        try:
            runs = [_predict(data, embeddings, text, k, method, rng) for _ in range(repeats)]
        except InputError:  # too many classes for a head, or one place with two labels: other points still count
            continue
        accuracies = accuracy_ranges([_scores(predicted, data.truth) for predicted, _ in runs])
        examples = float(np.mean([count for _, count in runs]))
        out.append(FewShotPoint(method=method, shots=k, examples=examples, **accuracies))
        if progress is not None:
            progress(done + 1, len(methods) * len(wanted))
    return out


def _predict(
    data: LabelledSet,
    embeddings: NDArray[np.float32],
    text: NDArray[np.float32],
    shots: int,
    method: Method,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], float]:
    """Predictions (N,), -1 where the training folds had fewer than two classes, and the mean number of examples."""
    predicted, used = np.full(len(data), -1, dtype=np.int64), []
    for fold in np.unique(data.fold):
        test = data.fold == fold
        learn = rng.permutation(np.flatnonzero(~test))
        rank = _rank_in_class(data.truth[learn])
        chosen = learn[rank < shots]
        used.append(len(chosen))
        if len(np.unique(data.truth[chosen])) < 2:
            continue
        vectors, _ = fit_vectors(embeddings[chosen], data.truth[chosen], len(text), method=method, text=text)
        scores = embeddings[test] @ vectors.T
        scores[:, ~vectors.any(axis=1)] = -np.inf  # a probe never predicts a class that it was not trained on
        predicted[test] = scores.argmax(axis=1)
    return predicted, float(np.mean(used))


def _rank_in_class(truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of earlier samples of the same class, (N,)."""
    order = np.argsort(truth, kind="stable")
    first = np.searchsorted(truth[order], truth[order], side="left")
    out = np.empty(len(truth), dtype=np.int64)
    out[order] = np.arange(len(truth)) - first
    return out


def _scores(predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Accuracy and mean recall of the classes that are present; a prediction of -1 is wrong."""
    from sklearn.metrics import accuracy_score, recall_score

    recall = recall_score(truth, predicted, labels=np.unique(truth), average="macro")
    return float(accuracy_score(truth, predicted)), float(recall)
