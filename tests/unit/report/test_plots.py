"""Plots: names have room, axes are readable, and marks stand where their values are."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

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
    from matplotlib.figure import Figure

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
