"""What may pass is tried again, an error of the program is not."""

from __future__ import annotations

import pytest

from timesenclip.errors import DataNotFoundError
from timesenclip.retries import with_retries


class Failing:
    def __init__(self, *errors: Exception) -> None:
        self.errors, self.numbers = list(errors), []

    def __call__(self, number: int) -> str:
        self.numbers.append(number)
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_an_error_that_passes_is_tried_again_after_doubling_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    attempt = Failing(OSError("network"), TimeoutError("slow"))
    assert with_retries(attempt, retries=3, errors=(OSError,), wait_s=0.5) == "done"
    assert attempt.numbers == [0, 1, 2]
    assert pauses == [0.5, 1.0]


def test_the_last_error_is_raised() -> None:
    attempt = Failing(OSError("first"), OSError("second"))
    with pytest.raises(OSError, match="second"):
        with_retries(attempt, retries=1, errors=(OSError,), wait_s=0)


@pytest.mark.parametrize("error", [TypeError("a fault"), DataNotFoundError("no file"), UserWarning("strict")])
def test_what_will_be_wrong_the_next_time_is_not_tried_again(error: Exception) -> None:
    attempt = Failing(error)
    with pytest.raises(type(error)):
        with_retries(attempt, retries=3, errors=(OSError,), wait_s=0)
    assert attempt.numbers == [0]
