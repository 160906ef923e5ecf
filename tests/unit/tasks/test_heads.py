from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from timesenclip.errors import CheckpointError, InputError, PromptError, TowerError
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.model.checkpoint import load
from timesenclip.model.embed import embed
from timesenclip.tasks.classify import classify
from timesenclip.tasks.fit_vectors import METHODS
from timesenclip.tasks.heads import Head, adapted, fit_head, load_head, save_head
from timesenclip.testing import random_series


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
    with pytest.raises(InputError, match="not written by timesenclip as a head"):
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


@pytest.mark.parametrize("value", ["NaN", "1e999", "-1", "0", "true", '"0.1"'])
def test_a_head_with_numbers_that_are_none_is_refused(value: str, tmp_path: Path) -> None:
    model, taxonomy = load(), taxonomy_from_phrases(["water", "forest"])
    vectors = np.eye(2, model.config.tower.dim, dtype=np.float32)
    head = Head(taxonomy, vectors, 0.125, model.config.name, model.digest)
    folder = save_head(head, tmp_path / "head")
    assert load_head(folder).temperature == 0.125
    text = (folder / "head.json").read_text()
    (folder / "head.json").write_text(text.replace("0.125", value))
    with pytest.raises(CheckpointError, match="head"):
        load_head(folder)


def test_a_head_whose_vectors_are_not_finite_is_refused(tmp_path: Path) -> None:
    model, taxonomy = load(), taxonomy_from_phrases(["water", "forest"])
    vectors = np.full((2, model.config.tower.dim), np.nan, dtype=np.float32)
    folder = save_head(Head(taxonomy, vectors, 0.125, model.config.name, model.digest), tmp_path / "head")
    with pytest.raises(CheckpointError, match="'vectors' holds NaN"):
        load_head(folder)


@pytest.mark.parametrize(
    ("key", "value"), [("name", "\x1b[31mwater"), ("name", ""), ("name", "forest"), ("name", 7), ("colour", "red")]
)
def test_a_head_with_names_or_colours_that_cannot_be_is_refused(key: str, value: object, tmp_path: Path) -> None:
    model, taxonomy = load(), taxonomy_from_phrases(["water", "forest"])
    vectors = np.eye(2, model.config.tower.dim, dtype=np.float32)
    folder = save_head(Head(taxonomy, vectors, 0.125, model.config.name, model.digest), tmp_path / "head")
    assert load_head(folder).taxonomy == taxonomy
    content = json.loads((folder / "head.json").read_text())
    content["taxonomy"]["classes"][0][key] = value
    (folder / "head.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="class"):
        load_head(folder)
