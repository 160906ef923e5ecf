"""Digital numbers to surface reflectance. The only module that knows DN.

Source: ESA, Sentinel-2 Products Specification 14.9 and processing baseline 04.00 (25 January 2022): L2A reflectance is
(DN + BOA_ADD_OFFSET) / 10000, with an offset of -1000 from that baseline on.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import DegradedInputWarning, InputError, UnitsError

__all__ = ["NODATA_DN", "SATURATED", "Units", "check_dark_level", "detect_units", "offset_for", "to_reflectance"]

Units = Literal["auto", "dn", "reflectance"]

QUANTIFICATION = 10_000.0
NODATA_DN = (0, 65535)
"""DN that stand for "no observation": 0 in ESA's products, 65535 in WorldCereal's tables."""

SATURATED = 2.0
"""Reflectance above this is no surface but a saturated or broken value; readers mark it missing."""

_BASELINE_WITH_OFFSET = (4, 0)


@dataclass(frozen=True, slots=True)
class _Policy:
    harmonised: bool
    """True where the provider has already removed the offset from the pixels."""


_POLICIES: dict[tuple[str, str], _Policy] = {
    # Pixels as ESA made them: subtract 1000 from baseline 04.00 on. Source: microsoft/PlanetaryComputer#134.
    ("planetary-computer", "sentinel-2-l2a"): _Policy(harmonised=False),
    ("cdse", "sentinel-2-l2a"): _Policy(harmonised=False),
    ("esa", "sentinel-2-l2a"): _Policy(harmonised=False),
    # v1 is harmonised whatever its metadata say; collection 1 is not. Source: Element84/earth-search#9, #41.
    ("earth-search", "sentinel-2-l2a"): _Policy(harmonised=True),
    ("earth-search", "sentinel-2-c1-l2a"): _Policy(harmonised=False),
    # Source: Earth Engine data catalogue, COPERNICUS/S2_SR_HARMONIZED and COPERNICUS/S2_SR.
    ("earth-engine", "s2-sr-harmonized"): _Policy(harmonised=True),
    ("earth-engine", "s2-sr"): _Policy(harmonised=False),
    ("worldcereal", "points"): _Policy(harmonised=True),
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


def to_reflectance(
    dn: NDArray[np.generic], *, offset_dn: int = 0, nodata: tuple[int, ...] = NODATA_DN
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Surface reflectance of digital numbers, and where there is an observation.

    Args:
        dn: any shape, integer or float (NaN = missing).
        offset_dn: DN to subtract (see `offset_for`).
        nodata: DN that stand for "no observation", judged before the offset.

    Returns:
        Reflectance float32, 0 where missing, never below 0 (a dark pixel stays valid), and a boolean array.
    """
    values = dn.astype(np.float32)
    valid = np.isfinite(values) & ~np.isin(values, np.asarray(nodata, dtype=np.float32))
    scaled = np.maximum(np.where(valid, values, 0.0) - np.float32(offset_dn), 0.0) / np.float32(QUANTIFICATION)
    return np.where(valid, scaled, 0.0).astype(np.float32), valid


def detect_units(values: NDArray[np.generic], *, declared: Units, where: str) -> Literal["dn", "reflectance"]:
    """Decide whether values are DN or reflectance, and refuse a declaration that cannot be true.

    Args:
        values: a sample of the data, nodata included.
        declared: what the user said; `auto` decides by the values.
        where: file or table, for the message.

    Raises:
        UnitsError: 0..10000 declared as reflectance, or 0..1 declared as DN.
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    numbers = numbers[np.isfinite(numbers) & ~np.isin(numbers, NODATA_DN)]
    if numbers.size == 0:
        return "dn" if declared == "auto" else declared
    high = float(np.percentile(numbers, 99))
    looks: Literal["dn", "reflectance"] = "dn" if high > 3.0 else "reflectance"
    if declared == "auto" or declared == looks:
        return looks
    if declared == "reflectance":
        raise UnitsError(
            f"{where}: declared as reflectance, but values reach {high:g}; expected 0..1. These are digital numbers: "
            "say units 'dn'."
        )
    raise UnitsError(
        f"{where}: declared as digital numbers, but values reach only {high:g}; expected 0..10000. This is "
        f"reflectance: "
        "say units 'reflectance'."
    )


def check_dark_level(reflectance: NDArray[np.float32], valid: NDArray[np.bool_], *, where: str) -> None:
    """Warn where the darkest observations suggest that the +1000 offset was left in.

    Without the offset the first percentile of a whole series is below 0.08 almost everywhere, since shadow, water,
    red light over plants or SWIR over water is in it; with it nothing is below 0.1.
    """
    seen = reflectance[valid]
    if seen.size < 100:
        return
    dark = float(np.percentile(seen, 1))
    if 0.1 <= dark < 0.2:
        warnings.warn(
            f"{where}: the darkest 1 % of reflectances is {dark:.3f}, just above 0.1; the offset of 1000 DN of "
            f"baseline "
            "04.00 may still be in the data. Say the baseline or the offset.",
            DegradedInputWarning,
            stacklevel=3,
        )
