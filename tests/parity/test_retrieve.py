"""Retrieval against a brute-force reference and scikit-learn."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from timesenclip.errors import InputError
from timesenclip.evaluation.retrieval import nearest, retrieve


def _coarse(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    """Vectors of small integers: products are exact in float32, and many of them tie."""
    return rng.integers(-2, 3, (n, dim)).astype(np.float32)


def _rank(row: np.ndarray, right: np.ndarray) -> int:
    """Position of the first right candidate when wrong ones come first among equals, by sorting."""
    order = np.lexsort((right, -row))
    return int(np.flatnonzero(right[order])[0]) + 1


@pytest.mark.parametrize("own", ["include", "exclude"])
@pytest.mark.parametrize("memory_mb", [0.0001, 64])
def test_ranks_equal_brute_force(own: str, memory_mb: float) -> None:
    rng = np.random.default_rng(3)
    queries, candidates = _coarse(rng, 90, 4), _coarse(rng, 120, 4)
    mine, theirs = rng.integers(-1, 5, 90), rng.integers(0, 4, 120)  # no candidate of class 4
    ids, offered = [f"p{i}" for i in range(90)], [f"p{rng.integers(0, 100)}" for _ in range(120)]  # doubles and gaps
    found = retrieve(
        queries,
        candidates,
        direction="a -> b",
        query_class=mine,
        candidate_class=theirs,
        names="abcde",
        query_id=ids,
        candidate_id=offered,
        own=own,  # type: ignore[arg-type]
        memory_mb=memory_mb,
    )
    class_ranks, place_ranks, precisions, kinds = [], [], [], []
    for i in range(90):
        same = np.array([name == ids[i] for name in offered])
        row = queries[i] @ candidates.T
        if same.any() and own == "include":
            place_ranks.append(_rank(row, same))
        offer = ~same if own == "exclude" else np.ones(120, dtype=bool)
        right = (theirs == mine[i])[offer]
        if mine[i] >= 0 and right.any():
            class_ranks.append(_rank(row[offer], right))
            precisions.append(average_precision_score(right, row[offer]))
            kinds.append(mine[i])
    ranks, kind, precision = np.array(class_ranks), np.array(kinds), np.array(precisions)
    assert found.recall == pytest.approx({k: (ranks <= k).mean() for k in (1, 5, 10)})
    assert found.mean_average_precision == pytest.approx(precision.mean(), abs=1e-9)
    assert found.without_class == 90 - len(ranks)
    for row in found.classes:
        here = kind == "abcde".index(row.name)
        assert row.recall == pytest.approx({k: (ranks[here] <= k).mean() for k in (1, 5, 10)})
        assert row.mean_average_precision == pytest.approx(precision[here].mean(), abs=1e-9)
    if own == "include":
        strict = np.array(place_ranks)
        assert found.strict_recall == pytest.approx({k: (strict <= k).mean() for k in (1, 5, 10)})
        assert found.strict_median_rank == np.median(strict)
        assert found.without_place == 90 - len(strict)
    else:
        assert found.strict_recall == {}


def test_a_collapsed_encoder_finds_nothing() -> None:
    same = np.ones((40, 3), np.float32)
    kinds = np.arange(40) % 4
    names = [str(i) for i in range(40)]
    found = retrieve(
        same,
        same,
        direction="x",
        query_class=kinds,
        candidate_class=kinds,
        query_id=names,
        candidate_id=names,
        ks=(1, 10),
    )
    assert found.recall == {1: 0.0, 10: 0.0}
    assert found.strict_recall == {1: 0.0, 10: 0.0}
    assert found.mean_average_precision == pytest.approx(0.25)


def test_rows_of_nan_are_left_out_and_k_may_exceed_the_candidates() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 3)).astype(np.float32)
    x[2] = np.nan
    names = list("abcdef")
    found = retrieve(x, x, direction="x", query_id=names, candidate_id=names, ks=(1, 50))
    assert (found.queries, found.unseen_queries, found.unseen_candidates) == (5, 1, 1)
    assert found.strict_recall[50] == 1.0
    with pytest.raises(InputError, match="without NaN"):
        retrieve(x[2:3], x, direction="x", query_id=["c"], candidate_id=names)


def test_memory_does_not_grow_with_the_queries() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6000, 8)).astype(np.float32)  # all scores at once would take 144 MB
    kinds = rng.integers(0, 5, 6000)
    tracemalloc.start()
    retrieve(x, x, direction="x", query_class=kinds, candidate_class=kinds, memory_mb=8, average_precision=False)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak < 30


def test_neighbours_equal_a_stable_sort() -> None:
    rng = np.random.default_rng(2)
    queries, candidates = _coarse(rng, 30, 4), _coarse(rng, 70, 4)
    index, cosine = nearest(queries, candidates, k=9, memory_mb=0.001)
    scores = queries @ candidates.T
    assert np.array_equal(index, np.argsort(-scores, axis=1, kind="stable")[:, :9])
    assert np.array_equal(cosine, np.take_along_axis(scores, index, axis=1))
    with pytest.raises(InputError, match=r"1\.\.70"):
        nearest(queries, candidates, k=71)


def test_what_cannot_be_asked_is_refused() -> None:
    x = np.eye(3, dtype=np.float32)
    with pytest.raises(InputError, match="correct candidates are not known"):
        retrieve(x, x, direction="x")
    with pytest.raises(InputError, match="one side only"):
        retrieve(x, x, direction="x", query_class=np.arange(3))
    with pytest.raises(InputError, match="dimensions"):
        retrieve(x, np.ones((2, 4), np.float32), direction="x", query_id="abc", candidate_id="ab")
    with pytest.raises(InputError, match="give one for each"):
        retrieve(x, x, direction="x", query_id="ab", candidate_id="abc")


def test_retrieval_needs_no_torch() -> None:
    code = "import sys, timesenclip.evaluation.retrieval; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_intervals_are_those_of_the_queries_blocks() -> None:
    rng = np.random.default_rng(5)
    queries, candidates = _coarse(rng, 80, 4), _coarse(rng, 90, 4)
    mine, theirs, block = rng.integers(-1, 4, 80), rng.integers(0, 4, 90), np.arange(80) // 8
    options = {"direction": "a -> b", "candidate_class": theirs, "candidate_id": [str(i) for i in range(90)]}
    ids = [str(i) for i in range(80)]
    found = retrieve(queries, candidates, query_class=mine, query_id=ids, query_block=block, draws=300, **options)
    assert set(found.intervals) == {
        *(f"{kind}@{k}" for kind in ("recall", "strict_recall") for k in (1, 5, 10)),
        "mean_average_precision",
    }
    # The same draws, with the whole retrieval done again on the drawn queries.
    share = np.full(10, 0.1)
    times = np.random.default_rng(0).multinomial(10, share, size=50)
    drawn = []
    for row in times[:40]:
        rows = np.concatenate([np.repeat(np.flatnonzero(block == b), n) for b, n in enumerate(row) if n])
        again = retrieve(queries[rows], candidates, query_class=mine[rows], query_id=[ids[i] for i in rows], **options)
        drawn.append((again.recall[1], again.strict_recall[10], again.mean_average_precision))
    few = retrieve(queries, candidates, query_class=mine, query_id=ids, query_block=block, draws=50, **options)
    assert few.recall == found.recall
    low, high = np.percentile(np.array(drawn), [2.5, 97.5], axis=0)
    for i, name in enumerate(("recall@1", "strict_recall@10", "mean_average_precision")):
        assert found.intervals[name] == pytest.approx((low[i], high[i]), abs=0.05)
        assert found.intervals[name][0] < found.intervals[name][1]
    assert retrieve(queries, candidates, query_class=mine, query_id=ids, **options).intervals == {}
