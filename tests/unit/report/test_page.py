"""The HTML page of a report: plain text is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from timesenclip.report.page import html_page


class _Reader(HTMLParser):
    """Tags of a page, its attributes with addresses, and the text of its headings, paragraphs and list items."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self.tags and data.strip():
            self.text.setdefault(self.tags[-1], []).append(data.strip())


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    return reader


def test_plain_text_is_escaped_and_html_is_kept() -> None:
    page = html_page(
        title="maize <script>",
        lead="5 % & $more",
        notes=("a < b", "c"),
        sections="<section><h2>Part</h2></section>",
        foot="<section><pre>{}</pre></section>",
    )
    found = _read(page)
    assert found.text["h1"] == ["maize <script>"]
    assert found.text["title"] == ["maize <script>"]
    assert found.text["p"] == ["5 % & $more"]
    assert found.text["li"] == ["a < b", "c"]
    assert found.text["h2"] == ["Part"]
    assert found.text["pre"] == ["{}"]
    assert page.index("Part") < page.index("{}</pre>")


def test_the_page_stands_alone() -> None:
    page = html_page(title="x", lead="y", notes=(), sections="")
    found = _read(page)
    assert not {"script", "link", "iframe", "img"} & set(found.tags)
    assert found.addresses == []
    assert not re.search(r"url\(|@import|https?://", page)
    assert "li" not in found.tags
    defined = set(re.findall(r"(--[a-z]+):", page))
    assert {"--ink", "--soft", "--line", "--blue"} <= defined  # the colours that figures take
    assert set(re.findall(r"var\((--[a-z]+)\)", page)) <= defined
