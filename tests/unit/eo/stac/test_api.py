"""Pages of a search, as a server that is not trusted gives them; over HTTP: `test_stac_hostile.py`."""

from __future__ import annotations

from typing import Any

import pytest

from timesenclip.eo.stac import api
from timesenclip.eo.stac.addresses import Origin
from timesenclip.errors import DataNotFoundError, InputError

HOME = "https://93.184.216.34/v1"


def pages(*answers: Any, method: str = "POST") -> tuple[list[Any], list[tuple[str, str, Any]]]:
    """What `_pages` makes of answers, and what it asked for."""
    asked: list[tuple[str, str, Any]] = []

    def read(href: str, *, method: str, parameters: Any) -> Any:
        asked.append((href, method, parameters))
        return answers[len(asked) - 1]

    found = list(api._pages(read, f"{HOME}/search", method, {"bbox": 1}))
    return found, asked


def page(*links: Any) -> dict[str, Any]:
    return {"features": [{}], "links": list(links)}


def test_pages_are_followed_as_their_links_say() -> None:
    following = {"rel": "next", "method": "POST", "href": f"{HOME}/search", "body": {"token": 1}, "merge": True}
    found, asked = pages(page(following), page({"rel": "next", "href": "./search?token=2"}), page())
    assert len(found) == 3
    assert asked == [
        (f"{HOME}/search", "POST", {"bbox": 1}),
        (f"{HOME}/search", "POST", {"bbox": 1, "token": 1}),
        (f"{HOME}/search?token=2", "GET", {}),
    ]


def test_an_empty_page_ends_the_search() -> None:
    assert pages({"features": [], "links": [{"rel": "next", "href": "x"}]})[0] == []


@pytest.mark.parametrize("links", [None, 5, {}, [None, 5, {"rel": "next"}, {"rel": "next", "href": None}]])
def test_links_that_are_none_end_the_search(links: Any) -> None:
    assert len(pages({"features": [{}], "links": links})[0]) == 1


@pytest.mark.parametrize("href", [5, True, [], {"a": 1}])
def test_a_next_page_without_an_address_is_refused_since_scenes_would_be_missing(href: Any) -> None:
    with pytest.raises(DataNotFoundError, match="as its next page; expected an address"):
        pages({"features": [{}], "links": [{"rel": "next", "href": href}]})


@pytest.mark.parametrize("answer", [[], 5, None, {}, {"features": None}, {"features": {}}])
def test_answers_without_features_are_named(answer: Any) -> None:
    with pytest.raises(DataNotFoundError, match="no list of `features`"):
        pages(answer)


def test_pages_without_an_end_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataNotFoundError, match="answers never end"):
        pages(page({"rel": "next", "method": "POST", "href": f"{HOME}/search", "body": {"bbox": 1}}))
    endless = [page({"rel": "next", "href": f"./search?token={i}"}) for i in range(9)]
    monkeypatch.setattr(api, "_MOST_PAGES", 5)
    with pytest.raises(DataNotFoundError, match="more than 5 pages"):
        pages(*endless)
    monkeypatch.setattr(api, "_MOST_ITEMS", 3)
    with pytest.raises(DataNotFoundError, match="more than 3 items"):
        pages(*endless)


@pytest.mark.parametrize("href", ["file:///etc/passwd", "/etc/passwd", "s3://bucket/x", "http://127.0.0.1/", "x"])
def test_links_to_elsewhere_are_refused(href: str) -> None:
    with pytest.raises(InputError, match=rf"The catalogue {HOME} sends us to '.*', which is refused: .*"):
        api._judge_link(href, Origin(HOME))


def test_the_address_that_the_user_gave_is_not_judged() -> None:
    home = "http://user:word@127.0.0.1:8000/stac"
    for href in (home, f"{home}/search"):
        api._judge_link(href, Origin(home))
    with pytest.raises(InputError):
        api._judge_link("http://user:word@127.0.0.1:8000/stacked", Origin(home))


def test_items_keep_what_is_used_with_absolute_addresses() -> None:
    links = [None, {"rel": "self", "href": f"{HOME}/collections/c/items/one"}]
    assets = {
        "B04": {"href": "./B04.tif", "title": "x", "file:size": 5},
        "B03": {"href": f"{HOME}/B03.tif"},
        "B02": None,
        "B01": {"href": 5},
    }
    found = api._absolute({"id": "one", "links": links, "assets": assets, "bbox": []}, f"{HOME}/search")
    assert found == {
        "id": "one",
        "collection": None,
        "geometry": None,
        "properties": None,
        "assets": {
            "B04": {"href": f"{HOME}/collections/c/items/B04.tif", "file:size": 5},
            "B03": {"href": f"{HOME}/B03.tif"},
        },
    }
    for links in (None, 5, [{"rel": "self", "href": 5}], [{"rel": "self", "href": "file:///etc/"}]):
        one = api._absolute({"links": links, "assets": {"B04": {"href": "B04.tif"}}}, f"{HOME}/search")
        assert one["assets"]["B04"]["href"] == f"{HOME}/B04.tif"
    assert api._absolute([], HOME) == []
    assert api._absolute({"assets": []}, HOME)["assets"] == []
