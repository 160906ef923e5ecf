"""Style and files of figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from timesenclip.report.figure import COLOURS, INK, SOFT, ReportFigure, new_figure, short


@pytest.mark.parametrize(
    ("name", "most", "shown"),
    [
        ("Maize", 5, "Maize"),
        ("Lines of trees, small anthropogenic woodlands (1,036)", 24, "Lines of trees, small… (1,036)"),
        ("Spiny heaths (phrygana)", 14, "Spiny heaths…"),
        ("Donaudampfschifffahrt", 10, "Donaudamp…"),
    ],
)
def test_long_names_are_cut_at_a_word_and_keep_their_count(name: str, most: int, shown: str) -> None:
    assert short(name, most) == shown


def _figure(name: str = "mine", *, wide: bool = False) -> ReportFigure:
    with new_figure(2, 1) as (figure, finish):
        plot = figure.add_subplot()
        plot.plot([0, 1], [0, 1], color=COLOURS[0])
        plot.set_title("costs $5 < $6")
        return finish(name, 'a "line"', wide=wide)


def test_a_figure_on_a_page_takes_its_colours_and_keeps_its_ids_apart() -> None:
    pages = [_figure(name).inline() for name in ("one", "two")]
    ids = [set(re.findall(r'\bid="([^"]+)"', page)) for page in pages]
    assert ids[0]
    assert not ids[0] & ids[1]
    for name, page, mine in zip(("one", "two"), pages, ids, strict=True):
        assert all(found.startswith(f"{name}-") for found in mine)
        pointed = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page)
        assert {a or b for a, b in pointed} <= mine
        assert page.startswith('<svg role="img" aria-label="a &quot;line&quot;" ')
        assert "var(--blue)" in page
        assert "var(--ink)" in page
        assert not any(colour in page for colour in (INK, SOFT, COLOURS[0]))
        assert "<metadata>" not in page
    assert COLOURS[0] in _figure().svg  # the file keeps the colours of a light page
    assert "costs $5 &lt; $6" in _figure().svg  # a dollar sign starts no formula


def test_the_same_figure_is_saved_to_the_same_bytes(tmp_path: Path) -> None:
    first, second = _figure(), _figure()
    assert (first.svg, first.pdf) == (second.svg, second.pdf)
    files = first.save(tmp_path / "figures")
    assert [file.name for file in files] == ["mine.svg", "mine.pdf"]
    assert files[0].read_text() == first.svg
    assert files[1].read_bytes().startswith(b"%PDF")
    assert (first.wide, _figure(wide=True).wide) == (False, True)


def test_the_style_does_not_leak() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    _figure()
    assert dict(matplotlib.rcParams) == before
