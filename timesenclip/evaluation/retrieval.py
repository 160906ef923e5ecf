"""Retrieval between satellite series, photographs and texts: Recall@K and mean average precision.

There are two metrics. **Class-consistent** Recall@K: is one of the first K candidates of the query's class?
**Instance-level** (strict) Recall@K: is a candidate of the query's own place among the first K? The paper reports the
first; the second is harder.

Rules, so that results can be compared between studies:

- *Self-match.* Between two streams (satellite and ground) the candidate of the query's own place is a correct
  result and counts. Within one stream it is the query itself: pass `own="exclude"` to leave it out.
- *Ties count as misses.* A wrong candidate with the same score ranks before the right one, so that an encoder that
  maps everything to one vector finds nothing, whatever the order of the rows.
- *Average precision* is over the whole ranking; equal scores share the rank of the last of them, as in scikit-learn.
- A query without class, or of a class that no candidate has, is left out of the class-consistent metrics and counted.
- Queries and candidates with NaN (a series without a clear observation) are left out and counted.

The search is exact: every query is compared with every candidate, in blocks that fit `memory_mb`. It needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError
from timesenclip.evaluation.bootstrap import DRAWS, mean_intervals

__all__ = ["ClassRetrieval", "Retrieval", "nearest", "rank_after_ties", "retrieve"]

Own = Literal["include", "exclude"]
Float = NDArray[np.float32]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClassRetrieval:
    """Retrieval metrics of the queries of one class."""

    name: str
    """Its name."""
    queries: int
    """Number of its queries."""
    candidates: int
    """Number of its candidates."""
    recall: dict[int, float]
    """K -> share of its queries with a candidate of the class among the first K."""
    mean_average_precision: float | None
    """Mean average precision of its queries; None where it was not computed."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Retrieval metrics of one direction."""

    direction: str
    """Such as "satellite -> ground"."""
    queries: int
    """Number of queries."""
    candidates: int
    """Number of candidates."""
    recall: dict[int, float]
    """K -> class-consistent Recall@K over the queries; empty without classes."""
    macro_recall: dict[int, float]
    """K -> mean over classes of their Recall@K."""
    mean_average_precision: float | None
    """Mean average precision over the queries."""
    macro_average_precision: float | None
    """Mean over classes of their mean average precision."""
    strict_recall: dict[int, float]
    """K -> instance-level Recall@K; empty without ids."""
    strict_median_rank: float | None
    """Median rank of the own place, 1 = first."""
    classes: tuple[ClassRetrieval, ...]
    """Per class of the queries."""
    own: Own
    """Whether candidates of the query's own place were included."""
    unseen_queries: int
    """Queries left out because their vector is NaN."""
    unseen_candidates: int
    """Candidates left out because their vector is NaN."""
    without_class: int
    """Queries left out of the class-consistent metrics: no label, or no candidate of their class."""
    without_place: int
    """Queries left out of the strict metrics: no candidate of their place."""
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """95 % intervals of `recall@K`, `mean_average_precision` and `strict_recall@K`, where blocks were given."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def retrieve(
    queries: Float,
    candidates: Float,
    *,
    direction: str,
    query_class: NDArray[np.integer] | None = None,
    candidate_class: NDArray[np.integer] | None = None,
    names: Sequence[str] = (),
    query_id: Sequence[str] | None = None,
    candidate_id: Sequence[str] | None = None,
    ks: Sequence[int] = (1, 5, 10),
    own: Own = "include",
    average_precision: bool = True,
    query_block: NDArray[np.integer] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    memory_mb: float = 256,
    progress: Callable[[int, int], None] | None = None,
) -> Retrieval:
    """Rank all candidates for every query and compute the metrics.

    Args:
        queries: (Q, D) unit rows.
        candidates: (M, D) unit rows.
        direction: a name for the report, such as "satellite -> ground".
        query_class, candidate_class: (Q,), (M,) class indices, -1 = none; give both or neither.
        names: class names.
        query_id, candidate_id: names of the places, for the strict metrics and for `own`; a place may have several
            candidates (its four photographs), of which the best counts.
        ks: the K of Recall@K; a K above the number of candidates is allowed.
        own: whether candidates of the query's own place count or are left out, see the rules of the module.
        average_precision: also the mean average precision (sorts every row, the slow part of large sets).
        query_block: (Q,) block of land of each query, for intervals: blocks are drawn, not queries.
        draws, seed: number of draws and seed of the bootstrap.
        memory_mb: working memory in MB; a block holds at least one query.
        progress: called with (done, Q).

    Raises:
        InputError: shapes do not match, there is no query or no candidate, or neither classes nor ids were given.
    """
    _check(queries, candidates, query_class, candidate_class, query_id, candidate_id, ks)
    q_keep, c_keep = (np.flatnonzero(np.isfinite(x).all(axis=1)) for x in (queries, candidates))
    if not len(q_keep) or not len(c_keep):
        raise InputError(
            f"{len(q_keep)} of {len(queries)} queries and {len(c_keep)} of {len(candidates)} candidates have a vector "
            "without NaN; expected at least one of each."
        )
    classes = None
    if query_class is not None and candidate_class is not None:
        classes = np.asarray(query_class, np.int64)[q_keep], np.asarray(candidate_class, np.int64)[c_keep]
    places = None
    if query_id is not None and candidate_id is not None:
        places = _Places([query_id[int(i)] for i in q_keep], [candidate_id[int(j)] for j in c_keep])
    ranks = _Ranks(queries, candidates, q_keep, c_keep, classes, places, own)
    ranks.run(average_precision=average_precision, memory_mb=memory_mb, progress=progress)
    found = _summary(ranks, direction, names, sorted(set(ks)), len(queries), len(candidates))
    if query_block is None:
        return found
    block = np.asarray(query_block, np.int64)[q_keep]
    return replace(found, intervals=mean_intervals(_single(ranks, found), block, draws=draws, seed=seed))


def nearest(queries: Float, candidates: Float, *, k: int, memory_mb: float = 256) -> tuple[Index, Float]:
    """The k nearest candidates of every query and their cosines, (Q, k) each, best first; ties in row order.

    Args:
        queries: (Q, D) unit rows without NaN.
        candidates: (M, D) unit rows; rows of NaN come last.
        k: how many; no more than M.
        memory_mb: working memory in MB.

    Raises:
        InputError: k is not within 1..M.
    """
    if not 1 <= k <= len(candidates):
        raise InputError(f"{k} neighbours among {len(candidates)} candidates; expected 1..{len(candidates)}.")
    index, cosine = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    for rows in _blocks(len(queries), len(candidates), memory_mb):
        scores = np.nan_to_num(queries[rows] @ candidates.T, nan=-np.inf)  # (B, M)
        least = np.partition(scores, -k, axis=1)[:, -k, None]
        for i, (row, floor) in enumerate(zip(scores, least, strict=True), start=rows.start):
            near = np.flatnonzero(row >= floor)
            index[i] = near[np.argsort(-row[near], kind="stable")[:k]]
            cosine[i] = row[index[i]]
    return index, cosine


def rank_after_ties(scores: Any, right: Any, best: Any) -> Any:
    """Rank of the best right candidate of each query, 1 = first; wrong candidates of the same score rank before it.

    Works on NumPy arrays and on torch tensors, so that evaluation and training count alike.

    Args:
        scores: (B, M) scores of all candidates, the right ones included.
        right: (B, R) scores of the right candidates; -inf where a query has fewer than R.
        best: (B, 1) the highest of `right`.

    Returns:
        (B,) integers.
    """
    return (scores >= best).sum(axis=1) - (right >= best).sum(axis=1) + 1


class _Places:
    """For each query, the columns of the candidates of its own place."""

    def __init__(self, query: Sequence[str], candidate: Sequence[str]) -> None:
        unique, inverse = np.unique(np.asarray([str(name) for name in candidate]), return_inverse=True)
        self._order = np.argsort(inverse, kind="stable")
        self._first = np.searchsorted(inverse[self._order], np.arange(len(unique) + 1))
        wanted = np.asarray([str(name) for name in query])
        slot = np.minimum(np.searchsorted(unique, wanted), len(unique) - 1)
        self._slot = np.where(unique[slot] == wanted, slot, -1)

    def columns(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(row in the block, candidate) of every own candidate of these queries."""
        slot = self._slot[rows]
        found = [self._order[self._first[s] : self._first[s + 1]] if s >= 0 else self._order[:0] for s in slot]
        return np.repeat(np.arange(len(rows)), [len(f) for f in found]), np.concatenate(found)


class _Ranks:
    """Ranks of every query, filled block by block."""

    def __init__(
        self,
        queries: Float,
        candidates: Float,
        q_keep: NDArray[np.intp],
        c_keep: NDArray[np.intp],
        classes: tuple[Index, Index] | None,
        places: _Places | None,
        own: Own,
    ) -> None:
        self.classes, self.places, self.own = classes, places, own
        # Candidates lie sorted by class, so that a class is a slice of the columns and never a mask of their length.
        self.order = np.arange(len(c_keep)) if classes is None else np.argsort(classes[1], kind="stable")
        self.column = np.argsort(self.order)
        self._candidates = np.ascontiguousarray(candidates[c_keep[self.order]], dtype=np.float32)
        self._queries, self.q_keep = queries, q_keep
        self.sorted_class = None if classes is None else classes[1][self.order]
        n = len(q_keep)
        self.class_rank = np.zeros(n, np.int64)  # 0 = does not count
        self.place_rank = np.zeros(n, np.int64)
        self.precision = np.full(n, np.nan)

    @property
    def candidates(self) -> int:
        """Number of candidates, M."""
        return len(self._candidates)

    def run(self, *, average_precision: bool, memory_mb: float, progress: Callable[[int, int], None] | None) -> None:
        """Fill the ranks."""
        n = len(self.q_keep)
        by_class = np.arange(n) if self.classes is None else np.argsort(self.classes[0], kind="stable")
        for span in _blocks(n, self.candidates, memory_mb / (2.5 if average_precision else 1.5)):
            rows = by_class[span]
            scores = np.asarray(self._queries[self.q_keep[rows]], np.float32) @ self._candidates.T  # (B, M)
            if self.places is not None:
                at, which = self.places.columns(rows)
                if self.own == "exclude":
                    scores[at, self.column[which]] = -np.inf
                else:
                    self._rank_places(rows, scores, at, self.column[which])
            if self.classes is not None:
                self._rank_classes(rows, scores, average_precision=average_precision)
            if progress is not None:
                progress(span.stop, n)

    def _rank_places(
        self, rows: NDArray[np.intp], scores: Float, at: NDArray[np.intp], which: NDArray[np.intp]
    ) -> None:
        own = np.full((len(rows), int(np.bincount(at, minlength=1).max())), -np.inf, np.float32)  # (B, R)
        own[at, np.arange(len(at)) - np.searchsorted(at, at)] = scores[at, which]  # `at` is sorted
        best = own.max(axis=1, keepdims=True, initial=-np.inf)
        rank = rank_after_ties(scores, own, best)
        self.place_rank[rows] = np.where(np.isfinite(best[:, 0]), rank, 0)

    def _rank_classes(self, rows: NDArray[np.intp], scores: Float, *, average_precision: bool) -> None:
        assert self.classes is not None
        assert self.sorted_class is not None
        mine = self.classes[0][rows]
        for k in np.unique(mine[mine >= 0]):
            first, last = np.searchsorted(self.sorted_class, [k, k + 1])
            here = np.flatnonzero(mine == k)
            part = scores[here]  # (b, M)
            right = part[:, first:last]
            there = np.isfinite(right).sum(axis=1)  # the excluded own candidate does not count
            some = there > 0
            if not some.any():
                continue
            part, right, here, there = part[some], right[some], here[some], there[some]
            self.class_rank[rows[here]] = rank_after_ties(part, right, right.max(axis=1, keepdims=True))
            if average_precision:
                self.precision[rows[here]] = _average_precision(part, right, there)


def _average_precision(scores: Float, right: Float, there: NDArray[np.intp]) -> NDArray[np.float64]:
    """(b,) average precision of rows of scores of which `right` are the relevant columns."""
    out = np.empty(len(scores))
    for i, (row, good, count) in enumerate(zip(np.sort(scores, axis=1), np.sort(right, axis=1), there, strict=True)):
        good = good[len(good) - count :]
        rank = len(row) - np.searchsorted(row, good, side="left")
        found = count - np.searchsorted(good, good, side="left")
        out[i] = float((found / rank).mean())
    return out


def _summary(
    ranks: _Ranks, direction: str, names: Sequence[str], ks: Sequence[int], asked: int, offered: int
) -> Retrieval:
    n = len(ranks.q_keep)
    used = ranks.class_rank > 0
    rows: list[ClassRetrieval] = []
    if ranks.classes is not None:
        for k in np.unique(ranks.classes[0][used]):
            mine = used & (ranks.classes[0] == k)
            rows.append(
                ClassRetrieval(
                    name=names[k] if k < len(names) else str(k),
                    queries=int(mine.sum()),
                    candidates=int((ranks.classes[1] == k).sum()),
                    recall=_recall(ranks.class_rank[mine], ks),
                    mean_average_precision=_mean(ranks.precision[mine]),
                )
            )
    precisions = [row.mean_average_precision for row in rows if row.mean_average_precision is not None]
    placed = ranks.place_rank[ranks.place_rank > 0]
    strict = ranks.places is not None and ranks.own == "include"
    return Retrieval(
        direction=direction,
        queries=n,
        candidates=ranks.candidates,
        recall=_recall(ranks.class_rank[used], ks),
        macro_recall={k: float(np.mean([row.recall[k] for row in rows])) for k in ks} if rows else {},
        mean_average_precision=_mean(ranks.precision[used]),
        macro_average_precision=float(np.mean(precisions)) if precisions else None,
        strict_recall=_recall(placed, ks) if strict else {},
        strict_median_rank=float(np.median(placed)) if strict and len(placed) else None,
        classes=tuple(rows),
        own=ranks.own,
        unseen_queries=asked - n,
        unseen_candidates=offered - ranks.candidates,
        without_class=n - int(used.sum()) if ranks.classes is not None else 0,
        without_place=n - len(placed) if strict else 0,
    )


def _single(ranks: _Ranks, found: Retrieval) -> dict[str, NDArray[np.float64]]:
    """Metrics of each query, (Q,) by name; NaN where a query does not count."""
    kinds = (("recall", ranks.class_rank, found.recall), ("strict_recall", ranks.place_rank, found.strict_recall))
    out = {
        f"{name}@{k}": np.where(rank > 0, (rank <= k).astype(np.float64), np.nan)
        for name, rank, cuts in kinds
        for k in cuts
    }
    return out | ({} if found.mean_average_precision is None else {"mean_average_precision": ranks.precision})


def _recall(rank: NDArray[np.int64], ks: Sequence[int]) -> dict[int, float]:
    return {k: float((rank <= k).mean()) for k in ks} if len(rank) else {}


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _blocks(count: int, width: int, memory_mb: float) -> Iterator[slice]:
    size = int(max(1, memory_mb * 1e6 / (4 * max(width, 1))))
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def _check(
    queries: Float,
    candidates: Float,
    query_class: NDArray[np.integer] | None,
    candidate_class: NDArray[np.integer] | None,
    query_id: Sequence[str] | None,
    candidate_id: Sequence[str] | None,
    ks: Sequence[int],
) -> None:
    if queries.ndim != 2 or candidates.ndim != 2 or queries.shape[1] != candidates.shape[1]:
        raise InputError(f"Queries {queries.shape} and candidates {candidates.shape} have different dimensions.")
    if not ks or min(ks) < 1:
        raise InputError(f"Recall at K = {list(ks)}; expected numbers from 1 on.")
    pairs = (("class", query_class, candidate_class), ("id", query_id, candidate_id))
    for what, mine, theirs in pairs:
        if (mine is None) != (theirs is None):
            raise InputError(f"A {what} was given for one side only; give query_{what} and candidate_{what}.")
        if mine is not None and theirs is not None and (len(mine), len(theirs)) != (len(queries), len(candidates)):
            raise InputError(
                f"query_{what} and candidate_{what} have {len(mine)} and {len(theirs)} entries for {len(queries)} "
                f"queries and {len(candidates)} candidates; give one for each."
            )
    if query_class is None and query_id is None:
        raise InputError("Neither classes nor ids were given, so correct candidates are not known; give one.")
