from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from timesenclip.errors import DataNotFoundError
from timesenclip.grid import Window
from timesenclip.mapping.run.attempt import attempt_block, one_torch_thread
from timesenclip.mapping.run.facts import BlockFacts

WINDOW = Window(0, 16, 0, 16)


class Failing:
    """A job that fails some times."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.attempts = error, times, 0

    def run(self, window: tuple[int, int, int, int]) -> BlockFacts:
        self.attempts += 1
        if self.attempts <= self.times:
            raise self.error
        return BlockFacts(seen=1)

    def is_done(self, window: object, facts: BlockFacts) -> bool:
        return False


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timesenclip.mapping.run.attempt._FIRST_WAIT_S", 0.001)


def test_an_input_or_output_that_fails_is_tried_again_twice() -> None:
    job = Failing(OSError(28, "No space left on device"), times=2)
    assert attempt_block(job, WINDOW) == BlockFacts(seen=1)
    assert job.attempts == 3
    job = Failing(OSError(28, "No space left on device"), times=3)
    with pytest.raises(OSError, match="No space left"):
        attempt_block(job, WINDOW)
    assert job.attempts == 3


@pytest.mark.parametrize("error", [TypeError("unsupported operand"), ValueError("bad"), DataNotFoundError("gone")])
def test_an_error_that_would_occur_again_is_not_tried_again(error: Exception) -> None:
    job = Failing(error, times=1)
    with pytest.raises(type(error)):
        attempt_block(job, WINDOW)
    assert job.attempts == 1


@pytest.mark.parametrize("leave", [lambda: None, lambda: 1 / 0])
def test_the_number_of_threads_is_restored(leave: Callable[[], object]) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        try:
            with one_torch_thread():
                assert torch.get_num_threads() == 1
                leave()
        except ZeroDivisionError:
            pass
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
