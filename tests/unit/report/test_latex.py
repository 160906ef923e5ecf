"""LaTeX tables: every one compiles and fits its page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from timesenclip.report.latex import latex_table
from timesenclip.report.table import ReportTable

from .class_names import ODD

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


def _table(rows: int, columns: int, text: str = "a") -> str:
    cells = [[(text, ""), *[("0.5", "")] * (columns - 1)]] * rows
    return latex_table(
        "mine", "50 % of all", ["class", *["share"] * (columns - 1)], cells, [True] + [False] * (columns - 1)
    )


def test_a_table_of_one_page() -> None:
    rows = [[("maize & oats", ""), ("0.500", "[0.4, 0.6]")], [("lake", ""), ("0.250", "")]]
    lines = latex_table("mine", "50 % of all", ["class", "mean recall of it"], rows, [True, False]).splitlines()
    assert r"\caption{50 \% of all}" in lines
    assert r"\label{tab:mine}" in lines
    assert r"\begin{tabular}{lr}" in lines
    assert r"\shortstack[l]{class} & \shortstack[r]{mean recall\\of it} \\" in lines
    at = lines.index(r"\midrule")
    assert lines[at + 1 : at + 4] == [
        r"maize \& oats & 0.500 \\*[-0.3em]",
        r" & {\scriptsize [0.4, 0.6]} \\[0.2em]",
        r"lake & 0.250 \\",
    ]
    assert lines[-3:] == [r"\bottomrule", r"\end{tabular}}", r"\end{table}"]


@pytest.mark.parametrize(
    ("rows", "columns", "long", "landscape", "turned"),
    [
        (40, 4, False, False, False),
        (41, 4, True, False, False),
        (41, 5, True, True, False),
        (41, 15, True, True, True),
        (41, 16, False, False, True),  # too wide for landscape: shrunk to one page
    ],
)
def test_long_tables_break_and_wide_ones_turn(
    rows: int, columns: int, long: bool, landscape: bool, turned: bool
) -> None:
    text = _table(rows, columns)
    assert (r"\begin{longtable}" in text) == long == (r"\resizebox" not in text.split("\n", 1)[1])
    assert (r"\begin{landscape}" in text) == landscape
    assert (r"\rotatebox{90}{share}" in text) == turned
    assert text.count("a & 0.5") == rows


def test_sentences_are_wrapped() -> None:
    assert r"p{0.50\linewidth}r" in _table(2, 2, "s" * 41)
    assert r"\linewidth}r" not in _table(2, 2, "s" * 40)
