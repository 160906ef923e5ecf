"""Digital numbers (DN) to surface reflectance: the only module that decides what DN mean.

Offset, scale, fill values and units are settled here. DN themselves are kept as whole numbers where they are composited
(`composite.py`, `data/monthly.py`) and in training stores (`data/store.py`), with the constants of this module.

Source: ESA, Sentinel-2 Products Specification 14.9 and processing baseline 04.00 (25 January 2022): L2A reflectance is
(DN + BOA_ADD_OFFSET) / 10000, with an offset of -1000 from that baseline on.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import DegradedInputWarning, InputError, UnitsError

__all__ = [
    "ENOUGH_TO_TELL",
    "MISSING_DN",
    "NODATA_DN",
    "QUANTIFICATION",
    "SATURATED",
    "OffsetPolicy",
    "Units",
    "check_dark_level",
    "clean_dn",
    "clean_reflectance",
    "contradicts_offset",
    "detect_units",
    "offset_for",
    "offsets_for",
    "to_reflectance",
    "usable_reflectance",
]

Units = Literal["auto", "dn", "reflectance"]

QUANTIFICATION = 10_000.0
"""DN of a reflectance of 1."""
MISSING_DN = 65535
"""DN of what was not observed in WorldCereal's tables and in our training stores."""
NODATA_DN = (0, MISSING_DN)
"""DN that stand for "no observation"; 0 in ESA's products."""

LOWEST_DN = -1000
"""No observation can be as low: the darkest DN is 1, and 1000 the largest offset ever subtracted from it. What is below
is a fill value, such as -9999 or -32768."""

SATURATED = 2.0
"""Reflectance above this is no surface but a saturated or broken value; readers mark it missing."""

OFFSET_DAY = np.datetime64("2022-01-25")
"""First day of processing baseline 04.00."""

_BASELINE_WITH_OFFSET = (4, 0)
ENOUGH_TO_TELL = 100
"""Observations from which on the darkest of them say whether the offset is in the data."""


@dataclass(frozen=True, slots=True)
class OffsetPolicy:
    """What a provider has done with the offset of baseline 04.00 in one of its collections."""

    harmonised: bool
    """True where the provider has already removed the offset from the pixels."""


_POLICIES: dict[tuple[str, str], OffsetPolicy] = {
    # Pixels as ESA made them: subtract 1000 from baseline 04.00 on. Source: microsoft/PlanetaryComputer#134.
    ("planetary-computer", "sentinel-2-l2a"): OffsetPolicy(harmonised=False),
    ("cdse", "sentinel-2-l2a"): OffsetPolicy(harmonised=False),
    ("esa", "sentinel-2-l2a"): OffsetPolicy(harmonised=False),
    # v1 is harmonised whatever its metadata say; collection 1 is not. Source: Element84/earth-search#9, #41.
    ("earth-search", "sentinel-2-l2a"): OffsetPolicy(harmonised=True),
    ("earth-search", "sentinel-2-c1-l2a"): OffsetPolicy(harmonised=False),
    # Source: Earth Engine data catalogue, COPERNICUS/S2_SR_HARMONIZED and COPERNICUS/S2_SR.
    ("earth-engine", "s2-sr-harmonized"): OffsetPolicy(harmonised=True),
    ("earth-engine", "s2-sr"): OffsetPolicy(harmonised=False),
    ("worldcereal", "points"): OffsetPolicy(harmonised=True),
}


def offset_for(provider: str, collection: str, baseline: str | None) -> int:
    """DN to subtract before dividing by 10000: 0 or 1000.

    Args:
        provider: `planetary-computer`, `earth-search`, `cdse`, `esa`, `earth-engine`, `worldcereal`.
        collection: collection id at that provider.
        baseline: processing baseline such as `04.00`, or None where it is not known.

    Raises:
        InputError: provider and collection are unknown, or the baseline is needed and missing or malformed.
    """
    policy = _POLICIES.get((provider.lower(), collection.lower()))
    if policy is None:
        known = ", ".join("/".join(key) for key in _POLICIES)
        raise InputError(
            f"No offset policy for '{provider}/{collection}'; known: {known}. Give the offset in DN instead."
        )
    if policy.harmonised:
        return 0
    match = re.fullmatch(r"(\d{1,2})\.(\d{1,2})", baseline or "")
    if match is None:
        raise InputError(
            f"Processing baseline is {baseline!r}; expected one such as '04.00'. '{provider}/{collection}' keeps ESA's "
            "pixels, so the baseline decides whether 1000 must be subtracted."
        )
    return 1000 if (int(match[1]), int(match[2])) >= _BASELINE_WITH_OFFSET else 0


def offsets_for(
    provider: str, collection: str, baselines: str | Sequence[str] | None, *, count: int
) -> tuple[int, ...]:
    """DN to subtract from each of `count` images; arguments as `offset_for`, with one baseline for all or one for each.

    Raises:
        InputError: as `offset_for`, or the number of baselines is not that of the images.
    """
    if baselines is None or isinstance(baselines, str):
        return (offset_for(provider, collection, baselines),) * count
    if len(baselines) != count:
        raise InputError(f"{len(baselines)} baselines for {count} images; give one for all, or one for each.")
    return tuple(offset_for(provider, collection, baseline) for baseline in baselines)


def to_reflectance(
    dn: NDArray[np.generic], *, offset_dn: int | NDArray[np.integer] = 0, nodata: tuple[int, ...] = NODATA_DN
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Surface reflectance of digital numbers, and where there is an observation.

    Args:
        dn: any shape, integer or float (NaN = missing).
        offset_dn: DN to subtract (see `offset_for`), one or an array that broadcasts to `dn`.
        nodata: DN that stand for "no observation", judged before the offset, as is everything down to -1000.

    Returns:
        Reflectance float32, 0 where missing, never below 0 (a dark pixel stays valid), and a boolean array.
    """
    values = dn.astype(np.float32)
    valid = np.isfinite(values) & (values > LOWEST_DN)
    for fill in nodata:
        valid &= values != fill
    offset = np.asarray(offset_dn, dtype=np.float32)
    scaled = np.maximum(np.where(valid, values, 0.0) - offset, 0.0) / np.float32(QUANTIFICATION)
    return np.where(valid, scaled, 0.0).astype(np.float32), valid


def clean_reflectance(values: NDArray[np.generic]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reflectance that is given as such: 0 where missing (NaN or a fill value), never below 0; and where it is seen."""
    given = values.astype(np.float32)
    valid = np.isfinite(given) & (given > LOWEST_DN / QUANTIFICATION) & (given <= SATURATED)
    return np.where(valid, np.maximum(given, 0.0), 0.0).astype(np.float32), valid


def usable_reflectance(
    values: NDArray[np.generic],
    *,
    units: Units,
    offset_dn: int | NDArray[np.integer] = 0,
    nodata: tuple[int, ...] = NODATA_DN,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reflectance of values as a file holds them, and where there is a usable observation: what every reader calls.

    Args:
        values: any shape, as `units` says: `dn`, or `reflectance`.
        units: what the values are; decided before (`detect_units`).
        offset_dn, nodata: as `to_reflectance`; without effect on reflectance.

    Returns:
        Reflectance float32, never below 0, and a boolean array: False where missing or above `SATURATED`.
    """
    if units == "reflectance":
        reflectance, seen = clean_reflectance(values)
    else:
        reflectance, seen = to_reflectance(values, offset_dn=offset_dn, nodata=nodata)
    return reflectance, seen & (reflectance <= SATURATED)


def clean_dn(
    values: NDArray[np.uint16], *, offset_dn: NDArray[np.integer]
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """DN without their offset, and where there is a usable observation; `usable_reflectance` for whole numbers.

    Args:
        values: any shape, uint16.
        offset_dn: DN to subtract; broadcasts to `values`.

    Returns:
        DN, 0 where the offset is larger, and a boolean array: False where missing or above `SATURATED`.
    """
    seen = np.ones(values.shape, dtype=np.bool_)
    for fill in NODATA_DN:
        seen &= values != fill
    dn = np.where(values > offset_dn, values - offset_dn, 0).astype(np.uint16) if offset_dn.any() else values
    return dn, seen & (dn <= SATURATED * QUANTIFICATION)


def detect_units(values: NDArray[np.generic], *, declared: Units, source_name: str) -> Literal["dn", "reflectance"]:
    """Decide whether values are DN or reflectance, and refuse a declaration that cannot be true.

    Args:
        values: a sample of the data, nodata included.
        declared: what the user said; `auto` decides by the values, and takes integers for DN.
        source_name: file or table, for the message.

    Raises:
        UnitsError: 0..10000 declared as reflectance, or 0..1 declared as DN.
    """
    whole = values.dtype.kind in "iu"
    numbers = np.asarray(values, dtype=np.float64).ravel()
    numbers = numbers[np.isfinite(numbers) & (numbers > LOWEST_DN) & ~np.isin(numbers, NODATA_DN)]
    if declared == "auto" and (whole or numbers.size == 0):
        return "dn" if whole else "reflectance"
    if numbers.size == 0:
        return "dn" if declared == "dn" else "reflectance"
    high = float(np.percentile(numbers, 99))
    looks: Literal["dn", "reflectance"] = "dn" if high > 3.0 else "reflectance"
    if declared in ("auto", looks):
        return looks
    if declared == "reflectance":
        raise UnitsError(
            f"{source_name}: declared as reflectance, but values reach {high:g}; expected 0..1. These are digital "
            "numbers: "
            "say units 'dn'."
        )
    raise UnitsError(
        f"{source_name}: declared as digital numbers, but values reach only {high:g}; expected 0..10000. This is "
        "reflectance: say units 'reflectance'."
    )


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
    """Whether the pixels of one image speak against the offset that was decided for it.

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
    """First percentile of the valid values; NaN, which no comparison meets, where they are too few to tell."""
    seen = reflectance[valid]
    return float(np.percentile(seen, 1)) if seen.size >= ENOUGH_TO_TELL else float("nan")
