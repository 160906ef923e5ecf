from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from timesenclip.errors import CheckpointError, InputError, PromptError, TowerError
from timesenclip.evaluation.few_shot import few_shot_curve
from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.model.checkpoint import load
from timesenclip.model.embed import embed
from timesenclip.tasks.classify import classify
from timesenclip.tasks.heads import METHODS, adapted, fit_head, fit_vectors, load_head, save_head
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


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_head_answers_as_before_and_only_for_its_checkpoint(method: str, tmp_path: Path) -> None:
    model, series = load(), random_series(40)
    vectors = embed(series, model=model)
    truth = (np.linalg.svd(vectors - vectors.mean(axis=0))[0][:, 0] > 0).astype(np.int64)
    names = taxonomy_from_phrases(["wet meadow", "dry meadow"])
    head = fit_head(vectors, truth, names, model=model, method=method)  # type: ignore[arg-type]
    save_head(head, tmp_path / "head")
    again = load_head(tmp_path / "head")
    assert again.taxonomy == head.taxonomy
    assert again.digest == model.digest
    answer = classify(series, again.taxonomy, model=adapted(model, again), templates="name")
    assert np.array_equal(answer.label_index, (vectors @ head.weights.T).argmax(axis=1))
    assert answer.probabilities == pytest.approx(softmax(vectors @ head.weights.T / head.temperature, axis=1), abs=1e-3)
    assert (answer.label_index == truth).mean() > 0.7
    other = load()
    other.digest = "0123456789ab"
    with pytest.raises(CheckpointError, match="made for checkpoint"):
        adapted(other, again)
    tower = adapted(model, again).tower
    with pytest.raises(PromptError, match="its 2 classes only"):
        tower.encode_text(["a lake"])
    with pytest.raises(TowerError):
        tower.encode_images([])


def test_broken_heads_and_foreign_folders_are_refused(tmp_path: Path) -> None:
    model = load()
    x = embed(random_series(8), model=model)
    names = taxonomy_from_phrases(["lake", "maize"])
    with pytest.raises(InputError, match="at least two classes"):
        fit_head(x, np.zeros(8, np.int64), names, model=model)
    x[0] = np.nan
    head = fit_head(x, np.arange(8) % 2, names, model=model)
    assert sum(head.about["examples"].values()) == 7
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(InputError, match="is no head"):
        save_head(head, tmp_path / "mine")
    save_head(head, tmp_path / "head")
    save_head(head, tmp_path / "head")
    content = json.loads((tmp_path / "head" / "head.json").read_text())
    (tmp_path / "head" / "head.json").write_text(json.dumps(content | {"format_version": 9}))
    with pytest.raises(CheckpointError, match="format_version 9"):
        load_head(tmp_path / "head")
    (tmp_path / "head" / "head.json").write_text("{}")
    with pytest.raises(CheckpointError):
        load_head(tmp_path / "head")
    with pytest.raises(CheckpointError, match="No head at"):
        load_head(tmp_path / "nothing")


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
