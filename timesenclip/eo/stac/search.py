"""Find STAC items: in an API, in a catalogue on disk, in a folder of products.

All sources give a list of items as JSON with absolute addresses, limited to the area and the period. What the items
name is judged later (`addresses.py`), and whether they are whole when their scenes are made (`item_checks.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from timesenclip.eo.period import Period
from timesenclip.eo.stac.addresses import Origin, is_web
from timesenclip.eo.stac.aoi import Aoi
from timesenclip.eo.stac.api import search_api
from timesenclip.eo.stac.crawl import crawl
from timesenclip.eo.stac.item_checks import footprint
from timesenclip.eo.stac.local import local_items
from timesenclip.errors import BrokenItemError, DataNotFoundError, InputError

__all__ = ["find_items"]

Item = dict[str, Any]

_LONGEST_NAME = 255
_DAY = np.timedelta64(1, "D")


def find_items(
    catalog: str,
    *,
    collection: str,
    aoi: Aoi,
    period: Period,
    wait_s: float = 0.5,
    origin: Origin | None = None,
) -> list[Item]:
    """Items of an area and a period; the period is widened by a day, since solar days are not those of UTC.

    Args:
        catalog: address of a STAC API, a `catalog.json`, `collection.json` or ItemCollection on disk, or a folder.
        collection: collection id; asked of an API, and of items on disk that name one.
        aoi: where; items that only share its bounding box are left out.
        period: when.
        wait_s: first pause before a failed request is repeated; it doubles.
        origin: what the catalogue may link to; default: that of `catalog`.

    Returns:
        Items as they stand in the catalogue; those whose time or place cannot be read are among them.

    Raises:
        DataNotFoundError: the catalogue is not there or does not answer.
        InputError: the catalogue links to an address that is refused.
        MissingExtraError: pystac-client is not installed.
    """
    start, end = period.start - _DAY, period.end + _DAY
    home = origin or Origin.of(catalog)
    if is_web(catalog):
        when = f"{start}T00:00:00Z/{end}T00:00:00Z"
        found: Iterable[Item] = search_api(
            catalog, collection=collection, bounds=aoi.bounds, when=when, origin=home, wait_s=wait_s
        )
    else:
        found = _read_local(Path(catalog), collection, home)
    return [item for item in found if _in_time(item, start, end) and _in_area(item, aoi)]


def _read_local(path: Path, collection: str, origin: Origin) -> list[Item]:
    odd = "\0" in str(path) or str(path).startswith("/vsi") or max(map(len, path.parts), default=0) > _LONGEST_NAME
    if odd:
        raise InputError(f"{str(path)[:80]!r} is no path of a catalogue; give a file or folder.")
    if path.is_dir():
        inside = [path / name for name in ("catalog.json", "collection.json") if (path / name).exists()]
        if not inside:
            return local_items(path, origin)
        path = inside[0]
    if not path.exists():
        raise DataNotFoundError(
            f"No STAC catalogue at '{path}'; expected planetary-computer, earth-search, cdse, an address "
            "(https://...), a catalog.json, or a folder of .SAFE products or COGs."
        )
    items = crawl(path, origin)
    named = [item for item in items if not isinstance(item, dict) or item.get("collection") in (None, collection)]
    if items and not named:
        there = ", ".join(sorted({str(item.get("collection"))[:60] for item in items})[:4])
        raise DataNotFoundError(
            f"'{path}' has no items of collection '{collection}', only of {there}; name one of them."
        )
    return named


def _in_time(item: Any, start: np.datetime64, end: np.datetime64) -> bool:
    """Whether an item is of the time; also where that cannot be told: it is named when its scene is made."""
    properties = item.get("properties") if isinstance(item, dict) else None
    if not isinstance(properties, dict):
        return True
    said = properties.get("datetime") or properties.get("start_datetime")
    try:
        day = np.datetime64(date.fromisoformat(said[:10]), "D") if isinstance(said, str) else None
    except ValueError:
        return True
    return day is None or bool(start <= day < end)


def _in_area(item: Any, aoi: Aoi) -> bool:
    """Whether an item is in the area; also where that cannot be told."""
    try:
        outline = footprint(item.get("geometry")) if isinstance(item, dict) else None
    except BrokenItemError:
        return True
    return outline is None or bool(outline.intersects(aoi.geometry))
