"""Retries for errors that may be temporary, such as those of a network or a disk; other errors are raised at once."""

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
        errors: errors that may be temporary. A `TimeSenCLIPError` is raised at once, even if it is one of these.
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
