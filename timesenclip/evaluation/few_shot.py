"""What a few labels are worth: accuracy against the number of labelled examples of each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.tasks.fit_vectors import METHODS, Method, fit_vectors

__all__ = ["FewLabels", "few_labels"]

SHOTS = (1, 2, 5, 10, 20, 50, 100)
"""Examples of each class, as far as there are so many."""


@dataclass(frozen=True, slots=True)
class FewLabels:
    """One point of a curve."""

    method: Method
    """How the examples were used, see `timesenclip.tasks.fit_vectors`."""
    shots: int
    """Examples asked for of each class."""
    examples: float
    """Examples there were in all, mean over the repeats: small classes give all that they have."""
    accuracy: float
    """Mean over the repeats."""
    balanced_accuracy: float
    """Mean over the repeats."""
    accuracy_range: tuple[float, float]
    """Lowest and highest of the repeats."""
    balanced_accuracy_range: tuple[float, float]
    """Lowest and highest of the repeats."""


def few_labels(
    data: LabelledSet,
    embeddings: NDArray[np.float32],
    text: NDArray[np.float32],
    *,
    shots: Sequence[int] = SHOTS,
    methods: Sequence[Method] = METHODS,
    repeats: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[FewLabels]:
    """Learn from k examples of each class, drawn at random from three folds, and answer the fourth; all folds in turn.

    Args:
        data: N labelled samples; a class without an example in the three folds stays with its words, or unanswered.
        embeddings: (N, D) unit rows.
        text: (K, D) vectors of the words.
        shots: examples of each class; stops when no class has more.
        methods: see `timesenclip.tasks.fit_vectors`.
        repeats: draws of the examples; the spread over them is the range.
        seed: of the draws.
        progress: called with (done, all) points of the curve.

    Returns:
        Points by method and number of examples; empty where the labels do not allow it (one class, or one fold), and
        without those of which no head can be made.
    """
    most = int(np.bincount(data.truth).max())
    wanted = [k for i, k in enumerate(shots) if i == 0 or shots[i - 1] < most]
    if len(np.unique(data.truth)) < 2 or len(np.unique(data.fold)) < 2:
        return []
    out: list[FewLabels] = []
    for done, (method, k) in enumerate((method, k) for method in methods for k in wanted):
        rng = np.random.default_rng([seed, k])  # the same examples for every method
        try:
            runs = [_answer(data, embeddings, text, k, method, rng) for _ in range(repeats)]
        except InputError:  # no head holds so many classes, or the same place has two labels: the rest still counts
            continue
        found = np.array([_scores(said, data.truth) for said, _ in runs])  # (repeats, 2)
        low, high = found.min(axis=0), found.max(axis=0)
        out.append(
            FewLabels(
                method=method,
                shots=k,
                examples=float(np.mean([count for _, count in runs])),
                accuracy=float(found[:, 0].mean()),
                balanced_accuracy=float(found[:, 1].mean()),
                accuracy_range=(float(low[0]), float(high[0])),
                balanced_accuracy_range=(float(low[1]), float(high[1])),
            )
        )
        if progress is not None:
            progress(done + 1, len(methods) * len(wanted))
    return out


def _answer(
    data: LabelledSet,
    embeddings: NDArray[np.float32],
    text: NDArray[np.float32],
    shots: int,
    method: Method,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], float]:
    """Answers (N,) and the mean number of examples they were learned from; -1 where a fold could not learn."""
    said, used = np.full(len(data), -1, dtype=np.int64), []
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
        scores[:, ~vectors.any(axis=1)] = -np.inf  # a class that a probe never saw is no answer
        said[test] = scores.argmax(axis=1)
    return said, float(np.mean(used))


def _rank_in_class(truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many samples of the same class come before each, (N,)."""
    order = np.argsort(truth, kind="stable")
    first = np.searchsorted(truth[order], truth[order], side="left")
    out = np.empty(len(truth), dtype=np.int64)
    out[order] = np.arange(len(truth)) - first
    return out


def _scores(said: NDArray[np.int64], truth: NDArray[np.int64]) -> tuple[float, float]:
    right = said == truth
    return float(right.mean()), float(np.mean([right[truth == k].mean() for k in np.unique(truth)]))
