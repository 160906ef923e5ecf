"""Items of a catalogue on disk: a STAC file and those it links to, all beneath the catalogue's folder."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from timesenclip.eo.stac.addresses import Origin, is_web, judge_address, resolve_href
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, InputError
from timesenclip.files import require_regular_file
from timesenclip.messages import list_some, shorten_error

__all__ = ["crawl"]

_MOST_FILES = 200_000
_MOST_DEPTH = 32
_MOST_BYTES = 2**30
_FOLLOWED = ("item", "items", "child")


def crawl(path: Path, origin: Origin) -> list[Any]:
    """Items of a STAC file and of those it links to, each file once, with absolute addresses of assets.

    Args:
        path: a catalogue, a collection, an item or an ItemCollection.
        origin: the folder beneath which linked files must lie.

    Raises:
        DataNotFoundError: the file is not there, or all that it links to; a file is no STAC; there are more files than
            can be meant.
        InputError: a link leads to where the catalogue may not.

    Warns:
        DegradedInputWarning: linked files are not there; they are named and left out.
    """
    left = [(path.resolve(), 0)]
    seen: set[Path] = set()
    items: list[Any] = []
    gone: list[str] = []
    while left:
        file, depth = left.pop()
        if file in seen:
            continue
        seen.add(file)
        if depth and not file.exists():
            gone.append(file.name)
            continue
        if len(seen) > _MOST_FILES or depth > _MOST_DEPTH:
            raise DataNotFoundError(
                f"'{path}' links to more than {_MOST_FILES:,} files, or {_MOST_DEPTH} deep; give a part of it."
            )
        found = _read(file)
        kind = found.get("type")
        if kind == "Feature":
            items.append(_absolute(found, file))
        elif kind == "FeatureCollection":
            features = found.get("features")
            if not isinstance(features, list):
                raise DataNotFoundError(
                    f"'{file}' has no list of `features` (it is {type(features).__name__}); expected items."
                )
            items += [_absolute(item, file) for item in features]
        elif kind in ("Catalog", "Collection"):
            links = _links(found.get("links"), file, origin)
            left += [(target, depth + 1) for target in reversed(links)]
        else:
            raise DataNotFoundError(
                f"'{file}' is no STAC (its type is {str(kind)[:60]!r}); expected a catalogue or items."
            )
    if gone and not items:
        raise DataNotFoundError(f"Cannot read what '{path}' links to: {list_some(gone)} not there; restore the files.")
    if gone:
        warnings.warn(
            f"'{path}' links to files that are not there ({len(gone)}), and their scenes are left out: "
            f"{list_some(gone)}.",
            DegradedInputWarning,
            stacklevel=3,
        )
    return items


def _read(path: Path) -> dict[str, Any]:
    try:
        require_regular_file(path)
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise DataNotFoundError(f"'{path}' has {size >> 20} MiB; expected STAC of at most {_MOST_BYTES >> 20} MiB.")
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (DataNotFoundError, InputError):
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise DataNotFoundError(f"Cannot read '{path}' ({shorten_error(error)}); expected STAC as JSON.") from error
    if not isinstance(found, dict):
        raise DataNotFoundError(f"'{path}' is a JSON {type(found).__name__}; expected STAC, a JSON object.")
    return found


def _links(links: Any, file: Path, origin: Origin) -> list[Path]:
    if links is not None and not isinstance(links, list):
        raise DataNotFoundError(f"'{file}' has links that are a {type(links).__name__}; expected a list.")
    targets = []
    for link in links or ():
        if not isinstance(link, dict) or link.get("rel") not in _FOLLOWED:
            continue
        href = link.get("href")
        if not isinstance(href, str) or not href:
            raise DataNotFoundError(f"'{file}' has a link without an href; expected the path of a file.")
        try:
            address = resolve_href(href, str(file))
            if is_web(address):
                raise InputError("a catalogue on disk is read from disk only")
            targets.append(Path(judge_address(address, origin)))
        except InputError as error:
            raise InputError(
                f"'{file}' links to '{href[:100]}', which is refused: {error}. Give the catalogue that holds it, or "
                "--allow-elsewhere if you trust this one."
            ) from None
    return targets


def _absolute(item: Any, file: Path) -> Any:
    """The item with absolute addresses of assets; what is no item stays as it is, to be named later."""
    assets = item.get("assets") if isinstance(item, dict) else None
    if not isinstance(assets, dict):
        return item
    resolved = {
        key: {**asset, "href": resolve_href(asset["href"], str(file))}
        for key, asset in assets.items()
        if isinstance(asset, dict) and isinstance(asset.get("href"), str) and asset["href"]
    }
    return {**item, "assets": resolved}
