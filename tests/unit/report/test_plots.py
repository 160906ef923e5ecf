"""Plots: names have room, axes are readable, and marks stand where their values are."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.report import plots as draw

from .class_names import ODD


@pytest.mark.parametrize("names", [load_taxonomy("eunis-l2").names, load_taxonomy("lucas-land-use").names, ODD])
def test_figures_have_room_for_long_names(names: tuple[str, ...]) -> None:
    # matplotlib warns where a plot has collapsed beside its labels, and warnings are errors here.
    rng, k = np.random.default_rng(0), len(names)
    rows = [f"{name} ({1000 + i:,})" for i, name in enumerate(names)]
    made = [
        draw.confusion("confusion", "x", rng.random((k, k)), rows, names),
        draw.heat("months", "x", rng.normal(size=(k, 12)), names),
        draw.differences("compare", "x", names, [(0.1, -0.1, 0.2)] * k),
        draw.places(
            "map", "x", rng.random(k), rng.random(k), [(name, np.arange(k) == i) for i, name in enumerate(names)]
        ),
    ]
    for one in made:
        words = re.findall(r"<text[^>]*>([^<]+)</text>", one.svg)
        assert max(map(len, words)) < 56
        assert 'aria-label="x"' in one.inline()
    assert f"{1000 + k - 1:,})" in made[0].svg  # counts are kept


def test_two_classes_leave_room_for_the_words_beside_the_colour_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []
    save = Figure.savefig

    def savefig(figure: Figure, *args: Any, **options: Any) -> None:
        save(figure, *args, **options)
        figure.draw_without_rendering()
        box = figure.axes[-1].yaxis.label.get_window_extent()
        inside.append(bool(box.y0 >= 0 and box.y1 <= figure.bbox.height))

    monkeypatch.setattr(Figure, "savefig", savefig)
    draw.confusion(
        "confusion", "x", np.eye(2, 3), ["Cropland (293)", "Grassland (158)"], ["Cropland", "Grass", "Other"]
    )
    draw.heat("months", "x", np.ones((2, 12)), ["Cropland", "Grassland"])
    assert inside == [True] * 4


def test_axes_of_a_small_area_say_whole_numbers() -> None:
    lon, lat = 3.02 + np.arange(9) * 1e-3, 50.813 + np.arange(9) * 1e-3
    drawn = draw.places("map", "x", lon, lat, [("all", np.ones(9, np.bool_))])
    words = re.findall(r"<text[^>]*>([^<]+)</text>", drawn.svg)
    assert any(word.startswith("50.81") for word in words)
    assert not any("e" in word and "+" in word for word in words)


def test_scored_places_all_stand_within_their_axes() -> None:
    lon, lat = np.linspace(-5, 1, 30), np.linspace(50, 58, 30)
    drawn = draw.scored_places("scenic", "x", lon, lat, [("votes", lat), ("predicted", lon)])
    words = re.findall(r"<text[^>]*>([^<]+)</text>", drawn.svg)
    for text in ("50", "58"):  # the first and the last latitude, on both maps and on the scale of the first
        assert words.count(text) >= 2


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The matplotlib figures that were saved as SVG, in order."""
    found: list[Figure] = []
    save = Figure.savefig

    def savefig(figure: Figure, *args: Any, **options: Any) -> None:
        if options.get("format") == "svg":
            found.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return found


def test_dots_stand_at_their_values_with_their_intervals(figures: list[Figure]) -> None:
    made = draw.dots("d", "x", ["first", "second"], [(0.5, 0.4, 0.7), (0.2, np.nan, np.nan)], axis="share", top=0.8)
    (plot,) = figures[0].axes
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in plot.lines]
    assert drawn == [([0.4, 0.7], [0, 0]), ([0.5], [0]), ([0.2], [1])]
    assert plot.get_xlim() == (0, 0.8)
    assert plot.get_ylim()[0] > plot.get_ylim()[1]  # the first row is on top
    assert {"first", "second", "share"} <= set(re.findall(r"<text[^>]*>([^<]+)</text>", made.svg))


def test_differences_are_filled_where_the_interval_leaves_zero_out(figures: list[Figure]) -> None:
    draw.differences("d", "x", list("abc"), [(0.2, 0.1, 0.3), (-0.2, -0.3, 0.1), (0.1, np.nan, np.nan)])
    (plot,) = figures[0].axes
    marks = {line.get_xdata()[0]: line for line in plot.lines if len(line.get_xdata()) == 1}
    assert {value: mark.get_markerfacecolor() != "none" for value, mark in marks.items()} == {
        0.2: True,
        -0.2: False,
        0.1: False,
    }
    assert marks[0.2].get_marker() != marks[-0.2].get_marker()
    assert marks[0.2].get_color() != marks[-0.2].get_color()


def test_curves_have_a_band_a_level_and_ticks_at_their_values(figures: list[Figure]) -> None:
    line = draw.Curve("words", [12, 6, 1], [0.8, 0.6, 0.3], [0.7, 0.5, 0.2], [0.9, 0.7, 0.4])
    draw.curves("c", "x", [line], x="months", y="share", level=("alone", 0.35), falling=True)
    (plot,) = figures[0].axes
    curve, level = plot.lines
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == ([12, 6, 1], [0.8, 0.6, 0.3])
    assert set(level.get_ydata()) == {0.35}
    edges = plot.collections[0].get_paths()[0].vertices
    assert {(12, 0.7), (12, 0.9), (1, 0.2), (1, 0.4)} <= {tuple(point) for point in edges.tolist()}
    assert [label.get_text() for label in plot.get_xticklabels()] == ["1", "6", "12"]
    assert plot.get_xlim()[0] > plot.get_xlim()[1]
    assert [text.get_text() for text in plot.get_legend().get_texts()] == ["words", "alone"]
    draw.curves("c", "x", [line], x="months", y="share", log=True)
    assert figures[1].axes[0].get_xscale() == "log"
    assert figures[1].axes[0].get_xlim()[0] < figures[1].axes[0].get_xlim()[1]


def test_cells_of_a_confusion_matrix_say_their_percentage(figures: list[Figure]) -> None:
    shares = np.array([[0.75, 0.25, 0.0], [0.004, np.nan, 0.996]])
    draw.confusion("c", "x", shares, ["a", "b"], ["a", "b", "unknown"])
    plot = figures[0].axes[0]
    assert [text.get_text() for text in plot.texts] == ["75", "25", "100"]  # neither zero nor NaN
    assert [text.get_position() for text in plot.texts] == [(0.5, 0.5), (1.5, 0.5), (2.5, 1.5)]
    assert plot.get_ylim() == (2, 0)


def test_zero_is_in_the_middle_of_the_colours_of_months(figures: list[Figure]) -> None:
    values = np.full((2, 12), np.nan)
    values[0, 3], values[1, 5] = 0.1, -0.4
    draw.heat("h", "x", values, ["a", "b"])
    plot = figures[0].axes[0]
    assert plot.collections[0].get_clim() == (-0.4, 0.4)
    assert len(plot.texts) == 0
    draw.heat("h", "x", np.full((1, 12), np.nan), ["a"])
    assert figures[1].axes[0].collections[0].get_clim() == (-1, 1)


def test_reliability_leaves_empty_bins_out_of_the_line(figures: list[Figure]) -> None:
    bins = np.array([[0, np.nan, np.nan], [3, 0.6, 0.5], [1, 0.9, 1.0]])
    draw.reliability_diagram("r", "x", [("raw", bins)])
    upper, lower = figures[0].axes
    assert upper.lines[1].get_xdata().tolist() == [0.6, 0.9]
    assert upper.lines[1].get_ydata().tolist() == [0.5, 1.0]
    assert lower.patches[0].get_data().values.tolist() == [0, 0.75, 0.25]


def test_groups_of_places_are_counted_in_the_legend(figures: list[Figure]) -> None:
    lon, lat = np.array([3.0, 4.0, 5.0]), np.array([60.0, 60.0, 60.0])
    draw.places(
        "p", "x", lon, lat, [("maize", np.array([True, False, True])), ("lake", np.array([False, True, False]))]
    )
    assert [text.get_text() for text in figures[0].legends[0].get_texts()] == ["maize (2)", "lake (1)"]
    plot = figures[0].axes[0]
    assert plot.collections[0].get_offsets().tolist() == [[3, 60], [5, 60]]
    assert plot.get_aspect() == pytest.approx(2)  # a degree of longitude is half as long at 60 degrees north
    draw.places("p", "x", lon, lat, rgb=np.eye(3), axes=("first", "second"))
    assert figures[1].axes[0].get_aspect() == "auto"
    assert figures[1].axes[0].collections[0].get_facecolors()[:, :3].tolist() == np.eye(3).tolist()


def test_the_place_of_a_row_is_thick_and_other_classes_are_dashed(figures: list[Figure]) -> None:
    month, ndvi = np.array([0.5, 6.5]), np.array([0.2, 0.7])
    lines = [("place", True, month, ndvi), ("same", True, month, ndvi), ("other", False, month, ndvi)]
    draw.series_rows("n", "x", [("maize: 1 of 2", lines)])
    (plot,) = figures[0].axes
    first, same, other = plot.lines
    assert first.get_linewidth() > same.get_linewidth() == other.get_linewidth()
    assert same.get_linestyle() == "-" != other.get_linestyle()
    assert same.get_color() != other.get_color()
    assert plot.get_title(loc="left") == "maize: 1 of 2"


def test_a_method_that_states_no_confidence_is_drawn_without_a_bar() -> None:
    empty = np.column_stack([np.zeros(10), np.full(10, np.nan), np.full(10, np.nan)])  # every answer is unknown
    assert draw.reliability_diagram("r", "x", [("raw", empty)]).name == "r"
