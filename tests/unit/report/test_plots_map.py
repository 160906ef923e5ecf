"""Maps and country bars: what is gathered, that nothing grows with the data, and that both are told apart."""

from __future__ import annotations

import re

import numpy as np
import pytest

from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.report import plots_map as draw_geography
from timesenclip.report.plots_map import class_groups, class_map, country_bars


def test_the_frequent_classes_keep_their_name_and_the_rest_is_other() -> None:
    names = [f"class {k}" for k in range(20)]
    truth = np.repeat(np.arange(12), np.arange(12, 0, -1))  # class 0 twelve times, class 11 once
    predicted = np.where(np.arange(len(truth)) % 5 == 0, 15, truth)
    predicted[1] = -1
    found = class_groups(truth, predicted, names)
    assert found.names == (*names[:7], "Other", "unknown")
    assert np.array_equal(found.truth, np.minimum(truth, 7))
    assert found.predicted[1] == 8
    assert (found.predicted[::5] == 7).all()  # answered with a class that is never true
    assert len({found.look(g) for g in range(9)}) == 9
    assert len({found.look(g)[0] for g in range(9)}) == 9
    few = class_groups(np.array([3, 3, 1]), np.array([1, 3, 1]), names)
    assert few.names == ("class 3", "class 1")
    assert (few.truth.tolist(), few.predicted.tolist()) == ([0, 0, 1], [1, 0, 1])


def test_places_are_gathered_into_cells() -> None:
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-10, 30, 5000), rng.uniform(-35, 70, 5000)
    size, cell, centre = draw_geography._cells(lon, lat, 2.0)
    assert len(np.unique(cell)) == len(centre) <= 900
    assert (np.abs(centre[cell, 0] - lon) <= size * 2.0 / 2 + 1e-9).all()
    assert (np.abs(centre[cell, 1] - lat) <= size / 2 + 1e-9).all()
    group = rng.integers(0, 3, 5000)
    top, count = draw_geography._most(cell, group, len(centre), 3)
    for m in (0, 7, len(centre) - 1):
        inside = group[cell == m]
        assert count[m] == len(inside)
        assert (inside == top[m]).sum() == np.bincount(inside).max()


def test_a_map_of_all_of_europe_stays_small() -> None:
    rng, count = np.random.default_rng(1), 335_125
    lon, lat = rng.uniform(-10, 30, count), rng.uniform(35, 70, count)
    lon[0] = np.nan
    names = [f"class {k}" for k in range(44)]
    groups = class_groups(rng.integers(0, 44, count), rng.integers(-1, 44, count), names)
    drawn = class_map("map-all", "Where", lon, lat, groups)
    bars = country_bars("countries-all", "By country", rng.choice([f"C{i}" for i in range(28)], count), groups)
    for one in (drawn, bars):
        assert len(one.svg) < 500_000
        assert len(one.pdf) < 500_000
        assert "<image" not in one.svg  # vectors, sharp in print
        ids = re.findall(r'\bid="([^"]+)"', one.inline())
        assert all(name.startswith(one.name) for name in ids)
        assert all(name in ids for name in re.findall(r"url\(#([^)]+)\)", one.inline()))
    assert "cells of 1.25 degrees" in drawn.alt
    assert len(re.findall("<pattern", bars.svg)) >= 5  # told apart without colour too
    for word in ("true", "answered", "Other", "unknown"):
        assert f">{word}</text>" in drawn.svg


@pytest.mark.parametrize("count", [1, 2])
def test_one_place_is_a_map_too(count: int) -> None:
    groups = class_groups(np.zeros(count, np.int64), np.full(count, -1), ["lake"])
    drawn = class_map("map", "Where", np.full(count, 179.99), np.full(count, -89.9), groups)
    assert ">lake</text>" in drawn.svg
    assert ">unknown</text>" in drawn.svg


def test_bars_are_shares() -> None:
    groups = class_groups(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), ["lake", "moor"])
    drawn = country_bars("bars", "By country", np.array(["FI", "FI", "FI", "IE"]), groups)
    paths = dict(re.findall(r'id="patch_(\d+)">\s*<path d="([^"]+)"', drawn.svg))
    widths = []
    for number in range(3, 8):  # the page and the plot are patches 1 and 2
        x = [float(value) for value in re.findall(r"[ML] ([-\d.]+) ", paths[str(number)])]
        widths.append(max(x) - min(x))
    # True: FI lake, IE moor. Answered: FI lake, FI moor, IE moor.
    assert np.allclose(np.array(widths) / widths[0], [1, 1, 1 / 3, 2 / 3, 1], atol=1e-4)
    assert ">FI (3)</text>" in drawn.svg


def test_long_names_are_not_cut_by_the_edge() -> None:
    names = [taxon for name in ("eunis-l2", "lucas-land-use") for taxon in load_taxonomy(name).names if len(taxon) > 40]
    k = len(names)
    groups = class_groups(np.arange(k), np.arange(k), names)
    lon, lat = np.linspace(0, 9, k), np.linspace(40, 49, k)
    for drawn in (class_map("m", "x", lon, lat, groups), country_bars("b", "x", np.array(["FI"] * k), groups)):
        width = float(drawn.svg.split('viewBox="0 0 ')[1].split()[0])
        legend = drawn.svg[drawn.svg.index('id="legend_1"') :]
        found = re.findall(r'<text style="font-size: ([\d.]+)px[^>]* x="([-\d.]+)"[^>]*>([^<]+)<', legend)
        assert len(found) == len(groups.names)
        for size, left, text in found:
            assert float(left) > 0
            assert float(left) + 0.55 * float(size) * len(text) < width
