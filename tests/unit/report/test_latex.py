"""LaTeX tables: every one compiles and fits its page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

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
