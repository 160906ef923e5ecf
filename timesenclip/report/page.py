"""The HTML page that every report is put on: one file without scripts, fonts or links to other addresses."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from importlib import resources
from string import Template

__all__ = ["html_page"]


def html_page(*, title: str, lead: str, notes: Iterable[str], sections: str, foot: str = "") -> str:
    """Fill the template of reports.

    Args:
        title: heading of the page, plain text.
        lead: first paragraph, plain text.
        notes: list items below the lead, plain text.
        sections: HTML.
        foot: HTML at the end.
    """
    template = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=escape(title),
        lead=escape(lead),
        notes="".join(f"<li>{escape(note)}</li>" for note in notes),
        sections=sections,
        foot=foot,
    )
