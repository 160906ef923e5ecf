"""Class names that CSV, LaTeX, HTML and SVG all have to escape."""

from __future__ import annotations

ODD = (
    "maize & beans, 50 % each_mix",
    "cost $5 to $6",
    "a < b | b > c",
    r"C:\fields {x} ~ ^2 #1",
    "[sic] * moor",
    "* star",
    "été \N{EN DASH} Österreich",
)
