"""Warnings that an area gives once for all its windows, whichever kind of source reads it."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass

from timesenclip.bands import SCL_NAME
from timesenclip.errors import DegradedInputWarning

__all__ = ["MaskNotice"]

_LOCK = threading.Lock()
"""Held while the warning is given, so that only one of several threads gives it. Not part of `MaskNotice`, because
a lock cannot be pickled."""


@dataclass
class MaskNotice:
    """Warns once for an opened area that its clouds are not masked, since it has no SCL; pickled with the area."""

    given: bool = False
    """Whether the warning was given. One that is raised as an error does not count: the next attempt must fail, too."""

    def give(self, source_name: str, *, stacklevel: int = 2) -> None:
        """Give the warning, unless it was given before.

        Args:
            source_name: name of the area.
            stacklevel: as of `warnings.warn`, counted from the caller.

        Warns:
            DegradedInputWarning: clouds are not masked.
        """
        with _LOCK:
            if not self.given:
                warnings.warn(
                    f"{source_name} has no {SCL_NAME}, so clouds are not masked; add it, or read with mask=False if "
                    "the images are composites of clear observations.",
                    DegradedInputWarning,
                    stacklevel=stacklevel + 1,
                )
                self.given = True
