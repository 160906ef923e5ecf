"""The check for an offset that was left in the pixels, made once for an opened area."""

from __future__ import annotations

import threading

from timesenclip.eo.band_presence import darkest
from timesenclip.eo.period import Period
from timesenclip.eo.pixel_checks import ENOUGH_TO_TELL, check_dark_level
from timesenclip.series import Cube

__all__ = ["OffsetCheck"]

_LOCK = threading.Lock()
"""Held while the pixels are looked at, so that of several threads only one warns. Not part of `OffsetCheck`, because a
lock cannot be pickled."""


class OffsetCheck:
    """Remembers which periods of an opened area were looked at, and whether a warning was given.

    It is pickled with the area: a copy in another process repeats neither a look nor a warning of the original.
    """

    def __init__(self) -> None:
        """Nothing was looked at yet."""
        self._looked_at: set[Period | None] = set()
        self._warned = False

    def is_due(self, period: Period | None) -> bool:
        """Whether pixels of this period are still to be looked at."""
        return not self._warned and period not in self._looked_at

    def look(self, cube: Cube, period: Period | None, *, source_name: str, stacklevel: int = 2) -> None:
        """Look at the darkest pixels; with too few observations to tell, the next cube of the period is looked at.

        Args:
            cube: pixels of the area.
            period: what was asked for when they were read; None: all dates.
            source_name: name of the area, for the message.
            stacklevel: as of `warnings.warn`, counted from the caller.

        Warns:
            DegradedInputWarning: the offset seems to be in the pixels; once, whatever is looked at later.
        """
        if not self.is_due(period) or int(cube.valid.sum()) < ENOUGH_TO_TELL:
            return
        with _LOCK:
            if self.is_due(period):
                lowest = darkest(cube)  # (T, Y, X)
                # A warning that is raised as an error is not remembered: the next attempt must fail as well.
                self._warned = check_dark_level(
                    lowest, cube.valid, source_name=source_name, dates=cube.start, stacklevel=stacklevel + 1
                )
                self._looked_at.add(period)
