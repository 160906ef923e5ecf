"""Bands that a whole table does not have: said once, after all of its pieces."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.band_presence import absent_bands
from timesenclip.errors import DegradedInputWarning
from timesenclip.series import PixelSeries

__all__ = ["AbsentBands", "describe_absent_bands"]


def describe_absent_bands(seen: NDArray[np.bool_], provenance: Mapping[str, Any] | None = None) -> str:
    """A sentence that names the bands that are not there, which columns the others are, and where the loss is told.

    Args:
        seen: (C,) whether each band was ever seen.
        provenance: of the series, with the `sensor` and the columns by band, as readers of points write it.

    Returns:
        The sentence without a full stop; empty where all bands are there, or none.
    """
    here = [name for name, there in zip(BAND_NAMES, seen, strict=True) if there]
    if len(here) in (0, len(BAND_NAMES)):
        return ""
    text = f"no {', '.join(absent_bands(here))}: {len(here)} of {len(BAND_NAMES)} bands are there"
    columns = (provenance or {}).get("bands")
    if isinstance(columns, Mapping):
        taken = ", ".join(f"{band} from {columns[band]}" for band in here if band in columns)
        text += f" (read as {(provenance or {}).get('sensor')}: {taken})"
    return f"{text}; docs/how-good.md tells the loss by bands"


class AbsentBands:
    """Collects which bands the pieces of a table have."""

    def __init__(self) -> None:
        """Begin without a piece."""
        self._seen = np.zeros(len(BAND_NAMES), dtype=np.bool_)
        self._provenance: Mapping[str, Any] = {}

    def add(self, series: PixelSeries) -> None:
        """Take one piece."""
        self._provenance = series.provenance
        if series.band_valid is not None:
            self._seen |= series.bands_seen().any(axis=(0, 1))
        elif series.valid.any():
            self._seen[:] = True

    def tell(self, source_name: str) -> None:
        """Warn of the bands that no piece had.

        Warns:
            DegradedInputWarning: there is one.
        """
        text = describe_absent_bands(self._seen, self._provenance)
        if text:
            warnings.warn(f"{source_name}: {text}.", DegradedInputWarning, stacklevel=3)
