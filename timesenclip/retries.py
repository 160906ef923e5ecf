"""Try again what may pass: a network or a disk that had a bad moment, never an error in the data or in the program."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from timesenclip.errors import TimeSenCLIPError

__all__ = ["with_retries"]

T = TypeVar("T")


def with_retries(attempt: Callable[[int], T], *, retries: int, errors: tuple[type[Exception], ...], wait_s: float) -> T:
    """Call `attempt(0)` and, while it raises one of `errors`, `attempt(1)` and so on.

    Args:
        attempt: takes the number of the attempt.
        retries: how often it is tried again after the first attempt.
        errors: what may pass. `TimeSenCLIPError` never does, even where it is also one of these.
        wait_s: seconds before the first retry; the pause doubles with each.

    Raises:
        Exception: of the last attempt, or the first that is none of `errors`.
    """
    for number in range(retries):
        try:
            return attempt(number)
        except TimeSenCLIPError:
            raise
        except errors:
            time.sleep(wait_s * 2**number)
    return attempt(retries)
