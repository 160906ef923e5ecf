"""Find STAC items: in an API, in a catalogue on disk, in a folder of products.

All sources give a list of items as JSON with absolute addresses, limited to the area and the period.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from timesenclip.eo.period import Period
from timesenclip.eo.stac.aoi import Aoi
from timesenclip.eo.stac.items import footprint
from timesenclip.eo.stac.local import local_items
from timesenclip.errors import DataNotFoundError
from timesenclip.extras import require
from timesenclip.messages import shorten_error
from timesenclip.read_files import read_json

__all__ = ["find_items"]

Item = dict[str, Any]

_PAGE = 100
_RETRIES = 5
_STATUS = (429, 500, 502, 503, 504)
_TIMEOUT_S = (15.0, 90.0)
_DAY = np.timedelta64(1, "D")


def find_items(catalog: str, *, collection: str, aoi: Aoi, period: Period, wait_s: float = 0.5) -> list[Item]:
    """Items of an area and a period; the period is widened by a day, since solar days are not those of UTC.

    Args:
        catalog: address of a STAC API, a `catalog.json`, `collection.json` or ItemCollection on disk, or a folder.
        collection: collection id; asked of an API, and of items on disk that name one.
        aoi: where; items that only share its bounding box are left out.
        period: when.
        wait_s: first pause before a failed request is repeated; it doubles.

    Raises:
        DataNotFoundError: the catalogue is not there or does not answer.
        MissingExtraError: pystac-client is not installed.
    """
    start, end = period.start - _DAY, period.end + _DAY
    if catalog.startswith(("http://", "https://")):
        found: Iterable[Item] = _ask_api(catalog, collection, aoi, f"{start}T00:00:00Z/{end}T00:00:00Z", wait_s)
    else:
        found = _read_local(Path(catalog), collection)
    return [item for item in found if _in_time(item, start, end) and _in_area(item, aoi)]


def _ask_api(url: str, collection: str, aoi: Aoi, when: str, wait_s: float) -> list[Item]:
    """Search by POST, or by GET where POST is not offered.

    The box is asked for, not the polygon, and cloud cover not at all: every API knows boxes, while long polygons and
    the query extension fail on some. Items outside the polygon are removed here.
    """
    client = _client(url, wait_s)
    from pystac_client.exceptions import APIError

    def search(method: str) -> list[Item]:
        found = client.search(
            method=method, collections=[collection], bbox=aoi.bounds, datetime=when, limit=_PAGE, max_items=None
        )
        return [_slim(item) for item in found.items_as_dicts()]

    with _network_errors(url):
        try:
            return search("POST")
        except APIError as error:
            if getattr(error, "status_code", None) not in (404, 405, 501):
                raise
            return search("GET")


def _slim(item: Item) -> Item:
    """The parts of an item that are used; whole items of a country's year would fill gigabytes."""
    assets = {key: {"href": asset["href"]} for key, asset in (item.get("assets") or {}).items() if asset.get("href")}
    return {key: item.get(key) for key in ("id", "collection", "geometry", "properties")} | {"assets": assets}


def _client(url: str, wait_s: float) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        require("stac", "pystac_client", needed_by="Searching a STAC API")
        from pystac_client import Client
        from pystac_client.stac_api_io import StacApiIO
    from urllib3.util.retry import Retry

    # `allowed_methods=None`: the default of urllib3 repeats no POST, which is how searches are sent.
    retry = Retry(
        total=_RETRIES,
        backoff_factor=wait_s,
        backoff_jitter=wait_s / 2,
        status_forcelist=_STATUS,
        allowed_methods=None,
        respect_retry_after_header=True,
    )
    with _network_errors(url), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of conformance classes that an API does not list
        client = Client.open(url, stac_io=StacApiIO(max_retries=retry, timeout=_TIMEOUT_S))
        client.add_conforms_to("ITEM_SEARCH")
        return client


@contextmanager
def _network_errors(url: str) -> Iterator[None]:
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError
    from requests import RequestException

    try:
        yield
    except ClientTypeError as error:
        raise DataNotFoundError(
            f"{url} answers, but is no STAC catalogue; expected the root of an API, such as "
            "https://earth-search.aws.element84.com/v1."
        ) from error
    except (APIError, RequestException, json.JSONDecodeError) as error:
        reason = shorten_error(error, 200)
        raise DataNotFoundError(
            f"The STAC API at {url} did not answer after {_RETRIES} retries ({reason}); check the address and the "
            "network, or try later."
        ) from error


def _read_local(path: Path, collection: str) -> list[Item]:
    if path.is_dir():
        inside = [path / name for name in ("catalog.json", "collection.json") if (path / name).is_file()]
        if not inside:
            return local_items(path)
        path = inside[0]
    if not path.exists():
        raise DataNotFoundError(
            f"No STAC catalogue at '{path}'; expected planetary-computer, earth-search, cdse, an address "
            "(https://...), a catalog.json, or a folder of .SAFE products or COGs."
        )
    items = _crawl(path, set())
    named = [item for item in items if item.get("collection") in (None, collection)]
    if items and not named:
        there = ", ".join(sorted({str(item.get("collection")) for item in items})[:4])
        raise DataNotFoundError(
            f"'{path}' has no items of collection '{collection}', only of {there}; name one of them."
        )
    return named


def _crawl(path: Path, seen: set[Path]) -> list[Item]:
    """Items of a STAC file and of those it links to."""
    path = path.resolve()
    if path in seen:
        return []
    seen.add(path)
    try:
        found = read_json(path, what="STAC catalogue")
        kind = found.get("type")
    except (OSError, ValueError, AttributeError) as error:
        raise DataNotFoundError(f"Cannot read '{path}' ({shorten_error(error)}); expected STAC as JSON.") from error
    if kind == "Feature":
        return [_absolute(found, path)]
    if kind == "FeatureCollection":
        return [_absolute(item, path) for item in found.get("features", ())]
    if kind not in ("Catalog", "Collection"):
        raise DataNotFoundError(f"'{path}' is no STAC (its type is {kind!r}); expected a catalogue or items.")
    links = [link for link in found.get("links", ()) if link.get("rel") in ("item", "items", "child")]
    return [item for link in links for item in _crawl(path.parent / str(link["href"]).removeprefix("file://"), seen)]


def _absolute(item: Item, path: Path) -> Item:
    """The item with absolute paths of assets."""
    assets = {}
    for key, asset in (item.get("assets") or {}).items():
        href = str(asset.get("href", "")).removeprefix("file://")
        remote = "://" in href or href.startswith("/vsi")
        assets[key] = {**asset, "href": href if remote or not href else str((path.parent / href).resolve())}
    return {**item, "assets": assets}


def _in_time(item: Item, start: np.datetime64, end: np.datetime64) -> bool:
    properties = item.get("properties") or {}
    text = str(properties.get("datetime") or properties.get("start_datetime") or "")[:10]
    return (
        bool(start <= np.datetime64(text, "D") < end) if text else True
    )  # an item without a time is refused when its scene is read


def _in_area(item: Item, aoi: Aoi) -> bool:
    outline = footprint(item.get("geometry"))
    return outline is None or bool(outline.intersects(aoi.geometry))
