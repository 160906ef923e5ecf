"""Tables of a report, written as CSV, LaTeX and HTML, and values written as JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from timesenclip.files import write_text
from timesenclip.report.latex import latex_table

__all__ = ["ReportTable", "table_files", "with_interval", "write_tables"]


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A small table of a report."""

    name: str
    """Name of its files, without suffix."""
    caption: str
    """One sentence."""
    columns: tuple[str, ...]
    """Names of the columns."""
    rows: tuple[tuple[Any, ...], ...]
    """Cells: text, a number, (value, low, high) for a number with its interval, None or NaN for an empty cell."""

    def to_csv(self) -> str:
        """CSV with numbers in full precision; a column with intervals becomes three."""
        wide = [any(isinstance(row[i], tuple) for row in self.rows) for i in range(len(self.columns))]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        head: list[str] = []
        for name, spread in zip(self.columns, wide, strict=True):
            head += [name, f"{name} low", f"{name} high"] if spread else [name]
        writer.writerow(head)
        for row in self.rows:
            cells: list[Any] = []
            for cell, spread in zip(row, wide, strict=True):
                parts = cell if isinstance(cell, tuple) else (cell, None, None)
                cells += [_number(part) for part in (parts if spread else parts[:1])]
            writer.writerow(cells)
        return out.getvalue()

    def to_latex(self) -> str:
        """LaTeX for booktabs, numbers with three decimals and their intervals in small type beneath (`latex_table`)."""
        rows = [[_latex_cell(cell) for cell in row] for row in self.rows]
        return latex_table(
            self.name, self.caption, self.columns, rows, list(map(self._is_text, range(len(self.columns))))
        )

    def to_html(self) -> str:
        """A `<table>` element; it may be wider than a page, so wrap it in an element that scrolls."""
        head = "".join(f'<th class="{self._kind(i)}">{escape(name)}</th>' for i, name in enumerate(self.columns))
        body = []
        for row in self.rows:
            cells = []
            for i, cell in enumerate(row):
                text = escape(shown(cell[0] if isinstance(cell, tuple) else cell))
                if isinstance(cell, tuple) and _number(cell[1]) != "":
                    text += f'<span class="range">{shown(cell[1])} to {shown(cell[2])}</span>'
                cells.append(f'<td class="{self._kind(i)}">{text}</td>')
            body.append(f"<tr>{''.join(cells)}</tr>")
        return f"<table><thead><tr>{head}</tr></thead><tbody>\n" + "\n".join(body) + "\n</tbody></table>"

    def _is_text(self, column: int) -> bool:
        return any(isinstance(row[column], str) for row in self.rows)

    def _kind(self, column: int) -> str:
        return "text" if self._is_text(column) else "number"


def with_interval(value: Any, interval: tuple[float, float] | None) -> Any:
    """A cell: (value, low, high), or the value alone where it is None or the interval is missing."""
    return value if value is None or interval is None or not math.isfinite(interval[0]) else (value, *interval)


def shown(value: Any) -> str:
    """A cell as text: three decimals, integers with thousands separators, a dash for an empty cell."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"  # noqa: RUF001
    if isinstance(value, float | np.floating):
        return f"{value:.3f}"
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{int(value):,}"
    return str(value)


def table_files(*names: str) -> tuple[str, ...]:
    """Names of the files that `write_tables` writes for tables of these names."""
    return tuple(f"{name}.{ending}" for name in names for ending in ("csv", "tex"))


def write_tables(folder: Path, tables: Sequence[ReportTable]) -> list[Path]:
    """Write each table as CSV and as LaTeX."""
    out = []
    for table in tables:
        out.append(write_text(folder / f"{table.name}.csv", table.to_csv(), shared=True))
        out.append(write_text(folder / f"{table.name}.tex", table.to_latex(), shared=True))
    return out


def _number(value: Any) -> Any:
    missing = value is None or (isinstance(value, float) and not math.isfinite(value))
    return "" if missing else value


def _latex_cell(cell: Any) -> tuple[str, str]:
    value, low, high = cell if isinstance(cell, tuple) else (cell, None, None)
    return shown(value), "" if _number(low) == "" else f"[{shown(low)}, {shown(high)}]"
