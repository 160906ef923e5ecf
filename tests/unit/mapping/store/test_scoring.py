from __future__ import annotations

import threading

import numpy as np
import pytest

from timesenclip.mapping.embed_area import StoreResult
from timesenclip.mapping.query import make_query
from timesenclip.mapping.store.scoring import in_threads, load_area, score_area


def test_results_come_in_the_order_of_the_blocks_and_few_wait() -> None:
    lock, begun, taken = threading.Lock(), [0], 0
    first = threading.Event()

    def work(number: int) -> int:
        with lock:
            begun[0] += 1
        if number == 0:
            first.wait(5)
        else:
            first.set()
        return number * 2

    for number, result in in_threads(work, range(50), workers=2):
        assert (number, result) == (taken, 2 * taken)
        assert begun[0] <= taken + 5  # no more than two a thread wait, besides the one that was taken
        taken += 1
    assert taken == 50


def test_an_error_reaches_the_caller() -> None:
    def work(number: int) -> float:
        return 1 / (3 - number)

    found = in_threads(work, range(10), workers=2)
    with pytest.raises(ZeroDivisionError):
        list(found)


def test_scores_from_disk_and_from_memory_agree(embedded: StoreResult) -> None:
    vectors = make_query(embedded.store, ["maize", "water"]).vectors
    from_disk = score_area(embedded.store, vectors, workers=2)
    loaded = load_area(embedded.store, workers=2)
    from_memory = loaded.scores(vectors)
    loaded.pool.shutdown()
    assert from_disk.shape == (32, 48, 2)
    assert np.isnan(from_disk[:8, :6]).all()
    assert np.allclose(from_disk, from_memory, atol=1e-6, equal_nan=True)
    expected = embedded.store.read().unpacked() @ vectors.T
    assert np.allclose(from_disk, expected, atol=1e-5, equal_nan=True)
