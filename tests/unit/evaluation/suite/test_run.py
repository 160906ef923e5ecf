"""Parts of the suite on few samples; `tests/integration/test_suite.py` runs it as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from timesenclip.errors import InputError
from timesenclip.evaluation.embedding_cache import EmbeddingCache
from timesenclip.evaluation.labels.ground_vectors import Ground
from timesenclip.evaluation.suite import run
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.model.checkpoint import load

MODEL = load()


def test_a_cache_of_another_model_is_refused(findings: Findings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"The cache holds embeddings of '.*'; give one of the model itself"):
        run.run_suite(MODEL, findings.data, out=tmp_path / "r", cache=EmbeddingCache(load()))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("ground", "said"),
    [
        (Ground(("point-0",), np.ones((1, 7), np.float32)), "7 dimensions and the checkpoint's 256"),
        (Ground(("nobody",), np.ones((1, 256), np.float32)), "None of the 1 ground vectors belongs to a sample"),
    ],
)
def test_wrong_photographs_are_refused_before_the_work(
    ground: Ground, said: str, findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_find", lambda *_: pytest.fail("the suite began to work"))
    with pytest.raises(InputError, match=said):
        run.run_suite(MODEL, findings.data, out=tmp_path / "r", ground=ground)
    assert not (tmp_path / "r").exists()


def test_retrieval_has_two_directions_and_four_with_photographs(findings: Findings) -> None:
    data, x, weights = findings.data, findings.embeddings, findings.weights
    found = run._retrievals(data, x, weights, None, 0, 20)
    assert [one.direction for one in found] == ["text -> satellite", "satellite -> satellite"]
    words, places = found
    assert (words.queries, words.without_class) == (4, 1)  # no sample is of the last class
    assert (places.queries, places.own, places.strict_recall) == (24, "exclude", {})
    assert set(places.intervals) >= {"recall@1", "recall@10"}
    ids = data.series.sample_id
    ground = Ground((ids[3], ids[3], "elsewhere", ids[20]), np.stack([x[3], x[4], x[5], x[20]]))
    _, _, out, back = run._retrievals(data, x, weights, ground, 0, 20)
    assert (out.direction, out.queries, out.candidates) == ("satellite -> ground", 24, 3)
    assert (back.direction, back.queries, back.candidates) == ("ground -> satellite", 3, 24)
    assert out.without_place == 22
    assert out.strict_recall[1] == 1.0  # each place meets its own vector first
    assert back.strict_recall[1] == pytest.approx(2 / 3)  # a view of place 3 has the vector of place 4


def test_neighbours_lie_in_other_blocks_and_frequent_classes_come_first(findings: Findings) -> None:
    data, x = findings.data, findings.embeddings
    found = run._neighbours(data, x)
    assert [data.truth[pick] for pick, _ in found] == [0, 1, 2]
    for pick, near in found:
        middle = x[data.truth == data.truth[pick]].mean(axis=0)
        cosine = np.where(data.truth == data.truth[pick], x @ middle, -np.inf)
        assert pick == cosine.argmax()
        elsewhere = np.where(data.block == data.block[pick], -np.inf, x @ x[pick])
        assert near == np.argsort(-elsewhere, kind="stable")[:4].tolist()
    assert run._neighbours(replace(data, block=data.block * 0), x) == []


def test_large_sets_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_AT_MOST_QUERIES", 50)
    assert run._some(50, 0).tolist() == list(range(50))
    drawn = run._some(200, 1)
    assert len(np.unique(drawn)) == 50
    assert (np.diff(drawn) > 0).all()
    assert np.array_equal(drawn, run._some(200, 1))
    assert not np.array_equal(drawn, run._some(200, 2))


def test_the_heading_is_the_title_of_the_taxonomy_or_the_phrases(findings: Findings) -> None:
    assert run._heading(findings.data) == "maize <field>, lake, moor, glacier"
    lucas = load_taxonomy("lucas-land-cover")
    assert run._heading(replace(findings.data, taxonomy=lucas)) == lucas.title


def test_settings_of_the_run_are_kept(findings: Findings) -> None:
    about = run._about(MODEL, findings.data, "name", ["a note"], 7, 20, months_of=24)
    assert (about["seed"], about["draws"], about["blocks"], about["samples_for_months"]) == (7, 20, 8, 24)
    assert about["prompts"] == {name: [name] for name in findings.data.taxonomy.names}
    assert about["checkpoint"] == {
        "name": MODEL.config.name,
        "digest": MODEL.digest,
        "tower": MODEL.config.tower.name,
    }
    assert about["notes"] == ["a note"]
