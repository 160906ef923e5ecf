"""The report of a suite: its files, and a page whose text is escaped and whose sections follow the findings."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from timesenclip.evaluation.suite.findings import Findings, findings_report
from timesenclip.evaluation.suite.report import figures_html, page, write_report
from timesenclip.evaluation.suite.report_tables import report_tables
from timesenclip.files import json_text
from timesenclip.report.figure import ReportFigure

DRAWN = {
    name: ReportFigure(name, f"About {name} & more", '<svg viewBox="0 0 1 1"></svg>', b"%PDF", wide=name == "confusion")
    for name in ("methods", "confusion", "reliability", "prompts", "robustness", "months", "few-labels", "neighbours")
}


def _headings(text: str) -> list[str]:
    return re.findall(r"<h2>([^<]+)</h2>", text)


def test_a_report_is_written_in_every_form(findings: Findings, tmp_path: Path) -> None:
    report, files = write_report(findings, tmp_path / "report")
    assert json_text(report) == json_text(findings_report(findings))
    assert json.loads(files["json"].read_text()) == json.loads(json_text(report))
    tables = {path.stem for path in files["tables"].iterdir()}
    assert tables == set(report_tables(findings))
    assert {path.suffix for path in files["tables"].iterdir()} == {".csv", ".tex"}
    text = files["report"].read_text()
    drawn = sorted(path.stem for path in files["figures"].glob("*.svg"))
    assert drawn == sorted(path.stem for path in files["figures"].glob("*.pdf"))
    assert text.count("<svg ") == len(drawn)


def test_sections_follow_the_findings(findings: Findings) -> None:
    text = page(findings, report_tables(findings), DRAWN)
    headings = _headings(text)
    assert headings[0] == "How good the answers are"
    assert {"What a few labels are worth", "Nearest neighbours", "Every prompt"} <= set(headings)
    fewer = replace(findings, shots=[])
    some = {name: figure for name, figure in DRAWN.items() if name != "neighbours"}
    left = _headings(page(fewer, report_tables(fewer), some))
    assert set(headings) - set(left) == {"What a few labels are worth", "Nearest neighbours"}


def test_names_and_prompts_are_escaped_and_settings_are_shown(findings: Findings) -> None:
    text = page(findings, report_tables(findings), DRAWN)
    assert "<h1>Maize &amp; others</h1>" in text
    assert "<field>" not in text
    assert "a photo of maize &lt;field&gt;" in text
    assert "default (8)" in text  # the number of prompts of the set
    assert "that help most" in text
    shown = re.search(r"<pre>(.*?)</pre>", text, re.DOTALL)
    assert shown is not None
    assert "&quot;seed&quot;: 7" in shown.group(1)
    assert "prompts" not in shown.group(1)  # they have a section of their own


def test_queries_that_do_not_count_are_said(findings: Findings) -> None:
    text = page(findings, report_tables(findings), DRAWN)
    assert "text -&gt; satellite: words to places" in text
    # The class without a sample has no candidate.
    assert "text -&gt; satellite: 1 of 4 queries without a candidate of their class do not count." in text


def test_figures_stand_side_by_side_with_their_captions() -> None:
    text = figures_html([DRAWN["methods"], DRAWN["confusion"]])
    assert re.findall(r'<figure class="(\w+)">', text) == ["plain", "wide"]
    assert re.findall(r"<figcaption>([^<]+)</figcaption>", text) == [
        "About methods &amp; more",
        "About confusion &amp; more",
    ]
    assert figures_html([]) == ""
