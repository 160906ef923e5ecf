"""Which figures a report has, and what is written in them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from timesenclip.bands import band_index
from timesenclip.evaluation.evaluate import ZERO_SHOT
from timesenclip.evaluation.suite import report_figures as module
from timesenclip.evaluation.suite.findings import Findings
from timesenclip.evaluation.suite.report_figures import report_figures, spread
from timesenclip.report.figure import ReportFigure

ALL = [
    *("methods", "confusion", "reliability", "prompts", "few-labels", "robustness", "months"),
    *("map", "embedding", "embedding-map", "neighbours"),
]


@pytest.fixture(scope="module")
def figures(findings: Findings) -> dict[str, ReportFigure]:
    return report_figures(findings)


def _words(figure: ReportFigure) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", figure.svg)


def test_every_figure_is_drawn_and_named(figures: dict[str, ReportFigure]) -> None:
    assert list(figures) == ALL
    assert all(figure.name == name for name, figure in figures.items())


def test_figures_without_data_are_left_out(findings: Findings) -> None:
    nowhere = np.full(24, np.nan)
    data = replace(findings.data, series=replace(findings.data.series, lon_deg=nowhere, lat_deg=nowhere))
    left = report_figures(replace(findings, data=data, shots=[], neighbours=[]))
    assert set(ALL) - set(left) == {"few-labels", "map", "embedding-map", "neighbours"}


def test_words_of_the_figures(figures: dict[str, ReportFigure]) -> None:
    methods = _words(figures["methods"])
    assert methods.index("linear probe on embeddings") < methods.index("zero-shot")  # the best stands first
    assert {"maize &lt;field&gt; (12)", "lake (10)", "moor (2)", "75"} <= set(_words(figures["confusion"]))
    assert {"words, then examples", "examples only", "words alone"} <= set(_words(figures["few-labels"]))
    assert "mean of words and examples" not in _words(figures["few-labels"])  # there is no such point
    assert "glacier" not in _words(figures["months"])
    assert {"maize &lt;field&gt; (12)", "lake (10)", "moor (2)"} <= set(_words(figures["map"]))
    titles = [word for word in _words(figures["neighbours"]) if "neighbours of its class" in word]
    assert titles == [
        "maize &lt;field&gt;: 1 of 2 neighbours of its class",
        "lake: 1 of 1 neighbours of its class",
    ]


def test_classes_beyond_the_most_frequent_are_other(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TOP_CLASSES", 1)
    monkeypatch.setattr(module, "_GROUPS", 1)
    found = report_figures(findings)
    assert "Other (12)" in _words(found["confusion"])
    assert "Other (12)" in _words(found["map"])
    assert "lake (10)" not in _words(found["confusion"])


def test_spread_has_nan_without_an_interval(findings: Findings) -> None:
    metrics = findings.comparison.methods[ZERO_SHOT]
    assert spread(metrics, "accuracy") == (metrics.accuracy, *metrics.intervals["accuracy"])
    alone = replace(metrics, intervals={})
    assert spread(alone, "accuracy") == pytest.approx((metrics.accuracy, np.nan, np.nan), nan_ok=True)


def test_ndvi_of_valid_steps_stands_in_the_middle_of_their_month(findings: Findings) -> None:
    series = findings.data.series
    name, right, month, ndvi = module._ndvi(series, 5, True)
    use = np.flatnonzero(series.valid[5])
    red, nir = (series.reflectance[5, use, band_index(band)] for band in ("red", "nir"))
    assert (name, right) == (series.sample_id[5], True)
    assert month == pytest.approx(use + 0.5, abs=0.1)
    assert ndvi == pytest.approx((nir - red) / (nir + red), abs=1e-5)
    patch = series.reflectance[..., None, None] * np.array([[0.5, 1.5], [1.0, 1.0]], np.float32)
    assert module._ndvi(replace(series, reflectance=patch), 5, True)[3] == pytest.approx(ndvi, abs=1e-5)
