from __future__ import annotations

import threading

import pytest

from timesenclip.errors import InputError
from timesenclip.mapping.run.executor import open_executor, worker_count
from timesenclip.mapping.run.facts import BlockFacts

WINDOWS = [(row, row + 1, 0, 5) for row in range(40)]


class Counting:
    """A job that knows how many of its blocks run at the same time."""

    def __init__(self) -> None:
        self.running, self.most, self.started = 0, 0, 0
        self.lock = threading.Lock()

    def run(self, window: tuple[int, int, int, int]) -> BlockFacts:
        with self.lock:
            self.running, self.started = self.running + 1, self.started + 1
            self.most = max(self.most, self.running)
        if window[0] == 7:
            with self.lock:
                self.running -= 1
            raise TypeError("block 7")
        with self.lock:
            self.running -= 1
        return BlockFacts(seen=window[0])

    def is_done(self, window: object, facts: BlockFacts) -> bool:
        return False


def test_every_block_ends_once_and_errors_are_results() -> None:
    job = Counting()
    with open_executor(3, None) as executor:
        results = list(executor(job, WINDOWS))
    assert sorted(result.window for result in results) == WINDOWS
    for result in results:
        if result.window[0] == 7:
            assert isinstance(result.error, TypeError)
            assert result.facts is None
        else:
            assert result.facts == BlockFacts(seen=result.window[0])
        assert not result.remote
    assert 1 <= job.most <= 3
    assert job.started == len(WINDOWS)


def test_an_iterator_that_is_left_early_starts_no_more_blocks() -> None:
    job = Counting()
    with open_executor(2, None) as executor:
        next(executor(job, iter(WINDOWS)))
    assert job.started <= 4


def test_workers_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="0 workers; expected 1 or more"):
        open_executor(0, None)
    for address in ("local:none", "local:0"):
        with pytest.raises(InputError, match=r"expected local:N"), open_executor(None, address):
            pass
    with pytest.raises(InputError, match="expected tcp://host:port"), open_executor(None, "nowhere"):
        pass
    assert worker_count(5, None) == 5
    assert worker_count(None, "local:3") == 3
