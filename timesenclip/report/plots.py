"""Plots of a report, drawn with matplotlib as SVG and PDF.

In the HTML page, lines and text take the colours of the page, so that one SVG serves light and dark themes. The colours
can be told apart with common colour vision deficiencies and never carry meaning alone: lines have markers, classes have
shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.report.figure import COLOURS, INK, MARKERS, SOFT, WIDTH, ReportFigure, new_figure, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Curve",
    "ReportFigure",
    "confusion",
    "curves",
    "differences",
    "dots",
    "heat",
    "places",
    "reliability_diagram",
    "scored_places",
    "series_rows",
]

_MONTHS = "JFMAMJJASOND"


@dataclass(frozen=True, slots=True)
class Curve:
    """One line with a band around it."""

    name: str
    """Name in the legend."""
    x: Sequence[float]
    """Values on the x axis."""
    y: Sequence[float]
    """Values on the y axis."""
    low: Sequence[float]
    """Lower edge of the band."""
    high: Sequence[float]
    """Upper edge of the band."""


def dots(
    name: str,
    alt: str,
    labels: Sequence[str],
    values: Sequence[tuple[float, float, float]],
    *,
    axis: str,
    top: float = 1.0,
) -> ReportFigure:
    """Values with their intervals, one row each: (value, low, high), NaN without an interval, from 0 to `top`."""
    with new_figure(WIDTH, 0.65 + 0.27 * len(labels)) as (figure, finish):
        plot = figure.add_subplot()
        for i, (value, low, high) in enumerate(values):
            if np.isfinite(low):
                plot.plot([low, high], [i, i], color=COLOURS[0], linewidth=2, solid_capstyle="butt", alpha=0.55)
            plot.plot([value], [i], "o", color=COLOURS[0], markersize=5.5, clip_on=False)  # not cut at 0 and 1
        plot.set_xlim(0, top)
        _label_rows(plot, labels, axis)
        return finish(name, alt)


def differences(
    name: str, alt: str, labels: Sequence[str], values: Sequence[tuple[float, float, float]]
) -> ReportFigure:
    """Differences with their intervals around zero; markers are hollow where the interval contains zero."""
    with new_figure(WIDTH, 0.65 + 0.27 * len(labels)) as (figure, finish):
        plot = figure.add_subplot()
        plot.axvline(0, color=SOFT, linewidth=1)
        for i, (value, low, high) in enumerate(values):
            sure = np.isfinite(low) and not low <= 0 <= high
            if np.isfinite(low):
                plot.plot([low, high], [i, i], color=COLOURS[value < 0], linewidth=2, alpha=0.55)
            face = COLOURS[value < 0] if sure else "none"
            marker = MARKERS[value < 0]
            plot.plot([value], [i], marker, color=COLOURS[value < 0], markerfacecolor=face, markersize=5.5)
        _label_rows(plot, labels, "B less A; filled: the interval does not hold zero")
        return finish(name, alt)


def _label_rows(plot: Axes, labels: Sequence[str], axis: str) -> None:
    """One named row for each value, the first on top, and the name of the x axis."""
    plot.set_yticks(range(len(labels)), [short(label) for label in labels], color=INK)
    plot.set_ylim(len(labels) - 0.5, -0.5)
    plot.set_xlabel(axis)
    plot.grid(axis="x")
    plot.spines["left"].set_visible(False)
    plot.tick_params(axis="y", length=0)


def curves(
    name: str,
    alt: str,
    lines: Sequence[Curve],
    *,
    x: str,
    y: str,
    level: tuple[str, float] | None = None,
    log: bool = False,
    falling: bool = False,
    top: float = 1.0,
) -> ReportFigure:
    """Lines with bands, y from 0 to `top`; `level` is a named horizontal line, `falling` reverses the x axis."""
    with new_figure(WIDTH, 3.2) as (figure, finish):
        plot = figure.add_subplot()
        for i, line in enumerate(lines):
            colour = COLOURS[i % len(COLOURS)]
            plot.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, linewidth=0)
            plot.plot(
                line.x,
                line.y,
                color=colour,
                marker=MARKERS[i % len(MARKERS)],
                markersize=5,
                linewidth=1.8,
                label=line.name,
            )
        if level is not None:
            plot.axhline(level[1], color=SOFT, linestyle=(0, (4, 3)), linewidth=1.2, label=level[0])
        if log:
            plot.set_xscale("log")
        ticks = sorted({float(value) for line in lines for value in line.x})
        plot.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        plot.minorticks_off()
        if falling:
            plot.invert_xaxis()
        plot.set_ylim(0, top)
        plot.set_xlabel(x)
        plot.set_ylabel(y)
        plot.grid(axis="y")
        plot.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=2)
        return finish(name, alt)


def confusion(
    name: str, alt: str, shares: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]
) -> ReportFigure:
    """A row-normalised confusion matrix, (rows, columns) in 0..1; an empty row is NaN."""
    return _grid(name, alt, shares, rows, columns, limits=(0, 1), colours="cividis", bar="share of the true class")


def heat(name: str, alt: str, values: NDArray[np.float64], rows: Sequence[str]) -> ReportFigure:
    """Values by class and month, (rows, 12), zero in the middle of the colours."""
    top = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
    return _grid(
        name,
        alt,
        values,
        rows,
        list(_MONTHS),
        limits=(-top, top),
        colours="PuOr_r",
        bar="change of the margin (cosine)",
        numbers=False,
        labels=("", "month"),
    )


def reliability_diagram(name: str, alt: str, bins: Sequence[tuple[str, NDArray[np.float64]]]) -> ReportFigure:
    """Share of right answers against confidence; each entry is a name and (bins, 3) of `reliability`."""
    with new_figure(WIDTH, 3.9) as (figure, finish):
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
        upper.plot([0, 1], [0, 1], color=SOFT, linestyle=(0, (4, 3)), linewidth=1.2, label="as sure as right")
        for i, (label, table) in enumerate(bins):
            some = table[:, 0] > 0
            upper.plot(table[some, 1], table[some, 2], color=COLOURS[i], marker=MARKERS[i], markersize=5, label=label)
            edges = np.linspace(0, 1, len(table) + 1)
            lower.stairs(table[:, 0] / max(table[:, 0].sum(), 1), edges, color=COLOURS[i], linewidth=1.6)
        upper.set_ylabel("share right")
        upper.set_ylim(0, 1)
        upper.set_xlim(0, 1)
        upper.grid()
        upper.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)  # above: points lie anywhere
        lower.set_ylabel("share")
        lower.set_xlabel("confidence")
        lower.grid(axis="y")
        return finish(name, alt)


_NAME = 44
"""Longest class name in the legend of a map, in letters."""


def places(
    name: str,
    alt: str,
    lon_deg: NDArray[np.float64],
    lat_deg: NDArray[np.float64],
    groups: Sequence[tuple[str, NDArray[np.bool_]]] = (),
    *,
    rgb: NDArray[np.float64] | None = None,
    axes: tuple[str, str] = ("longitude", "latitude"),
) -> ReportFigure:
    """Points on a plane, by group or by colour. The plane is the map, or any other two axes."""
    named = [short(label, _NAME) for label, _ in groups]
    columns = 1 if any(len(label) > _NAME // 2 for label in named) else 2
    # The legend stands below the plot and takes what it needs: names of habitats are long.
    with new_figure(WIDTH, 3.6 + 0.24 * -(-len(groups) // columns)) as (figure, finish):
        plot = figure.add_subplot()
        many = len(lon_deg) > 400  # thousands of vector circles would take megabytes
        size = 22 if len(lon_deg) < 300 else 12 if len(lon_deg) < 3000 else 4
        if rgb is not None:
            plot.scatter(lon_deg, lat_deg, c=rgb, s=size, linewidths=0, rasterized=many)
        for i, (label, (_, here)) in enumerate(zip(named, groups, strict=True)):
            plot.scatter(
                lon_deg[here],
                lat_deg[here],
                color=COLOURS[i % len(COLOURS)],
                marker=MARKERS[i % len(MARKERS)],
                s=size,
                linewidths=0,
                alpha=0.8,
                rasterized=many,
                label=f"{label} ({int(here.sum())})",
            )
        if axes[0] == "longitude":
            plot.set_aspect(1 / max(np.cos(np.radians(np.nanmean(lat_deg))), 0.2), adjustable="datalim")
        plot.set_xlabel(axes[0])
        plot.set_ylabel(axes[1])
        plot.grid()
        if groups:
            figure.legend(loc="outside lower center", ncols=columns, markerscale=1.3)
        return finish(name, alt)


def scored_places(
    name: str,
    alt: str,
    lon_deg: NDArray[np.float64],
    lat_deg: NDArray[np.float64],
    panels: Sequence[tuple[str, NDArray[np.float64]]],
) -> ReportFigure:
    """The same places coloured by several scores, dark (low) to light (high), with one panel for each score."""
    with new_figure(WIDTH, 3.4 * len(panels)) as (figure, finish):
        # No shared x axis: with one, keeping the aspect ratio would cut places off.
        plots = np.atleast_1d(figure.subplots(len(panels), 1))
        for plot, (title, score) in zip(plots, panels, strict=True):
            drawn = plot.scatter(
                lon_deg, lat_deg, c=score, cmap="cividis", s=14, linewidths=0, rasterized=len(lon_deg) > 400
            )
            plot.set_aspect(1 / max(np.cos(np.radians(np.nanmean(lat_deg))), 0.2), adjustable="datalim")
            plot.set_title(title)
            plot.set_ylabel("latitude")
            plot.grid()
            figure.colorbar(drawn, ax=plot, fraction=0.04, pad=0.02)
        plots[-1].set_xlabel("longitude")
        return finish(name, alt)


SeriesLine = tuple[str, bool, NDArray[np.float64], NDArray[np.float64]]
"""Label, whether it is of the same class, month 0..12, NDVI."""


def series_rows(name: str, alt: str, rows: Sequence[tuple[str, Sequence[SeriesLine]]]) -> ReportFigure:
    """NDVI over the year, one titled row for each place (thick line) and its neighbours."""
    with new_figure(WIDTH, 0.4 + 1.45 * len(rows)) as (figure, finish):
        plots = np.atleast_1d(figure.subplots(len(rows), 1, sharex=True))
        for plot, (title, lines) in zip(plots, rows, strict=True):
            for i, (label, right, month, ndvi) in enumerate(lines):
                colour = INK if i == 0 else COLOURS[0] if right else COLOURS[1]
                plot.plot(
                    month,
                    ndvi,
                    color=colour,
                    linewidth=2.2 if i == 0 else 1.2,
                    linestyle="-" if i == 0 or right else (0, (3, 2)),
                    marker="o" if i == 0 else None,
                    markersize=3,
                    label=label,
                )
            plot.set_title(title)
            plot.set_ylim(-0.25, 1)
            plot.set_yticks([0, 0.5, 1])
            plot.set_ylabel("NDVI")
            plot.grid(axis="y")
        plots[-1].set_xticks(np.arange(12) + 0.5, list(_MONTHS))
        plots[-1].set_xlabel("month")
        return finish(name, alt)


def _grid(
    name: str,
    alt: str,
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    limits: tuple[float, float],
    colours: str,
    bar: str,
    numbers: bool = True,
    labels: tuple[str, str] = ("truth", "answer"),
) -> ReportFigure:
    import matplotlib

    rows, columns = [short(name, 34 if numbers else 30) for name in rows], [short(name, 26) for name in columns]
    # Inches for the names: 0.07 per letter; names of columns are rotated by 45 degrees.
    left, below = 0.07 * max(map(len, rows), default=0), 0.05 * max(map(len, columns), default=0)
    side = max(WIDTH, left + 1.0 + 0.42 * len(columns)) if numbers else WIDTH
    # Two rows alone would be shorter than the label of the colour bar: 0.06 inches per letter.
    with new_figure(side, 0.7 + below + max(0.34 * len(rows), 0.06 * len(bar))) as (figure, finish):
        plot = figure.add_subplot()
        cmap = matplotlib.colormaps[colours].with_extremes(bad=(0, 0, 0, 0))
        drawn = plot.pcolormesh(
            np.ma.masked_invalid(values), cmap=cmap, vmin=limits[0], vmax=limits[1], edgecolors="face"
        )
        for (y, x), value in np.ndenumerate(values if numbers else np.zeros((0, 0))):
            if np.isfinite(value) and value >= 0.005:
                shade = "#101010" if value > 0.55 * limits[1] else "#ffffff"
                plot.text(x + 0.5, y + 0.5, f"{100 * value:.0f}", ha="center", va="center", color=shade, fontsize=7.5)
        plot.set_yticks(np.arange(len(rows)) + 0.5, rows, color=INK)
        turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if numbers else {}
        plot.set_xticks(np.arange(len(columns)) + 0.5, columns, color=INK, **turned)
        plot.set_ylim(len(rows), 0)
        plot.tick_params(length=0)
        plot.set_ylabel(labels[0])
        plot.set_xlabel(labels[1])
        for spine in plot.spines.values():
            spine.set_visible(False)
        legend = figure.colorbar(drawn, ax=plot, fraction=0.04, pad=0.02)
        legend.outline.set_visible(False)
        legend.set_label(bar, fontsize=8)
        return finish(name, alt, wide=side > WIDTH + 0.5)
