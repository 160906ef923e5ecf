"""Figures hold what they have to show: long names above all."""

from __future__ import annotations

import numpy as np
import pytest

from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.tasks import draw
from timesenclip.tasks.drawing import short


@pytest.mark.parametrize(
    ("name", "most", "shown"),
    [
        ("Maize", 5, "Maize"),
        ("Lines of trees, small anthropogenic woodlands", 24, "Lines of trees, small…"),
        ("Spiny heaths (phrygana)", 14, "Spiny heaths…"),
        ("Donaudampfschifffahrt", 10, "Donaudamp…"),
    ],
)
def test_long_names_are_cut_at_a_word(name: str, most: int, shown: str) -> None:
    assert short(name, most) == shown
    assert len(shown) <= most


def test_names_of_habitats_fit_beside_their_rows() -> None:
    # matplotlib warns, here an error, where the names leave no room for the cells.
    names = load_taxonomy("eunis-l2").names
    values = np.random.default_rng(0).normal(size=(len(names), 12))
    months = draw.heat("months", "by month", values, names)
    longest = max(names, key=len)
    assert longest not in months.svg
    assert short(longest, 30) in months.svg
    few = names[:13]
    matrix = draw.confusion("confusion", "confusion", np.eye(13), few, few)
    assert matrix.wide
    assert matrix.svg.count(">100<") == 13
