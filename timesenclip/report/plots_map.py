"""Where classes are: a map of the truth beside the answers, and the shares of the classes in each country.

Places are gathered into cells before anything is drawn, so that a figure of 300,000 places is no larger than one of a
thousand. No coastline is drawn: the places themselves show where land is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.report.figure import COLOURS, INK, MARKERS, SOFT, WIDTH, Drawing, figure_of, short

__all__ = ["ClassGroups", "class_groups", "class_map", "country_bars"]

_CELLS = 900
"""Most cells of a map that hold a place."""
_ACROSS = 45
"""Most cells from one end of a map to the other: smaller ones could not be seen."""
_SIZES_DEG = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0, 20.0, 45.0)
_ROWS = 100_000
"""More rows than the globe has at the smallest size."""
_COLOURS = (*COLOURS[:5], COLOURS[6], INK, COLOURS[7])
"""Without the light blue: on a dark page the blue becomes one of the same lightness. Grey, the last, is for Other."""
_LEVELS = (0.55, 0.75, 0.95)
"""Sides of a marker, in sides of a cell, from few places to many. Few sizes make a small SVG."""
_HALF = 26
"""Letters for which half the width of a figure has room."""
_HATCHES = ("", "///", "\\\\\\", "---", "xxx", "|||", "+++", "")


@dataclass(frozen=True, slots=True)
class ClassGroups:
    """Classes as a figure tells them apart: the frequent ones, all others as one, and what is unknown."""

    names: tuple[str, ...]
    """G groups; `Other` before the last, `unknown` last, where there are such."""
    truth: NDArray[np.int64]
    """(N,) group of the true class."""
    said: NDArray[np.int64]
    """(N,) group of the answer."""

    def look(self, group: int) -> tuple[str, str]:
        """Colour and marker of a group."""
        if self.names[group] == "unknown":
            return SOFT, "x"
        return _COLOURS[group], MARKERS[group]


def class_groups(truth: NDArray[np.integer], said: NDArray[np.integer], names: Sequence[str]) -> ClassGroups:
    """Group classes for a figure: as many as there are colours, most frequent first.

    Args:
        truth: (N,) class index.
        said: (N,) class index; anything that is none is unknown.
        names: the K classes.
    """
    count = len(names)
    known = (said >= 0) & (said < count)
    true_count, said_count = (np.bincount(v, minlength=count) for v in (truth, said[known]))
    order = [int(k) for k in np.lexsort((-said_count, -true_count)) if true_count[k] or said_count[k]]
    top = order if len(order) <= len(_COLOURS) else order[: len(_COLOURS) - 1]
    group = np.full(count, len(top), dtype=np.int64)  # those left over: Other
    group[top] = np.arange(len(top))
    shown = [names[k] for k in top] + (["Other"] if len(top) < len(order) else [])
    answer = np.where(known, group[np.where(known, said, 0)], len(shown))
    return ClassGroups((*shown, *(() if known.all() else ("unknown",))), group[truth], answer)


def class_map(
    name: str, alt: str, lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64], groups: ClassGroups
) -> Drawing:
    """The most frequent group of each cell, true on the left and answered on the right; larger: more places."""
    seen = np.isfinite(lon_deg) & np.isfinite(lat_deg)
    lon, lat = lon_deg[seen], lat_deg[seen]
    stretch = 1 / max(float(np.cos(np.radians(lat.mean()))), 0.2)
    size, cell, centre = _cells(lon, lat, stretch)
    wide, high = np.ptp(centre[:, 0]) / stretch + 2 * size, np.ptp(centre[:, 1]) + 2 * size
    panel = 0.42 * WIDTH  # inches
    tall = min(max(panel * high / wide, 1.2), 1.6 * panel)
    labels, columns = _legend(groups)
    rows = -(-len(labels) // columns)
    with figure_of(WIDTH, tall + 0.75 + 0.21 * rows) as (figure, finish):
        plots = figure.subplots(1, 2, sharex=True, sharey=True)
        points = 72 * min(panel / wide, tall / high) * size  # side of a cell
        for plot, title, group in zip(plots, ("true", "answered"), (groups.truth, groups.said), strict=True):
            top, count = _most(cell, group[seen], len(centre), len(groups.names))
            many = np.log1p(count) / np.log1p(count.max())
            level = np.minimum((many * len(_LEVELS)).astype(np.int64), len(_LEVELS) - 1)
            for g, at in np.ndindex(len(groups.names), len(_LEVELS)):
                colour, marker = groups.look(g)
                here = (top == g) & (level == at)
                # Where cells are few they may overlap a little: a marker must be told from another.
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
        said = f"{alt}: the most frequent class in cells of {size:g} degrees, larger where there are more places"
        return finish(name, said)


def country_bars(name: str, alt: str, country: NDArray[np.str_], groups: ClassGroups) -> Drawing:
    """Shares of the groups in each country, the truth (upper bar) above the answers (lower bar)."""
    from matplotlib.patches import Patch

    codes, index, counts = np.unique(country, return_inverse=True, return_counts=True)
    width = len(groups.names)
    labels, columns = _legend(groups)
    rows = -(-width // columns)
    with figure_of(WIDTH, 0.75 + 0.34 * len(codes) + 0.21 * rows) as (figure, finish):
        plot = figure.add_subplot()
        for offset, group in ((-0.2, groups.truth), (0.2, groups.said)):
            table = np.bincount(index * width + group, minlength=len(codes) * width).reshape(len(codes), width)
            right = np.cumsum(table, axis=1) / counts[:, None]
            for y, g in np.argwhere(table > 0):  # bars without length would still cost bytes
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
    """Names for a legend, and the columns in which they fit the width."""
    labels = [short(label, 44) for label in groups.names]
    return labels, 2 if max(map(len, labels)) <= _HALF else 1


def _bar(groups: ClassGroups, g: int) -> dict[str, Any]:
    """How the bars of a group are filled: by colour and by pattern, what is unknown is empty."""
    colour, marker = groups.look(g)
    if marker == "x":
        return {"facecolor": "none", "edgecolor": SOFT, "linewidth": 0.6}
    return {"facecolor": colour, "edgecolor": "#ffffff", "linewidth": 0.6, "hatch": _HATCHES[g]}


def _cells(
    lon: NDArray[np.float64], lat: NDArray[np.float64], stretch: float
) -> tuple[float, NDArray[np.int64], NDArray[np.float64]]:
    """Side in degrees of latitude, cell of each place (N,), and centres (M, 2) of the cells that hold a place."""
    finest = max(np.ptp(lon) / stretch, np.ptp(lat)) / _ACROSS
    for size in (size for size in _SIZES_DEG if size >= min(finest, _SIZES_DEG[-1])):
        step = np.array([size * stretch, size])
        corner = np.floor(np.stack([lon, lat], axis=1) / step).astype(np.int64)  # (N, 2)
        # One number a cell: sorting those is ten times faster than sorting pairs.
        unique, cell = np.unique(corner[:, 0] * _ROWS + corner[:, 1] + _ROWS // 2, return_inverse=True)
        if len(unique) <= _CELLS:
            break
    pairs = np.stack([unique // _ROWS, unique % _ROWS - _ROWS // 2], axis=1)
    return size, cell.reshape(-1), (pairs + 0.5) * step


def _most(
    cell: NDArray[np.int64], group: NDArray[np.int64], cells: int, groups: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Most frequent group and number of places of each cell; of equals the more frequent one overall."""
    table = np.bincount(cell * groups + group, minlength=cells * groups).reshape(cells, groups)
    return table.argmax(axis=1), table.sum(axis=1)
