from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.mapping.output.page import write_page
from timesenclip.mapping.output.result import ClassArea, Example, MapResult, Preview


@pytest.fixture
def result(tmp_path: Path) -> MapResult:
    taxonomy = taxonomy_from_phrases(["forest & shade"])
    classes = np.array([[1, 0], [1, 255]], dtype=np.uint8)
    preview = Preview(1, np.full((2, 2, 3), 0.1, dtype=np.float32), classes, classes.copy())
    area = ClassArea("forest & shade", 1, taxonomy.colours[0], 2, 0.02, 0.67, 0.8)
    example = Example(
        name="forest & shade",
        colour=taxonomy.colours[0],
        confidence=0.8,
        lon_deg=3.0,
        lat_deg=50.5,
        dates=("2021-01-01", "2021-02-01", "2021-03-01"),
        ndvi=(0.5, None, 1.4),
        contribution=(0.1, None, -0.2),
    )
    about = {
        "checkpoint": {"name": "default", "digest": "abc", "tower": "compact"},
        "input": {"composite": {"period": "2021"}},
        "prompts": {"forest & shade": ["forest & shade"]},
    }
    return MapResult(tmp_path, {}, taxonomy, (area,), 1, preview, (example,), about)


def page_of(result: MapResult, **how: str) -> str:
    return write_page(result, result.folder / "map.html", **how).read_text()


def test_the_page_stands_alone_and_escapes_what_was_asked(result: MapResult) -> None:
    page = page_of(result)
    assert "forest &amp; shade" in page
    assert "forest & shade" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "<script" not in page
    assert "2 pixels (0 ha, 2021), asked with 1 phrase. Checkpoint default." in page
    assert "1 pixels had no clear observation." in page


def test_a_chart_leaves_out_missing_months_and_stays_in_its_frame(result: MapResult) -> None:
    page = page_of(result)
    chart = page[page.index("<svg") : page.index("</svg>")]
    assert chart.count('class="dot"') == 2
    assert chart.count('class="for"') == chart.count('class="against"') == 1
    assert [float(y) for y in re.findall(r'class="dot" cx="[\d.]+" cy="([\d.]+)"', chart)] == [39.0, 8.0]
    assert re.findall(r">([JFM])</text>", chart) == ["J", "F", "M"]


def test_the_caution_is_that_of_the_checkpoint(result: MapResult) -> None:
    assert "compact text tower" in page_of(result)
    for tower, said in (("openai/clip", "Each pixel was compared with words"), ("head of points", "labelled points")):
        about = result.provenance | {"checkpoint": {"name": "n", "digest": "d", "tower": tower}}
        page = page_of(replace(result, provenance=about))
        assert said in page
        assert "compact text tower" not in page


def test_without_series_the_page_says_why_there_are_none(result: MapResult) -> None:
    assert "keeps no time series" in page_of(replace(result, examples=()))
    clipped = result.provenance | {"input": {"area": {"clipped": True}, "year": 2020}}
    page = page_of(replace(result, provenance=clipped), title="A <title>", extra="<p>more</p>")
    assert "or lie outside the area" in page
    assert ", 2020)" in page
    assert "A &lt;title&gt;" in page
    assert "<p>more</p>" in page


def test_an_unknown_area_has_an_empty_cell_for_its_confidence(result: MapResult) -> None:
    unknown = ClassArea("unknown", 0, "#808080", 1, 0.01, 0.33, float("nan"))
    page = page_of(replace(result, areas=(*result.areas, unknown)))
    assert "<td>80%</td>" in page
    assert "<td>1</td><td></td>" in page
    assert "nan%" not in page
