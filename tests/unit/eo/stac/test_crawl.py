"""Catalogues on disk: links are followed beneath the catalogue's folder only, and end."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from timesenclip.eo.stac import crawl as module
from timesenclip.eo.stac.addresses import Origin
from timesenclip.eo.stac.crawl import crawl
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, InputError


def written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def catalog(*hrefs: Any, rel: str = "child") -> dict[str, Any]:
    return {"type": "Catalog", "links": [{"rel": rel, "href": href} for href in hrefs]}


def items(path: Path, **options: Any) -> list[Any]:
    return crawl(path, Origin.of(str(path), **options))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A catalogue's folder, and an item beside it."""
    written(tmp_path / "secret.json", {"type": "Feature", "id": "secret"})
    return tmp_path / "root"


def test_links_that_lead_out_of_the_folder_are_refused(root: Path) -> None:
    root.mkdir()
    (root / "link.json").symlink_to(root.parent / "secret.json")
    secret = root.parent / "secret.json"
    for href in ("../secret.json", str(secret), f"file://{secret}", "./link.json"):
        path = written(root / "catalog.json", catalog(href))
        with pytest.raises(InputError, match=r"catalog\.json' links to .* outside the catalogue's folder.*--allow-els"):
            items(path)
        assert [item["id"] for item in items(path, allow_elsewhere=True)] == ["secret"]


@pytest.mark.parametrize("href", ["https://example.org/a.json", "/vsicurl/https://example.org/a.json", "ftp://x/a"])
def test_links_to_no_file_are_refused(root: Path, href: str) -> None:
    with pytest.raises(InputError, match="which is refused"):
        items(written(root / "catalog.json", catalog(href)))


def test_links_in_a_circle_and_doubled_links_end(root: Path) -> None:
    written(root / "a" / "item.json", {"type": "Feature", "id": "one"})
    written(root / "a" / "catalog.json", catalog("../catalog.json", "./item.json", "./item.json"))
    found = items(written(root / "catalog.json", catalog("./catalog.json", "./a/catalog.json", "./a/item.json")))
    assert [item["id"] for item in found] == ["one"]


def test_depth_and_number_are_limited(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(40):
        written(root / f"{i}.json", catalog(f"./{i + 1}.json"))
    with pytest.raises(DataNotFoundError, match="or 32 deep"):
        items(root / "0.json")
    monkeypatch.setattr(module, "_MOST_FILES", 5)
    with pytest.raises(DataNotFoundError, match="more than 5 files"):
        items(root / "0.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "Cannot read"),
        (b"[" * 100_000, "Cannot read"),
        (b"\xff\xfe", "Cannot read"),
        ([], "is a JSON list"),
        (5, "is a JSON int"),
        (None, "is a JSON NoneType"),
        ({"type": ["Catalog"]}, "is no STAC"),
        ({"type": "FeatureCollection", "features": None}, "no list of `features`"),
        ({"type": "FeatureCollection", "features": {}}, "no list of `features`"),
        ({"type": "Catalog", "links": 5}, "links that are a int"),
        ({"type": "Catalog", "links": [{"rel": "child"}]}, "a link without an href"),
        ({"type": "Catalog", "links": [{"rel": "child", "href": 5}]}, "a link without an href"),
        (catalog("./gone.json"), "Cannot read"),
    ],
)
def test_broken_catalogues_are_named(root: Path, content: Any, said: str) -> None:
    with pytest.raises(DataNotFoundError, match=said):
        items(written(root / "catalog.json", content))


def test_links_that_are_none_and_items_that_are_none_do_not_stop_it(root: Path) -> None:
    broken = {"type": "Catalog", "links": [None, 5, {"rel": "self", "href": "/etc/passwd"}]}
    assert items(written(root / "catalog.json", broken)) == []
    mixed = {"type": "FeatureCollection", "features": [5, None, {"id": "x", "assets": [1]}, {"assets": {"B02": None}}]}
    assert items(written(root / "items.json", mixed)) == [5, None, {"id": "x", "assets": [1]}, {"assets": {}}]


def test_pipes_are_refused_at_once(root: Path) -> None:
    root.mkdir()
    os.mkfifo(root / "pipe.json")
    with pytest.raises(InputError, match="no regular file"):
        items(root / "pipe.json")
    with pytest.raises(InputError, match="no regular file"):
        items(written(root / "catalog.json", catalog("./pipe.json")))


def test_a_linked_file_that_is_not_there_is_named_and_left_out(root: Path) -> None:
    written(root / "one.json", {"type": "Feature", "id": "one"})
    path = written(root / "catalog.json", catalog("./one.json", "./gone.json"))
    with pytest.warns(DegradedInputWarning, match=r"not there \(1\).*: gone\.json"):
        assert [item["id"] for item in items(path)] == ["one"]
