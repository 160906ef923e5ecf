"""The few-shot curve on blobs whose classes are known."""

from __future__ import annotations

import numpy as np

from timesenclip.evaluation.few_shot import few_shot_curve
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.testing import random_series


def _unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def _blobs(rng: np.random.Generator, per_class: int, classes: int = 4, dim: int = 12) -> tuple[np.ndarray, np.ndarray]:
    truth = np.repeat(np.arange(classes), per_class)
    return _unit(np.eye(dim)[truth] + 1 + rng.normal(scale=0.25, size=(len(truth), dim))), truth


def _labelled(x: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> LabelledSet:
    block = rng.integers(0, 12, len(x))
    names = taxonomy_from_phrases([f"kind {k}" for k in range(int(truth.max()) + 1)])
    return LabelledSet("blobs", random_series(len(x)), truth, names, block, block % 4, "blocks", {})


def test_the_few_label_curve_rises_and_keeps_folds_apart() -> None:
    rng = np.random.default_rng(3)
    x, y = _blobs(rng, 60)
    data = _labelled(x, y, rng)
    text = _unit(rng.normal(size=(4, 12)))  # words that know nothing
    curve = few_shot_curve(data, x, text, shots=(1, 10, 40, 80, 500), repeats=2)
    by = {(point.method, point.shots): point for point in curve}
    assert ("probe", 80) in by  # the first that takes all there is
    assert ("probe", 500) not in by
    assert by["probe", 10].examples == 40
    for method in ("anchored", "probe"):
        assert by[method, 40].balanced_accuracy > max(0.8, by[method, 1].balanced_accuracy)  # type: ignore[index]
    assert by["anchored", 1].accuracy_range[0] <= by["anchored", 1].accuracy <= by["anchored", 1].accuracy_range[1]
    # Labels that mean nothing in other folds cannot be learned: no example of the tested fold may leak.
    shuffled = LabelledSet(**{**{f: getattr(data, f) for f in data.__dataclass_fields__}, "truth": (data.fold + y) % 4})
    assert few_shot_curve(shuffled, x, text, shots=(40,), methods=("probe",), repeats=1)[0].accuracy < 0.2
    one = LabelledSet(**{**{f: getattr(data, f) for f in data.__dataclass_fields__}, "truth": y * 0})
    assert few_shot_curve(one, x, text) == []


def test_what_no_head_can_be_made_of_is_left_out_of_the_curve() -> None:
    rng = np.random.default_rng(4)
    x = _unit(rng.normal(size=(80, 12)))
    data = _labelled(x, np.arange(80) % 20, rng)  # twenty classes in twelve dimensions
    curve = few_shot_curve(data, x, _unit(rng.normal(size=(20, 12))), shots=(1, 2), repeats=1)
    assert {point.method for point in curve} == {"prototype"}
