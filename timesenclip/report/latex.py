"""A table in LaTeX that stays within the text of a page, however many columns and rows it has.

Needs booktabs and graphicx (to shrink a table that is too wide), array, longtable and lscape (for a table of several
pages, lying if it is wide).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

__all__ = ["Cell", "latex_table"]

Cell = tuple[str, str]
"""What stands in a cell, and the interval beneath it, empty where there is none."""

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
    "<": r"\textless{}",  # without fontenc these three are printed as other signs
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\N{EN DASH}": "--",
}
_PAGE_LINES = 40
"""A table of more lines goes over several pages."""
_UPRIGHT = 10
"""With more columns their heads stand upright."""
_SENTENCE = 40
"""Letters of a cell from which its column is broken into lines."""
_TEXT_WIDTH, _TEXT_HEIGHT = 320.0, 490.0
"""The text of LaTeX's article is 345 x 550 points; some are kept in hand."""
_SIZES = {r"\normalsize": 5.3, r"\small": 4.8, r"\footnotesize": 4.4, r"\scriptsize": 4.0, r"\tiny": 3.4}
"""Mean width of a letter of each size, points."""


def latex_table(
    name: str, caption: str, heads: Sequence[str], rows: Sequence[Sequence[Cell]], text_columns: Sequence[bool]
) -> str:
    """A `longtable` if it is longer than a page and not too wide for one; else a `table`, shrunk to the text's width.

    Intervals stand small beneath their figures.

    Args:
        name: for `\\label{tab:...}`.
        caption: one sentence.
        heads: of the columns.
        rows: as many cells as heads.
        text_columns: which columns hold words; these stand left, numbers right.
    """
    lines = len(rows) + sum(any(spread for _, spread in row) for row in rows)
    opening = [rf"\caption{{{_escape(caption)}}}", rf"\label{{tab:{name}}}"]
    longest = [max((max(len(row[i][0]), len(row[i][1])) for row in rows), default=0) for i in range(len(heads))]
    sides = ["l" if i == 0 or words else "r" for i, words in enumerate(text_columns)]
    head = _head(heads, sides)
    fitting = _fitting(heads, longest) if lines > _PAGE_LINES else None
    if fitting is None:
        start = rf"\begin{{tabular}}{{{_columns(longest, sides, 0.5)}}}"
        middle = [*head, *_body(rows, r"\scriptsize"), r"\bottomrule"]
        shrink = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
        table = [r"\begin{table}", r"\centering", *opening, shrink, start, *middle, r"\end{tabular}}", r"\end{table}"]
    else:
        size, left, lying = fitting
        start = rf"\begin{{longtable}}{{{_columns(longest, sides, left)}}}"
        first = [*opening, r"\\", *head, r"\endfirsthead", *head, r"\endhead", r"\bottomrule", r"\endfoot"]
        small = {r"\scriptsize": r"\tiny", r"\tiny": ""}.get(size, r"\scriptsize")
        open_page, close_page = (r"\begin{landscape}", r"\end{landscape}") if lying else ("{", "}")
        gap = r"\setlength{\tabcolsep}{3pt}"
        table = [open_page + size + gap, start, *first, *_body(rows, small), r"\end{longtable}" + close_page]
    return "\n".join([r"% \usepackage{array,booktabs,graphicx,longtable,lscape}", *table]) + "\n"


def _columns(longest: Sequence[int], sides: Sequence[str], share: float) -> str:
    """How each column stands; those of sentences share `share` of the width of the text."""
    sentences = sum(length > _SENTENCE for length in longest)
    broken = rf">{{\raggedright\arraybackslash}}p{{{share / max(1, sentences):.2f}\linewidth}}"
    return "".join(broken if length > _SENTENCE else side for side, length in zip(sides, longest, strict=True))


def _fitting(heads: Sequence[str], cells: Sequence[int]) -> tuple[str, float, bool] | None:
    """The largest size with which the columns fit a page, the share of its width for sentences, whether it lies.

    None if they fit no page.

    Args:
        heads: of the columns.
        cells: letters of the longest cell of each.
    """
    upright = len(heads) > _UPRIGHT
    widest = [2 if upright else max(map(len, _broken(head)), default=0) for head in heads]
    longest = [max(pair) for pair in zip(widest, cells, strict=True)]
    letters = sum(length for length in longest if length <= _SENTENCE)
    gaps = 6 * len(heads)
    kept = gaps + (0.25 * _TEXT_WIDTH if max(longest) > _SENTENCE else 0)
    standing = ((size, _TEXT_WIDTH) for size in list(_SIZES)[:-1])
    lying = ((size, _TEXT_HEIGHT) for size in _SIZES)
    for size, wide in [*standing, *lying]:
        if letters * _SIZES[size] + kept <= wide:
            left = (wide - gaps - letters * _SIZES[size]) / wide
            return size, left, wide == _TEXT_HEIGHT
    return None


def _head(heads: Sequence[str], sides: Sequence[str]) -> list[str]:
    cells = []
    for i, (head, side) in enumerate(zip(heads, sides, strict=True)):
        if len(heads) > _UPRIGHT and i > 0:
            cells.append(rf"\rotatebox{{90}}{{{_escape(head)}}}")
        else:
            lines = r"\\".join(_escape(line) for line in _broken(head))
            cells.append(rf"\shortstack[{side}]{{{lines}}}")
    return [r"\toprule", r"\addlinespace", " & ".join(cells) + r" \\", r"\midrule"]


def _broken(head: str) -> list[str]:
    return textwrap.wrap(head, 12, break_long_words=False)


def _body(rows: Sequence[Sequence[Cell]], small: str) -> list[str]:
    lines = []
    for row in rows:
        shown = " & ".join(_escape(text) for text, _ in row)
        # After \\ a bracket or a star would be taken for its argument.
        guard = "{}" if shown[:1] in ("[", "*") else ""
        if any(spread for _, spread in row):
            beneath = " & ".join(f"{{{small} {_escape(spread)}}}" if spread else "" for _, spread in row)
            lines += [rf"{guard}{shown} \\*[{'-0.3em' if small else '0em'}]", rf"{beneath} \\[0.2em]"]
        else:
            lines.append(rf"{guard}{shown} \\")
    return lines


def _escape(text: str) -> str:
    return "".join(_SIGNS.get(letter, letter) for letter in text)
