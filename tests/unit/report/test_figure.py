"""Style and files of figures."""

from __future__ import annotations

import pytest

from timesenclip.report.figure import short


@pytest.mark.parametrize(
    ("name", "most", "shown"),
    [
        ("Maize", 5, "Maize"),
        ("Lines of trees, small anthropogenic woodlands (1,036)", 24, "Lines of trees, small… (1,036)"),
        ("Spiny heaths (phrygana)", 14, "Spiny heaths…"),
        ("Donaudampfschifffahrt", 10, "Donaudamp…"),
    ],
)
def test_long_names_are_cut_at_a_word_and_keep_their_count(name: str, most: int, shown: str) -> None:
    assert short(name, most) == shown
