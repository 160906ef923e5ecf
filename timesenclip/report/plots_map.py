"""Maps of true and predicted classes, and the shares of the classes in each country.

Places are aggregated into cells before drawing, so that a figure of 300,000 places is no larger than one of a thousand.
No coastline is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.report.figure import COLOURS, INK, MARKERS, SOFT, WIDTH, ReportFigure, new_figure, short

__all__ = ["ClassGroups", "class_groups", "class_map", "country_bars"]

_CELLS = 900
"""Largest number of cells with a place in a map."""
_ACROSS = 45
"""Largest number of cells across a map; smaller cells could not be seen."""
_SIZES_DEG = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0, 20.0, 45.0)
_ROWS = 100_000
"""More than the number of rows of cells from pole to pole at the smallest size."""
_COLOURS = (*COLOURS[:5], COLOURS[6], INK, COLOURS[7])
"""Without light blue: on a dark page the blue has the same lightness. Grey, the last, is for `Other`."""
_LEVELS = (0.55, 0.75, 0.95)
"""Side of a marker relative to that of its cell, from few places to many; few sizes keep the SVG small."""
_HALF = 26
"""Letters of a legend entry that fit half the width of a figure."""
_HATCHES = ("", "///", "\\\\\\", "---", "xxx", "|||", "+++", "")


@dataclass(frozen=True, slots=True)
class ClassGroups:
    """Groups of classes for a figure: each frequent class, all other classes together, and `unknown`."""

    names: tuple[str, ...]
    """G groups; `Other` and then `unknown` are last, where they occur."""
    truth: NDArray[np.int64]
    """(N,) group of the true class."""
    predicted: NDArray[np.int64]
    """(N,) group of the predicted class."""

    def look(self, group: int) -> tuple[str, str]:
        """Colour and marker of a group."""
        if self.names[group] == "unknown":
            return SOFT, "x"
        return _COLOURS[group], MARKERS[group]


def class_groups(truth: NDArray[np.integer], predicted: NDArray[np.integer], names: Sequence[str]) -> ClassGroups:
    """Group classes for a figure: at most as many groups as colours, most frequent first.

    Args:
        truth: (N,) class index.
        predicted: (N,) predicted class index; values outside 0..K - 1 are unknown.
        names: names of the K classes.
    """
    count = len(names)
    known = (predicted >= 0) & (predicted < count)
    true_count, predicted_count = (np.bincount(v, minlength=count) for v in (truth, predicted[known]))
    order = [int(k) for k in np.lexsort((-predicted_count, -true_count)) if true_count[k] or predicted_count[k]]
    top = order if len(order) <= len(_COLOURS) else order[: len(_COLOURS) - 1]
    group = np.full(count, len(top), dtype=np.int64)  # all other classes: Other
    group[top] = np.arange(len(top))
    shown = [names[k] for k in top] + (["Other"] if len(top) < len(order) else [])
    answer = np.where(known, group[np.where(known, predicted, 0)], len(shown))
    return ClassGroups((*shown, *(() if known.all() else ("unknown",))), group[truth], answer)


def class_map(
    name: str, alt: str, lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64], groups: ClassGroups
) -> ReportFigure:
    """The most frequent group of each cell, true (left) and predicted (right); a larger marker means more places."""
    seen = np.isfinite(lon_deg) & np.isfinite(lat_deg)
    lon, lat = lon_deg[seen], lat_deg[seen]
    stretch = 1 / max(float(np.cos(np.radians(lat.mean()))), 0.2)
    size, cell, centre = _cells(lon, lat, stretch)
    wide, high = np.ptp(centre[:, 0]) / stretch + 2 * size, np.ptp(centre[:, 1]) + 2 * size
    panel = 0.42 * WIDTH  # inches
    tall = min(max(panel * high / wide, 1.2), 1.6 * panel)
    labels, columns = _legend(groups)
    rows = -(-len(labels) // columns)
    with new_figure(WIDTH, tall + 0.75 + 0.21 * rows) as (figure, finish):
        plots = figure.subplots(1, 2, sharex=True, sharey=True)
        points = 72 * min(panel / wide, tall / high) * size  # side of a cell
        for plot, title, group in zip(plots, ("true", "answered"), (groups.truth, groups.predicted), strict=True):
            top, count = _most(cell, group[seen], len(centre), len(groups.names))
            many = np.log1p(count) / np.log1p(count.max())
            level = np.minimum((many * len(_LEVELS)).astype(np.int64), len(_LEVELS) - 1)
            for g, at in np.ndindex(len(groups.names), len(_LEVELS)):
                colour, marker = groups.look(g)
                here = (top == g) & (level == at)
                # With few cells, markers may overlap a little: their shapes must stay recognisable.
                side = float(np.clip(points, 6 if len(centre) < 200 else 3, 9)) * _LEVELS[at]
                edge = 0.8 if marker == "x" else 0
                plot.scatter(*centre[here].T, s=side**2, color=colour, marker=marker, linewidths=edge)
            plot.set_axisbelow(True)
            plot.set_aspect(stretch, adjustable="box")
            plot.set_title(title)
            plot.set_xlabel("longitude")
            plot.grid()
        plots[0].set_ylabel("latitude")
        for g, label in enumerate(labels):
            colour, marker = groups.look(g)
            plots[0].scatter([], [], s=28, color=colour, marker=marker, label=label)
        figure.legend(loc="outside lower center", ncols=columns)
        caption = f"{alt}: the most frequent class in cells of {size:g} degrees, larger where there are more places"
        return finish(name, caption)


def country_bars(name: str, alt: str, country: NDArray[np.str_], groups: ClassGroups) -> ReportFigure:
    """Shares of the groups in each country, true (upper bar) and predicted (lower bar)."""
    from matplotlib.patches import Patch

    codes, index, counts = np.unique(country, return_inverse=True, return_counts=True)
    width = len(groups.names)
    labels, columns = _legend(groups)
    rows = -(-width // columns)
    with new_figure(WIDTH, 0.75 + 0.34 * len(codes) + 0.21 * rows) as (figure, finish):
        plot = figure.add_subplot()
        for offset, group in ((-0.2, groups.truth), (0.2, groups.predicted)):
            table = np.bincount(index * width + group, minlength=len(codes) * width).reshape(len(codes), width)
            right = np.cumsum(table, axis=1) / counts[:, None]
            for y, g in np.argwhere(table > 0):  # bars of length zero would add to the size of the file
                share = table[y, g] / counts[y]
                plot.barh(y + offset, share, left=right[y, g] - share, height=0.36, clip_on=False, **_bar(groups, g))
        plot.set_yticks(range(len(codes)), [f"{c} ({n:,})" for c, n in zip(codes, counts, strict=True)], color=INK)
        plot.set_ylim(len(codes) - 0.4, -0.6)
        plot.set_xlim(0, 1)
        plot.set_xlabel("share of the places; upper bar: true, lower bar: answered")
        plot.spines["left"].set_visible(False)
        plot.tick_params(axis="y", length=0)
        handles = [Patch(label=label, **_bar(groups, g)) for g, label in enumerate(labels)]
        figure.legend(handles=handles, loc="outside lower center", ncols=columns)
        return finish(name, alt)


def _legend(groups: ClassGroups) -> tuple[list[str], int]:
    """Legend entries, and the number of columns that fit the width."""
    labels = [short(label, 44) for label in groups.names]
    return labels, 2 if max(map(len, labels)) <= _HALF else 1


def _bar(groups: ClassGroups, g: int) -> dict[str, Any]:
    """Fill of the bars of a group: colour and pattern; `unknown` is not filled."""
    colour, marker = groups.look(g)
    if marker == "x":
        return {"facecolor": "none", "edgecolor": SOFT, "linewidth": 0.6}
    return {"facecolor": colour, "edgecolor": "#ffffff", "linewidth": 0.6, "hatch": _HATCHES[g]}


def _cells(
    lon: NDArray[np.float64], lat: NDArray[np.float64], stretch: float
) -> tuple[float, NDArray[np.int64], NDArray[np.float64]]:
    """Side in degrees of latitude, cell of each place (N,), and centres (M, 2) of the cells with a place."""
    finest = max(np.ptp(lon) / stretch, np.ptp(lat)) / _ACROSS
    for size in (size for size in _SIZES_DEG if size >= min(finest, _SIZES_DEG[-1])):
        step = np.array([size * stretch, size])
        corner = np.floor(np.stack([lon, lat], axis=1) / step).astype(np.int64)  # (N, 2)
        # One number for each cell: sorting numbers is ten times faster than sorting pairs.
        unique, cell = np.unique(corner[:, 0] * _ROWS + corner[:, 1] + _ROWS // 2, return_inverse=True)
        if len(unique) <= _CELLS:
            break
    pairs = np.stack([unique // _ROWS, unique % _ROWS - _ROWS // 2], axis=1)
    return size, cell.reshape(-1), (pairs + 0.5) * step


def _most(
    cell: NDArray[np.int64], group: NDArray[np.int64], cells: int, groups: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Most frequent group and number of places of each cell; the group that is more frequent overall wins a tie."""
    table = np.bincount(cell * groups + group, minlength=cells * groups).reshape(cells, groups)
    return table.argmax(axis=1), table.sum(axis=1)
