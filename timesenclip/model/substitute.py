"""Put B08 in the place of B8A for encoders that need all ten bands; nothing else is ever put in place of a band.

Encoders with `band_mask` read what is there. Older checkpoints, the paper's among them, need B8A, and many tables
(WorldCereal's) have none.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from timesenclip.bands import BAND_NAMES, band_index
from timesenclip.errors import DegradedInputWarning
from timesenclip.model.checkpoint import Model
from timesenclip.series import PixelSeries

__all__ = ["with_near_infrared"]

_FROM, _TO = "B08", "B8A"


def with_near_infrared(series: PixelSeries, model: Model) -> PixelSeries:
    """The series with B08 in the place of B8A (nearly the same wavelength) where a series lacks B8A altogether.

    Only for an encoder that reads B8A and needs all of its bands. Decided series by series, so that the result does
    not depend on which ones are read together.

    Args:
        series: N pixel series; they are not changed.
        model: the model that reads them.

    Returns:
        The same series, or copies whose provenance says what was `substituted`.

    Warns:
        DegradedInputWarning: a band was put in the place of another one.
    """
    if (
        series.band_valid is None
        or model.encoder.config.band_mask
        or _TO not in (model.config.band_names or BAND_NAMES)
    ):
        return series
    source, target = band_index(_FROM), band_index(_TO)
    seen = series.bands_seen()
    rows = ~seen[..., target].any(axis=1) & seen[..., source].any(axis=1)  # (N,)
    if not rows.any():
        return series
    warnings.warn(
        f"{series.provenance.get('source', 'series')}: {_TO} is absent; {_FROM}, nearly the same wavelength, stands in "
        "its place.",
        DegradedInputWarning,
        stacklevel=3,
    )
    reflectance = series.reflectance.copy()
    reflectance[rows, :, target] = reflectance[rows, :, source]
    seen[rows, :, target] = seen[rows, :, source]
    complete = bool(np.array_equal(seen.all(axis=2), series.valid))
    return replace(
        series,
        reflectance=reflectance,
        provenance={**series.provenance, "substituted": f"{_TO} by {_FROM}"},
        band_valid=None if complete else seen,
    )
