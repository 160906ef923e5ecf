"""Fit one vector for each class to labelled embeddings, starting from the vectors of words where there are any.

Three methods:

- `anchored` (default): logistic regression that starts at the text vectors and is penalised for its distance from them.
  Without examples it is the zero-shot answer, with many a linear probe;
- `prototype`: the mean of the examples of a class, in which the text vector counts as `TEXT_COUNTS_AS` examples;
- `probe`: logistic regression on the embeddings alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError

__all__ = ["METHODS", "TEXT_COUNTS_AS", "Method", "fit_vectors", "without_few_samples_warnings"]

Float = NDArray[np.float32]

Method = Literal["anchored", "prototype", "probe"]
METHODS: tuple[Method, ...] = ("anchored", "prototype", "probe")
TEXT_COUNTS_AS = 8.0
"""Number of examples that the text vector of a class counts as in a prototype."""
_PENALTY = 0.3
"""Penalty on the distance of `anchored` from the text vectors: the best of 0.01 to 0.3 for 1 to 100 examples a class on
the WorldCereal tables (land cover and crops)."""
_INVERSE_PENALTY = 10.0
"""C of scikit-learn's LogisticRegression, for `probe`."""
_MAX_ITERATIONS = 100


def fit_vectors(
    embeddings: Float, truth: NDArray[np.int64], classes: int, *, method: Method, text: Float | None = None
) -> tuple[Float, float]:
    """Fit unit vectors (K, D) and a temperature; classes without examples have rows of zeros under `probe`.

    Args:
        embeddings: (N, D) unit rows.
        truth: (N,) class index.
        classes: K.
        method: see the head of this module.
        text: (K, D) text vectors of the classes, for `anchored` and `prototype`.

    Raises:
        InputError: `method` needs text vectors and there are none, the classes are more than D + 1, or two classes have
            the same examples.
    """
    from threadpoolctl import threadpool_limits

    if method != "probe" and text is None:
        raise InputError(f"The method '{method}' starts from words; give their vectors, or use 'probe'.")
    with threadpool_limits(1):  # small problems: several threads only wait for each other
        if method == "probe" or text is None:
            return _probe(embeddings, truth, classes)
        if method == "anchored":
            return _equal_lengths(_anchored(embeddings, truth, text))
    total = TEXT_COUNTS_AS * text.astype(np.float64)
    np.add.at(total, truth, embeddings)
    vectors = total / np.linalg.norm(total, axis=1, keepdims=True)
    return vectors.astype(np.float32), _temperature(embeddings @ vectors.T, truth)


@contextmanager
def without_few_samples_warnings() -> Iterator[None]:
    """Silence scikit-learn's warnings of few samples for many classes and of the largest number of iterations.

    Both are intended where a curve over the number of examples is drawn.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
        yield


def _probe(embeddings: Float, truth: NDArray[np.int64], classes: int) -> tuple[Float, float]:
    """Logistic regression of scikit-learn as unit vectors (K, D) and a temperature."""
    from sklearn.linear_model import LogisticRegression

    with without_few_samples_warnings():
        found = LogisticRegression(C=_INVERSE_PENALTY, fit_intercept=False, class_weight="balanced", max_iter=300).fit(
            np.asarray(embeddings, np.float64), truth
        )
    rows = found.coef_ if len(found.classes_) > 2 else np.concatenate([-found.coef_, found.coef_]) / 2
    vectors, temperature = _equal_lengths(rows)
    out = np.zeros((classes, embeddings.shape[1]), np.float32)
    out[found.classes_] = vectors
    return out, temperature


def _anchored(embeddings: Float, truth: NDArray[np.int64], text: Float) -> NDArray[np.float64]:
    """(K, D) rows that minimise class-balanced cross-entropy + hold / 2 * squared distance from text / temperature."""
    import torch

    x, y = torch.from_numpy(np.asarray(embeddings, np.float64)), torch.from_numpy(truth)
    start = torch.from_numpy(text.astype(np.float64) / _temperature(embeddings @ text.T, truth))
    count = np.bincount(truth, minlength=len(text))
    weight = torch.from_numpy(len(truth) / ((count > 0).sum() * np.maximum(count, 1))[truth])
    rows = start.clone().requires_grad_()
    search = torch.optim.LBFGS([rows], max_iter=_MAX_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Any:
        search.zero_grad()
        errors = torch.nn.functional.cross_entropy(x @ rows.T, y, reduction="none")
        value = (weight * errors).sum() + _PENALTY / 2 * ((rows - start) ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)  # type: ignore[no-untyped-call]
    return rows.detach().numpy()


def _temperature(scores: NDArray[Any], truth: NDArray[np.int64]) -> float:
    """The temperature of a fixed grid with the smallest cross-entropy of scores (N, K); of equal ones the lowest."""
    best, chosen = np.inf, 0.04
    own = scores[np.arange(len(truth)), truth]
    for temperature in np.geomspace(0.02, 0.1, 9):
        shifted = (scores - scores.max(axis=1, keepdims=True)) / temperature
        loss = float((np.log(np.exp(shifted).sum(axis=1)) - (own - scores.max(axis=1)) / temperature).mean())
        if loss < best - 1e-9:
            best, chosen = loss, float(temperature)
    return chosen


def _equal_lengths(rows: NDArray[np.float64]) -> tuple[Float, float]:
    """Unit vectors and a temperature that give the same softmax as the rows.

    One vector added to every row changes no softmax. The shortest one that makes all rows equally long is found
    (K - 1 linear equations); their common length is then 1 / temperature.
    """
    if len(rows) > rows.shape[1] + 1:
        raise InputError(
            f"{len(rows)} classes in {rows.shape[1]} dimensions; a head holds at most one class more than dimensions."
        )
    square = (rows**2).sum(axis=1)
    shift = np.linalg.lstsq(2 * (rows[1:] - rows[0]), square[0] - square[1:], rcond=None)[0]
    moved = rows + shift
    length = np.linalg.norm(moved, axis=1)
    if length.max() > length.min() * 1.001 or not length.min() > 0:
        raise InputError("Two classes have the same examples, so no head tells them apart; join them.")
    return (moved / length[:, None]).astype(np.float32), float(1 / length.mean())
