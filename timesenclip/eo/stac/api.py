"""Search a STAC API that is not trusted: it sends us nowhere else, and its answers do not fill memory.

`pystac_client` follows whatever links an answer holds, and reads those that are paths from our disk. Here every address
is judged first (`addresses.py`) and nothing is ever opened.

Bounds: 15 s for the connection and 90 s without a byte, each repeated 5 times; `_ANSWER_S` for one answer and
`_SEARCH_S` for a search, however slowly the server sends; `_MOST_BYTES` an answer, `_MOST_ITEMS` and `_MOST_PAGES` a
search.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from timesenclip.eo.stac.addresses import Origin, is_web, judge_address, resolve_href
from timesenclip.eo.stac.remote import ask, new_session, within
from timesenclip.errors import DataNotFoundError, InputError, TimeSenCLIPError
from timesenclip.extras import require
from timesenclip.messages import shorten_error, show_value

__all__ = ["search_api"]

Item = dict[str, Any]

_PAGE = 100
_RETRIES = 5
_TIMEOUT_S = (15.0, 90.0)
_ANSWER_S = 300.0
"""Seconds for one answer, with its retries."""
_SEARCH_S = 3600.0
"""Seconds for all pages of a search."""
_MOST_BYTES = 256 * 2**20
_MOST_ITEMS = 200_000
"""A country's year has about 20,000."""
_MOST_PAGES = 20_000
_CHUNK = 2**16


def search_api(
    url: str,
    *,
    collection: str,
    bounds: tuple[float, float, float, float],
    when: str,
    origin: Origin,
    wait_s: float,
) -> Iterator[Any]:
    """Items of a box and a time, as the API gives them; only their hrefs are made absolute.

    By POST, or by GET where POST is not offered. Neither the polygon nor the cloud cover is asked for: every API knows
    boxes, while long polygons and the query extension fail on some.

    Args:
        url: root of the API.
        collection: collection id.
        bounds: west, south, east, north in degrees.
        when: `START/END`.
        origin: what the API may name.
        wait_s: first pause before a failed request is repeated; it doubles.

    Raises:
        DataNotFoundError: it does not answer, or with something else than STAC.
        InputError: it sends us to an address that is refused.
        MissingExtraError: pystac-client is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        require("stac", "pystac_client", needed_by="Searching a STAC API")
        from pystac_client.exceptions import APIError
    client = _client(url, origin, wait_s)

    def search(method: str) -> list[Any]:
        found = client.search(
            method=method, collections=[collection], bbox=bounds, datetime=when, limit=_PAGE, max_items=None
        )
        return [_absolute(item, found.url or url) for item in found.items_as_dicts()]

    with _api_errors(url):
        try:
            yield from search("POST")
        except APIError as error:
            if getattr(error, "status_code", None) not in (404, 405, 501):
                raise
            yield from search("GET")


def _absolute(item: Any, base: str) -> Any:
    """The parts of an item that are used, with absolute addresses; whole items of a country's year fill gigabytes."""
    if not isinstance(item, dict):
        return item
    links = item.get("links")
    for link in links if isinstance(links, list) else ():
        own = link.get("href") if isinstance(link, dict) and link.get("rel") == "self" else None
        if isinstance(own, str) and is_web(resolved := resolve_href(own, base)):
            base = resolved
            break
    assets = item.get("assets")
    if isinstance(assets, dict):
        kept = ("file:checksum", "file:size")
        assets = {
            key: {name: asset[name] for name in kept if name in asset} | {"href": resolve_href(asset["href"], base)}
            for key, asset in assets.items()
            if isinstance(asset, dict) and isinstance(asset.get("href"), str)
        }
    return {key: item.get(key) for key in ("id", "collection", "geometry", "properties")} | {"assets": assets}


def _client(url: str, origin: Origin, wait_s: float) -> Any:
    with _api_errors(url), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of conformance classes that an API does not list
        from pystac_client import Client

        client = Client.open(url, stac_io=_judging_io(origin, wait_s))
        client.add_conforms_to("ITEM_SEARCH")
        return client


def _judging_io(origin: Origin, wait_s: float) -> Any:
    """pystac_client's reader of answers, of which nothing is left that reads files or follows links unseen."""
    import pystac
    from pystac.serialization import identify_stac_object_type
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError
    from pystac_client.stac_api_io import StacApiIO

    session = new_session(retries=_RETRIES, wait_s=wait_s)
    end = time.monotonic() + _SEARCH_S

    class JudgingIO(StacApiIO):  # type: ignore[misc, unused-ignore]
        def read_text(self, source: Any, *args: Any, **more: Any) -> str:
            return self.request(str(source), *args, **more)

        def request(
            self,
            href: str,
            method: str | None = None,
            headers: dict[str, str] | None = None,
            parameters: dict[str, Any] | None = None,
        ) -> str:
            if time.monotonic() > end:
                raise DataNotFoundError(f"{href[:100]}: the search has taken {_SEARCH_S / 60:.0f} minutes; stopped.")
            _judge_link(href, origin)
            kind = (method or "GET").upper()
            content = {"json": parameters} if kind == "POST" else {"params": parameters or {}}
            status, text = within(_ANSWER_S, lambda: _read(session, kind, href, origin, content))
            if not 200 <= status < 300:
                error = APIError(f"status {status}: {text[:200]}")
                error.status_code = status
                raise error
            return text

        def get_pages(
            self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
        ) -> Iterator[dict[str, Any]]:
            yield from _pages(self.read_json, url, method or "GET", parameters or {})

        def stac_object_from_dict(self, d: Any, *args: Any, **more: Any) -> Any:
            # Of an item of an old version pystac would read the collection, from wherever it says.
            kinds = (pystac.STACObjectType.CATALOG, pystac.STACObjectType.COLLECTION)
            if not isinstance(d, dict) or identify_stac_object_type(d) not in kinds:
                raise ClientTypeError("no catalogue")
            return super().stac_object_from_dict(d, *args, **more)

    return JudgingIO(max_retries=None)


def _judge_link(href: str, origin: Origin) -> None:
    if href == origin.home or href.startswith(origin.home.rstrip("/") + "/"):
        return  # what the user typed, with a user name for instance
    try:
        judge_address(href, origin)
        if not is_web(href):
            raise InputError("expected http or https")
    except InputError as error:
        raise InputError(
            f"The catalogue {origin.home} sends us to '{href[:100]}', which is refused: {error}. Use another catalogue."
        ) from None


def _read(session: Any, method: str, href: str, origin: Origin, content: dict[str, Any]) -> tuple[int, str]:
    parts, size = [], 0
    with ask(session, method, href, origin, timeout=_TIMEOUT_S, **content) as answer:
        for part in answer.iter_content(_CHUNK):
            size += len(part)
            if size > _MOST_BYTES:
                raise DataNotFoundError(f"{href[:100]} answers with more than {_MOST_BYTES >> 20} MiB; stopped.")
            parts.append(part)
        return answer.status_code, b"".join(parts).decode("utf-8")


def _pages(read_json: Any, url: str, method: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Pages of a search, until there is no next one; refused where it never ends."""
    asked: set[str] = set()
    items = 0
    href, content = url, dict(parameters)
    for _ in range(_MOST_PAGES):
        asked.add(json.dumps([href, method, content], sort_keys=True, default=str))
        page = read_json(href, method=method, parameters=content)
        features = page.get("features") if isinstance(page, dict) else None
        if not isinstance(features, list):
            raise DataNotFoundError(
                f"{url[:100]} answers, but with no list of `features` ({type(features).__name__}); expected items."
            )
        items += len(features)
        if items > _MOST_ITEMS:
            raise DataNotFoundError(
                f"{url[:100]} gives more than {_MOST_ITEMS:,} items; search a shorter period or a smaller area."
            )
        if not features:
            return
        yield page
        following = _next_link(page.get("links"))
        if following is None:
            return
        if not isinstance(following["href"], str):  # to stop here would leave scenes out unseen
            raise DataNotFoundError(
                f"{url[:100]} names {show_value(following['href'])} as its next page; expected an address."
            )
        method = str(following.get("method") or "GET").upper()
        body = following.get("body")
        content = dict(body) if method == "POST" and isinstance(body, dict) else {}
        if method == "POST" and following.get("merge") is True:
            content = {**parameters, **content}
        href = resolve_href(str(following["href"]), href)
        if json.dumps([href, method, content], sort_keys=True, default=str) in asked:
            raise DataNotFoundError(f"{url[:100]} names a page as next that it gave before; its answers never end.")
    raise DataNotFoundError(f"{url[:100]} gives more than {_MOST_PAGES:,} pages; search a shorter period.")


def _next_link(links: Any) -> dict[str, Any] | None:
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "next" and link.get("href") is not None:
            found: dict[str, Any] = link
            return found
    return None


@contextmanager
def _api_errors(url: str) -> Iterator[None]:
    from pystac_client.errors import ClientTypeError
    from pystac_client.exceptions import APIError
    from requests import RequestException

    try:
        yield
    except (TimeSenCLIPError, MemoryError):
        raise
    except (APIError, RequestException, TimeoutError, json.JSONDecodeError, UnicodeDecodeError) as error:
        reason = shorten_error(error, 200)
        raise DataNotFoundError(
            f"The STAC API at {url} did not answer after {_RETRIES} retries ({reason}); check the address and the "
            "network, or try later."
        ) from error
    except ClientTypeError as error:
        raise _no_catalogue(url) from error
    except Exception as error:
        # The border of pystac: from an answer that is no STAC it raises whatever its code stumbles over.
        raise _no_catalogue(url) from error


def _no_catalogue(url: str) -> DataNotFoundError:
    return DataNotFoundError(
        f"{url} answers, but is no STAC catalogue; expected the root of an API, such as "
        "https://earth-search.aws.element84.com/v1."
    )
