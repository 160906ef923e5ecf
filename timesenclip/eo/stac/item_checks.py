"""What a STAC item says, checked: catalogues hold items with no time, no id, or text where a number belongs.

Each function gives the value, or raises `BrokenItemError` with a message that names the field and the value.
`open_stac` leaves a broken item out, with a warning that names it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from timesenclip.errors import BrokenItemError
from timesenclip.messages import show_value

__all__ = [
    "footprint",
    "item_assets",
    "item_id",
    "item_properties",
    "item_version",
    "optional_number",
    "parse_moment",
]

_MOST_CHARACTERS = 500
_MARGIN_DEG = 0.01
_FARTHEST_DEG = (540.0, 100.0)
"""Footprints at the antimeridian reach beyond 180 degrees; coordinates beyond these are no degrees."""
_ROUNDING = 1e-3
_VERSION_KEYS = ("updated", "version", "s2:generation_time", "s2:processing_baseline", "processing:version")
_VERSION_ASSET_KEYS = ("file:checksum", "file:size")


def item_id(item: object) -> str:
    """Id of an item; a number is taken as text.

    Raises:
        BrokenItemError: it is no item, or has no id that can be shown.
    """
    if not isinstance(item, Mapping):
        raise BrokenItemError(f"an entry is no item but {show_value(item)}")
    found = item.get("id")
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or not found:
        raise BrokenItemError(f"an item has the id {show_value(found)}, expected text")
    if len(found) > _MOST_CHARACTERS or not found.isprintable():
        raise BrokenItemError(
            f"an item has the id {show_value(found)}, expected at most {_MOST_CHARACTERS} printable characters"
        )
    return found


def item_properties(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Properties of an item; none where they are null.

    Raises:
        BrokenItemError: they are no object.
    """
    found = item.get("properties")
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise BrokenItemError(f"has properties {show_value(found)}, expected an object")
    return found


def item_assets(item: Mapping[str, Any]) -> dict[str, str]:
    """Key -> address of the assets that have one.

    Raises:
        BrokenItemError: the assets are no object.
    """
    found = item.get("assets")
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise BrokenItemError(f"has assets {show_value(found)}, expected an object")
    return {
        str(key): asset["href"]
        for key, asset in found.items()
        if isinstance(asset, Mapping) and isinstance(asset.get("href"), str) and asset["href"]
    }


def optional_number(properties: Mapping[str, Any], key: str, low: float, high: float) -> float | None:
    """A number that may be missing; text that is a number is taken.

    Raises:
        BrokenItemError: it is something else, or outside low..high.
    """
    value = properties.get(key)
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool | list | dict) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not low - _ROUNDING <= number <= high + _ROUNDING:  # False for NaN
        raise BrokenItemError(f"has {key} {show_value(value)}, expected a number from {low:g} to {high:g}")
    return number


def parse_moment(text: object) -> np.datetime64 | None:
    """A moment in UTC of `20230506T105031` or an ISO date and time; None where it is neither."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        if moment is None:
            return None
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):  # OverflowError: the first hours of the year 1, in another time zone
        return None
    return np.datetime64(moment, "s")


def footprint(geometry: object) -> Any:
    """Outline of a STAC item, a little wider than the catalogue says since it is drawn with few corners; None: unknown.

    Footprints that cross themselves, as at the antimeridian, are repaired; heights are dropped.

    Raises:
        BrokenItemError: it is no geometry in degrees.
    """
    from shapely import force_2d, make_valid
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    if geometry is None:
        return None
    try:
        with np.errstate(invalid="ignore"):  # NaN, which is refused below
            found = force_2d(shape(geometry))
        bounds = np.asarray(found.bounds, dtype=np.float64)
        usable = bounds.shape == (4,) and bool((np.abs(bounds) <= (*_FARTHEST_DEG, *_FARTHEST_DEG)).all())
        outline = make_valid(found).buffer(_MARGIN_DEG) if usable and np.isfinite(_corners(found)).all() else None
    except (ShapelyError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BrokenItemError(
            f"has geometry {show_value(geometry)}, expected GeoJSON ({type(error).__name__})"
        ) from error
    if outline is None or outline.is_empty:
        raise BrokenItemError(f"has geometry {show_value(geometry)}, expected coordinates in degrees")
    return outline


def _corners(shape: Any) -> Any:
    from shapely import get_coordinates

    return get_coordinates(shape)


def item_version(item: Mapping[str, Any], keys: set[str]) -> str:
    """Digest of what an item says of its own version, and of the size and checksum of its assets.

    Args:
        item: checked before.
        keys: of the assets that are read.
    """
    properties = item_properties(item)
    told: dict[str, Any] = {key: properties[key] for key in _VERSION_KEYS if key in properties}
    for name in sorted(keys):
        asset = item["assets"][name]
        told |= {f"{name} {key}": asset[key] for key in _VERSION_ASSET_KEYS if key in asset}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]
