"""Retrieval of cases worked out by hand; `tests/parity/test_retrieve.py` compares it with brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from timesenclip.evaluation.retrieval import nearest, rank_after_ties, retrieve

# Four candidates on a quarter circle; the queries lie at 0 and at 90 degrees.
ANGLE = np.radians([10, 20, 60, 80])
CANDIDATES = np.stack([np.cos(ANGLE), np.sin(ANGLE)], axis=1).astype(np.float32)
QUERIES = np.eye(2, dtype=np.float32)


def test_recall_and_average_precision_of_two_queries() -> None:
    found = retrieve(
        QUERIES,
        CANDIDATES,
        direction="a -> b",
        query_class=np.array([0, 1]),
        candidate_class=np.array([1, 0, 0, 1]),
        names=("maize", "lake"),
        ks=(2, 1, 3),
    )
    # Query 0 meets 1, 0, 0, 1 (its class second and third), query 1 the reverse (its class first and fourth).
    assert found.recall == {1: 0.5, 2: 1.0, 3: 1.0}
    precision = [(1 / 2 + 2 / 3) / 2, (1 / 1 + 2 / 4) / 2]
    assert found.mean_average_precision == pytest.approx(np.mean(precision))
    assert found.macro_average_precision == pytest.approx(np.mean(precision))
    assert [(row.name, row.queries, row.candidates) for row in found.classes] == [("maize", 1, 2), ("lake", 1, 2)]
    assert [row.recall[1] for row in found.classes] == [0.0, 1.0]
    assert [row.mean_average_precision for row in found.classes] == pytest.approx(precision)
    assert (found.strict_recall, found.strict_median_rank) == ({}, None)


def test_the_best_candidate_of_the_own_place_counts() -> None:
    found = retrieve(
        QUERIES,
        CANDIDATES,
        direction="a -> b",
        query_id=["p", "q"],
        candidate_id=["x", "p", "p", "z"],
        ks=(1, 2),
    )
    assert found.strict_recall == {1: 0.0, 2: 1.0}
    assert found.strict_median_rank == 2
    assert found.without_place == 1  # q has no candidate
    assert found.recall == {}
    assert found.mean_average_precision is None


def test_the_query_itself_can_be_left_out() -> None:
    kinds, ids = np.array([0, 0, 1, 1]), list("abcd")
    options = {"direction": "a -> a", "query_class": kinds, "candidate_class": kinds, "names": "xy", "ks": (1,)}
    both = {"query_id": ids, "candidate_id": ids}
    assert retrieve(CANDIDATES, CANDIDATES, **options, **both).strict_recall == {1: 1.0}
    alone = retrieve(CANDIDATES, CANDIDATES, own="exclude", **options, **both)
    assert alone.recall == {1: 1.0}  # each nearest other candidate is of the same class
    assert (alone.own, alone.strict_recall) == ("exclude", {})
    swapped = options | {"query_class": kinds[[0, 2, 1, 3]], "candidate_class": kinds[[0, 2, 1, 3]]}
    assert retrieve(CANDIDATES, CANDIDATES, own="exclude", **swapped, **both).recall == {1: 0.0}


def test_queries_without_a_class_or_a_candidate_of_it_are_counted() -> None:
    found = retrieve(
        CANDIDATES,
        CANDIDATES,
        direction="x",
        query_class=np.array([0, -1, 2, 0]),
        candidate_class=np.array([0, 0, 1, 1]),
        average_precision=False,
    )
    assert (found.queries, found.without_class) == (4, 2)
    assert found.recall[1] == 0.5
    assert found.mean_average_precision is None
    assert found.to_dict()["classes"][0]["queries"] == 2


def test_ties_rank_before_the_right_candidate_in_numpy_and_torch() -> None:
    scores = np.array([[0.9, 0.5, 0.5, 0.1], [0.2, 0.2, 0.2, 0.2], [0.1, 0.2, 0.3, 0.4]], np.float32)
    right = np.array([[0.5, -np.inf], [0.2, 0.2], [0.4, 0.1]], np.float32)
    best = right.max(axis=1, keepdims=True)
    assert rank_after_ties(scores, right, best).tolist() == [3, 3, 1]
    assert rank_after_ties(*map(torch.from_numpy, (scores, right, best))).tolist() == [3, 3, 1]


def test_neighbours_are_the_nearest_angles_and_nan_comes_last() -> None:
    some = CANDIDATES.copy()
    some[0] = np.nan
    index, cosine = nearest(QUERIES, some, k=4)
    assert index.tolist() == [[1, 2, 3, 0], [3, 2, 1, 0]]
    assert cosine[0, :3] == pytest.approx(np.cos(ANGLE[1:]), abs=1e-6)


def test_progress_ends_with_all_queries() -> None:
    calls: list[tuple[int, int]] = []
    retrieve(
        CANDIDATES,
        CANDIDATES,
        direction="x",
        query_id="abcd",
        candidate_id="abcd",
        memory_mb=1e-9,
        progress=lambda done, of: calls.append((done, of)),
    )
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]  # a block holds one query at least
