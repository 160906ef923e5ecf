"""Tables and figures with the names that users and taxonomies really have."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.evaluation.bootstrap import mean_intervals
from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.report import plots as draw
from timesenclip.report.figure import short
from timesenclip.report.table import ReportTable

ODD = (
    "maize & beans, 50 % each_mix",
    "cost $5 to $6",
    "a < b | b > c",
    r"C:\fields {x} ~ ^2 #1",
    "[sic] * moor",
    "* star",
    "été \N{EN DASH} Österreich",
)


def test_latex_prints_every_sign_of_a_class_name() -> None:
    table = ReportTable("odd", "100 % of A & B", ("class", "R@1"), tuple((name, (0.5, 0.25, 0.75)) for name in ODD))
    text = table.to_latex()
    body = text[text.index(r"\midrule") :]
    assert r"maize \& beans, 50 \% each\_mix" in body
    assert r"cost \$5 to \$6" in body
    assert r"a \textless{} b \textbar{} b \textgreater{} c" in body
    assert r"\textbackslash{}fields \{x\} \textasciitilde{} \textasciicircum{}2 \#1" in body
    assert "été -- Österreich" in body
    assert "\n{}[sic] * moor &" in body
    assert "\n{}* star &" in body
    cells = "\n".join(line for line in body.splitlines() if "&" in line)
    assert not re.search(r"(?<!\\)[%$#_]", cells)  # nothing that LaTeX would take for a command
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert len(re.findall(r"(?<!\\)&", body)) == 2 * len(ODD)  # a figure, and its interval beneath
    rows = list(csv.reader(table.to_csv().splitlines()))
    assert rows[0] == ["class", "R@1", "R@1 low", "R@1 high"]
    assert [row[0] for row in rows[1:]] == list(ODD)
    assert "a &lt; b | b &gt; c" in table.to_html()


SENTENCE = "Rows of young maize stand in a ploughed field under a grey sky, with a road and poplars behind."


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (texlive-latex-recommended)")
@pytest.mark.parametrize(
    "table",
    [
        ReportTable("odd", "100 % of A & B", ("class", "R@1"), tuple((name, (0.5, 0.25, 0.75)) for name in ODD)),
        ReportTable("empty", "Nothing", ("class", "recall"), ()),
        ReportTable(
            "wide", "Countries", ("class", *map(str, range(28))), tuple(("a name", *range(28)) for _ in range(16))
        ),
        ReportTable(
            "long", "Classes", ("class", *["average recall"] * 7), (("a name", *[(0.5, 0.25, 0.75)] * 7),) * 60
        ),
        ReportTable("matrix", "Confusion", ("", *["a long name"] * 46), (("a long name", *[100] * 46),) * 46),
        ReportTable(
            "eunis",
            "Classes",
            ("class", "samples", *["recall, prior-corrected"] * 6),
            ((SENTENCE[:50], 100, *[(0.5, 0.25, 0.75)] * 6),) * 44,
        ),
        ReportTable("prompts", "Prompts", ("class", "prompt", "recall"), (("a name", SENTENCE, 0.5),) * 90),
        ReportTable(
            "effects",
            "Prompts",
            ("class", "prompt", "average class accuracy", "recall", "precision"),
            ((SENTENCE[:39], SENTENCE, 0.5, 0.5, 0.5),) * 90,
        ),
        ReportTable("few", "Prompts", ("class", "prompt", "recall"), (("a name", SENTENCE, 0.5),) * 9),
    ],
    ids=lambda table: table.name,
)
def test_latex_prints_every_table_within_the_page(table: ReportTable, tmp_path: Path) -> None:
    lines = [
        r"\documentclass{article}\usepackage[utf8]{inputenc}",
        table.to_latex().splitlines()[0].removeprefix("% "),
        r"\begin{document}",
        table.to_latex(),
        r"\end{document}",
    ]
    (tmp_path / "page.tex").write_text("\n".join(lines))
    for _ in range(2):  # a longtable learns its widths from the first pass
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "page.tex"], cwd=tmp_path, capture_output=True, check=False
        )
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert not re.search(r"^!|Overfull|too large", log, re.MULTILINE), log[-2000:]


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


@pytest.mark.parametrize("names", [load_taxonomy("eunis-l2").names, load_taxonomy("lucas-land-use").names, ODD])
def test_figures_have_room_for_long_names(names: tuple[str, ...]) -> None:
    # matplotlib warns where a plot has collapsed beside its labels, and warnings are errors here.
    rng, k = np.random.default_rng(0), len(names)
    rows = [f"{name} ({1000 + i:,})" for i, name in enumerate(names)]
    made = [
        draw.confusion("confusion", "x", rng.random((k, k)), rows, names),
        draw.heat("months", "x", rng.normal(size=(k, 12)), names),
        draw.differences("compare", "x", names, [(0.1, -0.1, 0.2)] * k),
        draw.places(
            "map", "x", rng.random(k), rng.random(k), [(name, np.arange(k) == i) for i, name in enumerate(names)]
        ),
    ]
    for one in made:
        words = re.findall(r"<text[^>]*>([^<]+)</text>", one.svg)
        assert max(map(len, words)) < 56
        assert 'aria-label="x"' in one.inline()
    assert f"{1000 + k - 1:,})" in made[0].svg  # counts are kept


def test_two_classes_leave_room_for_the_words_beside_the_colour_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    inside: list[bool] = []
    save = Figure.savefig

    def savefig(figure: Figure, *args: Any, **options: Any) -> None:
        save(figure, *args, **options)
        figure.draw_without_rendering()
        box = figure.axes[-1].yaxis.label.get_window_extent()
        inside.append(bool(box.y0 >= 0 and box.y1 <= figure.bbox.height))

    monkeypatch.setattr(Figure, "savefig", savefig)
    draw.confusion(
        "confusion", "x", np.eye(2, 3), ["Cropland (293)", "Grassland (158)"], ["Cropland", "Grass", "Other"]
    )
    draw.heat("months", "x", np.ones((2, 12)), ["Cropland", "Grassland"])
    assert inside == [True] * 4


def test_intervals_of_means_draw_blocks_and_skip_what_does_not_count() -> None:
    rng = np.random.default_rng(1)
    block = np.repeat(np.arange(20), 30)
    shared = np.repeat(rng.random(20), 30)  # all samples of a block say the same
    values = {"shared": shared, "own": rng.random(600), "some": np.where(np.arange(600) % 2, 1.0, np.nan)}
    found = mean_intervals(values, block, draws=400)
    assert found["some"] == (1.0, 1.0)
    for name in ("shared", "own"):
        low, high = found[name]
        assert low < values[name].mean() < high
    assert np.ptp(found["shared"]) == pytest.approx(2 * 1.96 * shared.std() / np.sqrt(20), rel=0.2)
    assert np.ptp(found["own"]) < np.ptp(found["shared"]) / 3
    assert mean_intervals(values, block * 0) == {}


def test_axes_of_a_small_area_say_whole_numbers() -> None:
    lon, lat = 3.02 + np.arange(9) * 1e-3, 50.813 + np.arange(9) * 1e-3
    drawn = draw.places("map", "x", lon, lat, [("all", np.ones(9, np.bool_))])
    words = re.findall(r"<text[^>]*>([^<]+)</text>", drawn.svg)
    assert any(word.startswith("50.81") for word in words)
    assert not any("e" in word and "+" in word for word in words)


def test_scored_places_all_stand_within_their_axes() -> None:
    lon, lat = np.linspace(-5, 1, 30), np.linspace(50, 58, 30)
    drawn = draw.scored_places("scenic", "x", lon, lat, [("votes", lat), ("predicted", lon)])
    words = re.findall(r"<text[^>]*>([^<]+)</text>", drawn.svg)
    for text in ("50", "58"):  # the first and the last latitude, on both maps and on the scale of the first
        assert words.count(text) >= 2
