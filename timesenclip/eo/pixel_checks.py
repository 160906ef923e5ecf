"""Checks of pixel values: whether they are DN or reflectance, and whether the offset of 1000 DN is still in them.

`radiometry.py` decides units and offset by what is declared; here the decision is compared with the values.
"""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, BANDS
from timesenclip.eo.radiometry import LOWEST_DN, NODATA_DN, OFFSET_DAY, Units
from timesenclip.eo.sensors import Sensor
from timesenclip.errors import DegradedInputWarning, UnitsError

__all__ = ["ENOUGH_TO_TELL", "check_dark_level", "contradicts_offset", "detect_units", "tell_collection_2"]

_DARKEST_C2 = 6900.0
"""Numbers of Landsat Collection 2 below this (a reflectance of -0.01) are rare."""
_BRIGHTEST_DN = 16_000.0
_RED_EDGE = [BAND_NAMES.index(band.name) for band in BANDS if band.common_name.startswith("rededge")]
_SHORTWAVE = [BAND_NAMES.index(band.name) for band in BANDS if band.common_name.startswith("swir")]

ENOUGH_TO_TELL = 100
"""Observations from which on the darkest of them say whether the offset is in the data."""


def detect_units(
    values: NDArray[np.generic], *, declared: Units, source_name: str
) -> Literal["dn", "reflectance", "landsat-c2"]:
    """Decide whether values are DN or reflectance, and refuse a declaration that cannot be true.

    Args:
        values: a sample of the data, nodata included.
        declared: what the user said; `auto` decides by the values, and takes integers for DN.
        source_name: file or table, for the message.

    Raises:
        UnitsError: 0..10000 declared as reflectance, 0..1 declared as DN, or either as numbers of Landsat.
    """
    whole = values.dtype.kind in "iu"
    if declared == "auto" and whole:
        return "dn"
    numbers = _numbers(values)
    if numbers.size == 0:
        return "reflectance" if declared == "auto" else declared
    high = float(np.percentile(numbers, 99))
    looks: Literal["dn", "reflectance"] = "dn" if high > 3.0 else "reflectance"
    if declared in ("auto", looks):
        return looks
    if declared == "landsat-c2":
        _require_collection_2(numbers, high, source_name)
        return declared
    if declared == "reflectance":
        raise UnitsError(
            f"{source_name}: declared as reflectance, but values reach {high:g}; expected 0..1. These are digital "
            "numbers: say units 'dn'."
        )
    raise UnitsError(
        f"{source_name}: declared as digital numbers, but values reach only {high:g}; expected 0..10000. This is "
        "reflectance: say units 'reflectance'."
    )


def tell_collection_2(values: NDArray[np.generic], *, sensor: Sensor, source_name: str) -> Literal["dn", "landsat-c2"]:
    """Tell numbers of Landsat Collection 2 from reflectance x 10000; only called where values are no reflectance.

    In Collection 2 a reflectance of 0 is 7273, below which nothing but noise is; of reflectances x 10000 some are far
    below it in every series that is not of snow and clouds alone.

    Args:
        values: (N, T, C), nodata included; NaN where a band is absent.
        sensor: whose values they are.
        source_name: file or table, for the message.

    Raises:
        UnitsError: they look like numbers of Landsat, but nothing says that they are.
    """
    numbers = _numbers(values)
    low, high = np.percentile(numbers, [5, 99]) if numbers.size else (0.0, 0.0)
    if low < _DARKEST_C2 or np.isfinite(values[..., _RED_EDGE]).any():  # Landsat has no red edge
        return "dn"
    if sensor.collection_2 and (np.isfinite(values[..., _SHORTWAVE]).any() or high > _BRIGHTEST_DN):
        return "landsat-c2"  # snow and clouds are dark in the shortwave infrared: nothing else is as bright everywhere
    raise UnitsError(
        f"{source_name}: 95 % of values are above {low:.0f}, as in Landsat Collection 2 (x 0.0000275 - 0.2) and unlike "
        "reflectance x 10000 of land. Say units 'landsat-c2', or 'dn' if they are reflectance x 10000."
    )


def _require_collection_2(numbers: NDArray[np.float64], high: float, source_name: str) -> None:
    middle = float(np.median(numbers))
    if middle < _DARKEST_C2:
        raise UnitsError(
            f"{source_name}: declared as numbers of Landsat Collection 2, but half of the values are below {middle:g} "
            f"and they reach {high:g}; expected 7273..43636. Say units '{'dn' if high > 3.0 else 'reflectance'}'."
        )


def _numbers(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """The values that are no nodata, in one row."""
    numbers = np.asarray(values, dtype=np.float64).ravel()
    return numbers[np.isfinite(numbers) & (numbers > LOWEST_DN) & ~np.isin(numbers, NODATA_DN)]


def check_dark_level(
    reflectance: NDArray[np.float32],
    valid: NDArray[np.bool_],
    *,
    source_name: str,
    dates: NDArray[np.datetime64] | None = None,
    stacklevel: int = 2,
) -> bool:
    """Warn where the darkest observations suggest that the +1000 offset was left in.

    Without the offset the first percentile of a whole series is below 0.08 almost everywhere, since shadow, water,
    red light over plants or SWIR over water is in it; with it nothing is below 0.1.

    Args:
        reflectance: (T, ...) of the darkest band, or of all.
        valid: same shape, True = use.
        source_name: file or table, for the message.
        dates: (T,) of axis 0; with them a rise by 0.1 on 25 January 2022, when the offset came, is looked for too.
        stacklevel: as of `warnings.warn`, counted from the caller.

    Returns:
        Whether there was something to warn of.
    """
    dark = _dark(reflectance, valid)
    if 0.1 <= dark < 0.2:
        warnings.warn(
            f"{source_name}: the darkest 1 % of reflectances is {dark:.3f}, just above 0.1; the offset of 1000 DN of "
            "baseline 04.00 may still be in the data. Say the baseline or the offset.",
            DegradedInputWarning,
            stacklevel=stacklevel + 1,
        )
        return True
    if dates is None:
        return False
    late = dates >= OFFSET_DAY
    rise = _dark(reflectance[late], valid[late]) - _dark(reflectance[~late], valid[~late])
    if 0.07 <= rise <= 0.13:
        warnings.warn(
            f"{source_name}: the darkest 1 % of reflectances rises by {rise:.3f} on {OFFSET_DAY}, when baseline 04.00 "
            "brought an offset of 1000 DN; images from then on seem to hold it still. Say the provider and baselines.",
            DegradedInputWarning,
            stacklevel=stacklevel + 1,
        )
        return True
    return False


def contradicts_offset(lowest_dn: NDArray[np.float32], offset_dn: int) -> str | None:
    """Whether the pixels of one image contradict the offset that was decided for it.

    With the offset in them DN lie above 1000 but for noise; without it some lie far below, in nearly every image.

    Args:
        lowest_dn: (N,) DN of the darkest band of each clear pixel, as they are in the file.
        offset_dn: what was decided: 0 or 1000.

    Returns:
        What the pixels show, for a message; None where they agree or are too few to tell.
    """
    if lowest_dn.size < ENOUGH_TO_TELL:
        return None
    low, some = (float(value) for value in np.percentile(lowest_dn, [1, 5]))
    if offset_dn == 0 and 1000 <= low < 2000:
        return f"the darkest 1 % of DN is {low:.0f}, so 1000 may still be in them"
    if offset_dn >= 1000 and some < offset_dn - 300:
        return f"5 % of DN are below {some:.0f}, so {offset_dn} may have been removed already"
    return None


def _dark(reflectance: NDArray[np.float32], valid: NDArray[np.bool_]) -> float:
    """First percentile of the valid values; NaN, which compares as False, where they are too few to tell."""
    seen = reflectance[valid]
    return float(np.percentile(seen, 1)) if seen.size >= ENOUGH_TO_TELL else float("nan")
