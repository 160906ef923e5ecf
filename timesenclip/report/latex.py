r"""A table in LaTeX: one that fits a page is shrunk to the width of the text, a longer one breaks across pages.

Needs the packages booktabs and graphicx (`\resizebox`); array, longtable and lscape for tables of several pages.

pandas' `Styler.to_latex` is not used: it needs Jinja2, and it neither sets an interval beneath its value nor escapes
`<`, `>` and `|`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

__all__ = ["Cell", "latex_table"]

Cell = tuple[str, str]
"""Text of a cell, and the interval beneath it; "" where there is none."""

_SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",  # without the package fontenc, these three print as other signs
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\N{EN DASH}": "--",
}
_PAGE_LINES = 40
"""Lines that fit one page; a table of more becomes a `longtable`."""
_PORTRAIT_COLUMNS = 4
"""Columns that fit the width of a page in portrait; a `longtable` of more stands in landscape."""
_LANDSCAPE_COLUMNS = 15
"""Columns that fit the width of a page in landscape; a table of more is shrunk to one page, however long it is."""
_UPRIGHT_COLUMNS = 10
"""With more columns the heads are rotated by 90 degrees."""
_SENTENCE = 40
"""A column with a longer cell is wrapped."""
_SHRINK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Shrinks what is wider than the text; `\resizebox{\textwidth}{!}` would enlarge narrow tables."""


def latex_table(
    name: str, caption: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]], text_columns: Sequence[bool]
) -> str:
    r"""A `table`, or a `longtable` where it does not fit one page; intervals stand small beneath their values.

    Args:
        name: for `\label{tab:NAME}`.
        caption: one sentence.
        heads: names of the columns.
        rows: rows of as many cells as there are heads.
        text_columns: whether a column holds text, which is aligned left; numbers are aligned right.
    """
    lines = len(rows) + sum(any(interval for _, interval in row) for row in rows)
    sides = ["l" if i == 0 or is_text else "r" for i, is_text in enumerate(text_columns)]
    wrapped = [any(len(row[i][0]) > _SENTENCE for row in rows) for i in range(len(heads))]
    caption_lines = [rf"\caption{{{_escape(caption)}}}", rf"\label{{tab:{name}}}"]
    long = lines > _PAGE_LINES and len(heads) <= _LANDSCAPE_COLUMNS
    table = (_longtable if long else _one_page)(caption_lines, sides, wrapped, _head(heads, sides), rows)
    return "\n".join([r"% \usepackage{array,booktabs,graphicx,longtable,lscape}", *table]) + "\n"


def _one_page(
    caption: list[str], sides: Sequence[str], wrapped: Sequence[bool], head: list[str], rows: Sequence[Sequence[Cell]]
) -> list[str]:
    start = rf"\begin{{tabular}}{{{_columns(sides, wrapped, 0.5)}}}"
    body = [*head, *_body(rows, r"\scriptsize"), r"\bottomrule"]
    return [
        *[r"\begin{table}", r"\centering", *caption, _SHRINK, start],
        *[*body, r"\end{tabular}}", r"\end{table}"],
    ]


def _longtable(
    caption: list[str], sides: Sequence[str], wrapped: Sequence[bool], head: list[str], rows: Sequence[Sequence[Cell]]
) -> list[str]:
    landscape = len(sides) > _PORTRAIT_COLUMNS
    begin, end = (r"\begin{landscape}", r"\end{landscape}") if landscape else ("{", "}")
    start = rf"\begin{{longtable}}{{{_columns(sides, wrapped, 0.25 if landscape else 0.4)}}}"
    repeated = [r"\\", *head, r"\endfirsthead", *head, r"\endhead", r"\bottomrule", r"\endfoot"]
    size = r"\scriptsize\setlength{\tabcolsep}{3pt}"
    return [begin + size, start, *caption, *repeated, *_body(rows, r"\tiny"), r"\end{longtable}" + end]


def _columns(sides: Sequence[str], wrapped: Sequence[bool], share: float) -> str:
    """Column types; wrapped columns take `share` of the width of the text together."""
    wide = rf">{{\raggedright\arraybackslash}}p{{{share / max(1, sum(wrapped)):.2f}\linewidth}}"
    return "".join(wide if wrap else side for side, wrap in zip(sides, wrapped, strict=True))


def _head(heads: Sequence[str], sides: Sequence[str]) -> list[str]:
    cells = []
    for i, (head, side) in enumerate(zip(heads, sides, strict=True)):
        if len(heads) > _UPRIGHT_COLUMNS and i > 0:
            cells.append(rf"\rotatebox{{90}}{{{_escape(head)}}}")
        else:
            lines = r"\\".join(_escape(line) for line in textwrap.wrap(head, 12, break_long_words=False))
            cells.append(rf"\shortstack[{side}]{{{lines}}}")
    return [r"\toprule", r"\addlinespace", " & ".join(cells) + r" \\", r"\midrule"]


def _body(rows: Sequence[Sequence[Cell]], small: str) -> list[str]:
    lines = []
    for row in rows:
        shown = " & ".join(_escape(text) for text, _ in row)
        # After \\, LaTeX would read a bracket or a star as its argument.
        guard = "{}" if shown[:1] in ("[", "*") else ""
        if any(interval for _, interval in row):
            beneath = " & ".join(f"{{{small} {_escape(interval)}}}" if interval else "" for _, interval in row)
            lines += [rf"{guard}{shown} \\*[-0.3em]", rf"{beneath} \\[0.2em]"]
        else:
            lines.append(rf"{guard}{shown} \\")
    return lines


def _escape(text: str) -> str:
    return "".join(_SIGNS.get(letter, letter) for letter in text)
