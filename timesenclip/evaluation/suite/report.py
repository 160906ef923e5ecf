"""The report of a suite: JSON, tables, figures, and one HTML page without links to other files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from timesenclip.evaluation.suite import report_text as words
from timesenclip.evaluation.suite.findings import Findings, findings_report
from timesenclip.evaluation.suite.report_figures import report_figures
from timesenclip.evaluation.suite.report_tables import report_tables
from timesenclip.files import json_text, write_json, write_text
from timesenclip.owned import claimed
from timesenclip.report.figure import ReportFigure, figure_files
from timesenclip.report.page import html_page
from timesenclip.report.table import ReportTable, table_files, write_tables

__all__ = ["figures_html", "page", "report_files", "write_report"]

_EFFECTS_SHOWN = 8
_DIRECTION_LEADS = {
    "text -> satellite": "words to places",
    "satellite -> satellite": "places to places (the place itself is taken out)",
    "satellite -> ground": "places to photographs (those of the place itself count)",
    "ground -> satellite": "photographs to places (the place itself counts)",
}


TABLES = (
    *("methods", "classes", "classes_by_method", "confusion", "prompts", "prompts_by_class", "prompt_effects"),
    *("retrieval", "retrieval_by_class", "few_labels", "robustness", "composites", "months"),
)
"""Tables that a report can have."""
FIGURES = (
    *("methods", "confusion", "reliability", "prompts", "few-labels", "robustness", "months", "map", "embedding"),
    *("embedding-map", "neighbours"),
)
"""Figures that a report can have."""


def write_report(found: Findings, out: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """Write report.json, tables/, figures/ and report.html into a folder."""
    report = findings_report(found)
    tables, figures = report_tables(found), report_figures(found)
    names = report_files(tables=tables, figures=figures)
    with claimed(out, "suite report", names, exclusive=False):
        files = {
            "report": out / "report.html",
            "json": write_json(out / "report.json", report, shared=True),
            "tables": out / "tables",
            "figures": out / "figures",
        }
        write_tables(out / "tables", list(tables.values()))
        for figure in figures.values():
            figure.save(out / "figures")
        write_text(files["report"], page(found, tables, figures), shared=True)
    return report, files


def report_files(*, tables: Iterable[str] = TABLES, figures: Iterable[str] = FIGURES) -> tuple[str, ...]:
    """Names of the files of a report with these tables and figures, relative to its folder; default: all of them."""
    return (
        "report.html",
        "report.json",
        *(f"tables/{name}" for name in table_files(*tables)),
        *(f"figures/{name}" for name in figure_files(*figures)),
    )


def page(found: Findings, tables: dict[str, ReportTable], figures: dict[str, ReportFigure]) -> str:
    """The HTML page, without scripts and external links."""
    parts = [
        _section("How good the answers are", words.accuracy_lead(found), figures, ["methods"], [tables["methods"]]),
        _section("Class by class", words.class_lead(found), figures, ["confusion"], [tables["classes"]]),
        _section("How sure it is", words.sure_lead(found), figures, ["reliability"], []),
        _section("Which words work", words.WORDS, figures, ["prompts"], [tables["prompts"]], _words(found, tables)),
        _section("Finding places", words.FINDING, figures, [], [tables["retrieval"]], _finding(found, tables)),
        _section(
            "What months are worth", words.months_lead(found), figures, ["robustness", "months"], [tables["composites"]]
        ),
    ]
    if "few_labels" in tables:
        parts.append(_section("What a few labels are worth", words.SHOTS, figures, ["few-labels"], [], _shots(tables)))
    parts.append(_section("Where the samples are", words.WHERE, figures, ["map", "embedding-map", "embedding"], []))
    if "neighbours" in figures:
        parts.append(_section("Nearest neighbours", words.NEAR, figures, ["neighbours"], []))
    return html_page(
        title=found.title,
        lead=words.lead(found),
        notes=words.notes(found),
        sections="\n".join(parts),
        foot=_foot(found),
    )


def _section(
    heading: str,
    lead: str,
    figures: dict[str, ReportFigure],
    names: list[str],
    tables: list[ReportTable],
    extra: str = "",
) -> str:
    block = figures_html([figures[name] for name in names if name in figures])
    text = "".join(_scrolled(table) for table in tables)
    return f"<section><h2>{escape(heading)}</h2><p class='lead'>{escape(lead)}</p>{block}{text}{extra}</section>"


def figures_html(drawn: Sequence[ReportFigure]) -> str:
    """Figures side by side, with their captions."""
    shown = "".join(
        f'<figure class="{"wide" if one.wide else "plain"}"><div class="drawing">{one.inline()}</div>'
        f"<figcaption>{escape(one.alt)}</figcaption></figure>"
        for one in drawn
    )
    return f'<div class="figures">{shown}</div>' if shown else ""


def _scrolled(table: ReportTable) -> str:
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.caption)}">{table.to_html()}</div>'
    )


def _folded(title: str, inside: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def _words(found: Findings, tables: dict[str, ReportTable]) -> str:
    effects = tables["prompt_effects"]
    most = min(_EFFECTS_SHOWN, len(effects.rows) // 2)
    helpful = ReportTable("x", "Prompts that help most", effects.columns, effects.rows[:most])
    harmful = ReportTable("x", "Prompts that hurt most", effects.columns, effects.rows[::-1][:most])
    out = _folded("Recall of each class under every set", _scrolled(tables["prompts_by_class"]))
    if most:
        out += _folded(f"The {most} prompts that help most", _scrolled(helpful))
        out += _folded(f"The {most} prompts that help least, or hurt", _scrolled(harmful))
    return out


def _finding(found: Findings, tables: dict[str, ReportTable]) -> str:
    said = "; ".join(f"{one.direction}: {_DIRECTION_LEADS[one.direction]}" for one in found.retrieval)
    left = [
        f"{one.direction}: {count:,} of {one.queries:,} queries without a candidate of their {what} do not count."
        for one in found.retrieval
        for count, what in ((one.without_class, "class"), (one.without_place, "place"))
        if count
    ]
    text = escape(f"{said}. {' '.join(left)}")
    return f"<p class='small'>{text}</p>" + _folded("By class", _scrolled(tables["retrieval_by_class"]))


def _shots(tables: dict[str, ReportTable]) -> str:
    return _folded("The curve in numbers", _scrolled(tables["few_labels"]))


def _foot(found: Findings) -> str:
    about = {key: value for key, value in found.about.items() if key != "prompts"}
    listed = escape(json_text(about, indent=1))
    return (
        "<section><h2>Every prompt</h2><p class='lead'>What was put into words, by set. The report stands or falls "
        f"with them.</p>{_all_prompts(found)}</section><section><h2>How this came about</h2>"
        f"{_folded('Versions, checkpoint, calibration, seeds', f'<pre>{listed}</pre>')}</section>"
    )


def _all_prompts(found: Findings) -> str:
    out = []
    for one in found.prompts:
        listed = "".join(
            f"<dt>{escape(name)}</dt><dd>{'<br>'.join(map(escape, texts))}</dd>" for name, texts in one.prompts.items()
        )
        out.append(_folded(f"{one.name} ({sum(map(len, one.prompts.values()))})", f"<dl>{listed}</dl>"))
    return "\n".join(out)
