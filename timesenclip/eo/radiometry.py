"""Digital numbers (DN) to surface reflectance, and the rules that decide the offset of baseline 04.00.

    read                     who decides                        how
    scene of a search        `decide_offset`                    the user, ESA's metadata, provider and baseline, date
    image of a cube          `offsets_for`                      the user, provider and baseline; else 0, then checked
    table of points          the caller of `read_points`        `offset_dn`; default 0 (harmonised), then checked
    Sen4Map                  `data/sen4map.py`                  0, written into the store: its images are of 2018

- `to_reflectance`, `clean_reflectance`, `usable_reflectance`, `clean_dn`: apply it, and find fill values.

What decides is who made the pixels, not what the metadata claim: Earth Search keeps `raster:offset: -0.1` on pixels
from which the offset is already gone, and its flag `earthsearch:boa_offset_applied` is wrong for many scenes of v1.
Source: Element84/earth-search#9, #66, #71, cirrus-geo/cirrus-earth-search#33. The decision is written into the
provenance, and compared with the pixels when they are read (`pixel_checks.py`).

DN are kept as whole numbers where they are composited (`composite.py`, `data/monthly.py`) and in training stores
(`data/store.py`), with the constants of this module.

Source: ESA, Sentinel-2 Products Specification 14.9 and processing baseline 04.00 (25 January 2022): L2A reflectance is
(DN + BOA_ADD_OFFSET) / 10000, with an offset of -1000 from that baseline on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError

__all__ = [
    "MISSING_DN",
    "NODATA_DN",
    "QUANTIFICATION",
    "SATURATED",
    "OffsetDecision",
    "OffsetPolicy",
    "Units",
    "clean_dn",
    "clean_reflectance",
    "decide_offset",
    "landsat_reflectance",
    "offset_for",
    "offsets_for",
    "to_reflectance",
    "usable_reflectance",
]

Units = Literal["auto", "dn", "reflectance", "landsat-c2"]
"""`dn`: reflectance x 10000. `landsat-c2`: numbers of Landsat Collection 2, x 0.0000275 - 0.2."""

QUANTIFICATION = 10_000.0
"""DN of a reflectance of 1."""
MISSING_DN = 65535
"""DN of what was not observed in WorldCereal's tables and in our training stores."""
NODATA_DN = (0, MISSING_DN)
"""DN that stand for "no observation"; 0 in ESA's products."""

LOWEST_DN = -1000
"""No observation can be as low: the darkest DN is 1, and 1000 the largest offset ever subtracted from it. What is below
is a fill value, such as -9999 or -32768."""

LANDSAT_SCALE, LANDSAT_OFFSET = 0.0000275, -0.2
"""Reflectance of numbers of Landsat Collection 2 Level 2. Source: USGS, Collection 2 Level 2 product guide."""

SATURATED = 2.0
"""Reflectance above this is no surface but a saturated or broken value; readers mark it missing."""

OFFSET_DAY = np.datetime64("2022-01-25")
"""First day of processing baseline 04.00."""

_BASELINE_WITH_OFFSET = (4, 0)


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
    provider: str | None,
    collection: str,
    baselines: str | Sequence[str] | None,
    *,
    count: int,
    given: int | None = None,
) -> tuple[int, ...]:
    """DN to subtract from each of `count` images.

    Args:
        provider, collection: as `offset_for`; without a provider nothing is subtracted.
        baselines: one for all images, or one for each.
        count: number of images.
        given: what the user said; it overrules everything.

    Raises:
        InputError: as `offset_for`, or the number of baselines is not that of the images.
    """
    if given is not None or provider is None:
        return (given or 0,) * count
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
    """Clean values that are reflectance already.

    Returns:
        Reflectance float32, 0 where missing (NaN or a fill value), never below 0; and a boolean array, True where seen.
    """
    given = values.astype(np.float32)
    valid = np.isfinite(given) & (given > LOWEST_DN / QUANTIFICATION) & (given <= SATURATED)
    return np.where(valid, np.maximum(given, 0.0), 0.0).astype(np.float32), valid


def landsat_reflectance(dn: NDArray[np.generic]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Surface reflectance of numbers of Landsat Collection 2, never below 0, and where there is an observation.

    0 is its fill value in every band, and 65535 that of saturated pixels.
    """
    values = dn.astype(np.float32)
    valid = np.isfinite(values) & (values > 0) & (values < MISSING_DN)
    scaled = np.where(valid, values, 0.0) * np.float32(LANDSAT_SCALE) + np.float32(LANDSAT_OFFSET)
    return np.where(valid, np.maximum(scaled, 0.0), 0.0).astype(np.float32), valid


def usable_reflectance(
    values: NDArray[np.generic],
    *,
    units: Units,
    offset_dn: int | NDArray[np.integer] = 0,
    nodata: tuple[int, ...] = NODATA_DN,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reflectance of values as a file holds them, and where there is a usable observation. All readers call this,
    except that a cube of whole numbers is composited by way of `clean_dn`.

    Args:
        values: any shape, as `units` says: `dn`, or `reflectance`.
        units: what the values are; decided before (`detect_units`).
        offset_dn, nodata: as `to_reflectance`; without effect on reflectance and on numbers of Landsat.

    Returns:
        Reflectance float32, never below 0, and a boolean array: False where missing or above `SATURATED`.
    """
    if units == "reflectance":
        reflectance, seen = clean_reflectance(values)
    elif units == "landsat-c2":
        reflectance, seen = landsat_reflectance(values)
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


@dataclass(frozen=True, slots=True)
class OffsetDecision:
    """What is subtracted from the DN of a scene, and why."""

    offset_dn: int
    """0 or 1000, or what the user gave."""
    reason: str
    """For the provenance."""
    assumed: bool = False
    """True where the baseline is not known and the date had to decide."""


def decide_offset(
    provider: str,
    collection: str,
    *,
    baseline: str | None,
    day: np.datetime64,
    declared: int | None = None,
    given: int | None = None,
) -> OffsetDecision:
    """Decide the offset of one scene.

    Args:
        provider, collection: whose pixels they are; names as `offset_for` takes them.
        baseline: processing baseline of the scene, such as `05.09`; None where its metadata do not say.
        day: day of acquisition, which decides where there is no baseline.
        declared: `BOA_ADD_OFFSET` in ESA's own metadata beside the files, which is as good as the pixels.
        given: what the user said; it overrules everything.
    """
    if given is not None:
        return OffsetDecision(given, "given by the user")
    if declared is not None:
        return OffsetDecision(-declared, f"BOA_ADD_OFFSET {declared} in ESA's metadata")
    known = _policy_collection(provider, collection)
    key = f"{provider}/{known}"
    if baseline is None and _harmonised(provider, known):
        return OffsetDecision(0, f"{key} has removed it")
    if baseline is None:
        late = bool(day >= OFFSET_DAY)
        return OffsetDecision(
            1000 if late else 0,
            f"no baseline; acquired {f'from {OFFSET_DAY} on' if late else f'before {OFFSET_DAY}'}",
            assumed=not late,
        )
    offset = offset_for(provider, known, baseline)
    kind = "has removed it" if _harmonised(provider, known) else f"keeps ESA's pixels, baseline {baseline}"
    return OffsetDecision(offset, f"{key} {kind}")


def _harmonised(provider: str, collection: str) -> bool:
    """Whether a collection is harmonised, so that no baseline is needed."""
    try:
        return offset_for(provider, collection, "99.99") == 0
    except InputError:
        return False


def _policy_collection(provider: str, collection: str) -> str:
    """The collection whose policy holds; an unknown one of a known provider is taken for ESA's pixels."""
    try:
        offset_for(provider, collection, "05.00")
    except InputError:
        return "sentinel-2-l2a" if provider != "earth-search" else "sentinel-2-c1-l2a"
    return collection
