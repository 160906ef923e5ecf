"""Style and files of figures: SVG for the HTML page, SVG and PDF for a paper."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timesenclip.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "INK", "LINE", "MARKERS", "SOFT", "WIDTH", "ReportFigure", "figure_files", "new_figure", "short"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7a7a7a")
"""Okabe and Ito (2008), brown and grey replacing yellow and black, which are hard to see on light or dark pages."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, SOFT, LINE = "#1c2321", "#5b6763", "#d5dbd7"
_PAGE = {INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)", COLOURS[0]: "var(--blue)"}
WIDTH = 4.8
"""Width of a figure in inches; on a phone its text then keeps about its size."""
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "timesenclip",
    "font.size": 9,
    "axes.labelsize": 8.5,
    "text.color": INK,
    "text.parse_math": False,  # a class name may contain a dollar sign
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.formatter.useoffset": False,  # write 50.815, not 0.005 with +5.081e1 in a corner
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """A finished figure."""

    name: str
    """Name of its files, without suffix."""
    alt: str
    """Text alternative: what the figure shows."""
    svg: str
    """Complete SVG document, in colours for a light page."""
    pdf: bytes
    """The same figure as PDF, for LaTeX."""
    wide: bool = False
    """Whether it is readable only at full width: on a phone it scrolls instead of shrinking."""

    def inline(self) -> str:
        """SVG element for a page that defines --ink, --soft, --line and --blue; its ids are prefixed with its name."""
        body = self.svg[self.svg.index("<svg") :]
        body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
        body = re.sub(r'\bid="([^"]+)"', rf'id="{self.name}-\1"', body)
        body = re.sub(r"url\(#([^)]+)\)", rf"url(#{self.name}-\1)", body)
        body = re.sub(r'href="#([^"]+)"', rf'href="#{self.name}-\1"', body)
        for colour, variable in _PAGE.items():
            body = body.replace(colour, variable)
        return body.replace("<svg ", f'<svg role="img" aria-label="{escape(self.alt)}" ', 1)

    def save(self, folder: Path) -> list[Path]:
        """Write NAME.svg and NAME.pdf."""
        contents = {"svg": self.svg.encode(), "pdf": self.pdf}
        return [
            write_bytes(folder / f"{self.name}.{ending}", content, shared=True) for ending, content in contents.items()
        ]


def figure_files(*names: str) -> tuple[str, ...]:
    """Names of the files that `ReportFigure.save` writes for figures of these names."""
    return tuple(f"{name}.{ending}" for name in names for ending in ("svg", "pdf"))


def short(label: str, most: int = 34) -> str:
    """Shorten a label to about `most` letters, at a space where possible; a count in brackets at its end is kept.

    Names of habitats have up to 105 letters, which would leave no room for the plot.
    """
    found = re.search(r" \([\d,]+\)$", label)
    tail = found.group() if found else ""
    head = label.removesuffix(tail)
    if len(head) <= most:
        return label
    cut = head[: most - 1]
    word = cut.rfind(" ")
    return (cut[:word] if word > most // 2 else cut).rstrip(" ,(") + "…" + tail


@contextmanager
def new_figure(width: float, height: float) -> Iterator[tuple[Figure, Callable[..., ReportFigure]]]:
    """A matplotlib figure in our style, and the function `finish(name, alt)` that makes a `ReportFigure` of it.

    Args:
        width, height: size in inches.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)

        def finish(name: str, alt: str, *, wide: bool = False) -> ReportFigure:
            svg, pdf = io.StringIO(), io.BytesIO()
            options: dict[str, Any] = {"dpi": 200}
            figure.savefig(svg, format="svg", metadata={"Date": None}, **options)
            figure.savefig(pdf, format="pdf", metadata={"CreationDate": None}, **options)
            return ReportFigure(name, alt, svg.getvalue(), pdf.getvalue(), wide)

        yield figure, finish
