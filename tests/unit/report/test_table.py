"""Tables with the names that users and taxonomies really have."""

from __future__ import annotations

import csv
import re

from timesenclip.report.table import ReportTable

from .class_names import ODD


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
