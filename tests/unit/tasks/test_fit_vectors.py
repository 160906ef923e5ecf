from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from timesenclip.errors import InputError
from timesenclip.tasks.fit_vectors import fit_vectors


def _unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def _blobs(rng: np.random.Generator, per_class: int, classes: int = 4, dim: int = 12) -> tuple[np.ndarray, np.ndarray]:
    truth = np.repeat(np.arange(classes), per_class)
    return _unit(np.eye(dim)[truth] + 1 + rng.normal(scale=0.25, size=(len(truth), dim))), truth


@pytest.mark.parametrize("classes", [2, 5])
def test_a_probe_is_scikit_learns_as_unit_vectors(classes: int) -> None:
    x, y = _blobs(np.random.default_rng(0), 30, classes)
    vectors, temperature = fit_vectors(x, y, classes, method="probe")
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(classes), abs=1e-6)
    theirs = LogisticRegression(C=10, fit_intercept=False, class_weight="balanced", max_iter=300).fit(
        x.astype(float), y
    )
    assert softmax(x @ vectors.T / temperature, axis=1) == pytest.approx(theirs.predict_proba(x), abs=2e-3)


def test_a_probe_learns_from_one_example_of_each_of_many_classes() -> None:
    x, y = _blobs(np.random.default_rng(0), 1, classes=25, dim=30)
    vectors, _ = fit_vectors(x, y, 25, method="probe")
    assert ((x @ vectors.T).argmax(axis=1) == y).all()


def test_anchored_is_the_words_where_examples_agree_and_learns_where_they_do_not() -> None:
    rng = np.random.default_rng(1)
    x, y = _blobs(rng, 40)
    test, truth = _blobs(rng, 100)
    good, wrong = _unit(np.eye(12)[:4] + 1), _unit(np.eye(12)[[1, 0, 3, 2]] + 1)  # words that name the neighbour
    for text, at_least in ((good, 0.95), (wrong, 0.9)):
        vectors, _ = fit_vectors(x, y, 4, method="anchored", text=text)
        assert ((test @ vectors.T).argmax(axis=1) == truth).mean() > at_least
    assert ((test @ wrong.T).argmax(axis=1) == truth).mean() < 0.1
    one, _ = fit_vectors(x[::40], y[::40], 4, method="prototype", text=good)
    assert (one * good).sum(axis=1).min() > 0.99  # the words weigh as eight examples
    with pytest.raises(InputError, match="starts from words"):
        fit_vectors(x, y, 4, method="anchored")
