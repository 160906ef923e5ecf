"""Retrieval among as many places as Sen4Map has: time and peak memory, exact, with average precision.

Vectors are random directions around eight class centres, so that every figure lies between chance and one.

    python benchmarks/retrieval.py [--queries 2000 | --all] [--places 335125] [--dims 256]
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from numpy.typing import NDArray

from timesenclip.evaluation.retrieval import retrieve

CLASSES = 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=335_125)
    parser.add_argument("--dims", type=int, default=256)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--all", action="store_true", help="every place asks")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    label = rng.integers(0, CLASSES, given.places)
    centre = rng.standard_normal((CLASSES, given.dims), dtype=np.float32)
    place = rng.standard_normal((given.places, given.dims), dtype=np.float32) + 0.3 * centre[label]
    satellite, ground = (unit(place + 2 * rng.standard_normal(place.shape, dtype=np.float32)) for _ in range(2))
    del place
    asked = np.arange(given.places if given.all else min(given.queries, given.places))
    names = [str(i) for i in range(given.places)]
    before = peak_mb()
    began = time.perf_counter()
    found = retrieve(
        satellite[asked],
        ground,
        direction="satellite -> ground",
        query_class=label[asked],
        candidate_class=label,
        query_id=[names[i] for i in asked],
        candidate_id=names,
    )
    seconds = time.perf_counter() - began
    print(f"{len(asked):,} queries, {given.places:,} candidates, {given.dims} dimensions: {seconds:,.0f} s")
    each = seconds / len(asked)
    print(f"{1000 * each:.2f} ms a query; all places: {each * given.places / 60:.0f} min")
    print(f"peak memory {peak_mb():,.0f} MB, {before:,.0f} MB of it vectors and libraries")
    print(f"Recall {found.recall}, mAP {found.mean_average_precision:.4f}, strict {found.strict_recall}")


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1."""
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def peak_mb() -> float:
    """Peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
