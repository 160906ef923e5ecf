"""What went wrong while scenes were read is told once."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from timesenclip.eo.stac.items import Scene
from timesenclip.eo.stac.reader import Failure, SceneWindow
from timesenclip.eo.stac.report import ReadingReport, WarnedOnce
from timesenclip.errors import DataNotFoundError, DegradedInputWarning
from timesenclip.grid import Window

from .scenes import pixels_of_scene, write_scene

ALL = Window(0, 4, 0, 4)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return write_scene(tmp_path / "scene", pixels_of_scene(), day="2023-06-01")


def failure(band: str = "B02", reason: str = "cut short") -> Failure:
    return Failure("scene", band, "/data/x.tif", ALL, reason)


def pixels(lowest_dn: float) -> SceneWindow:
    lowest = np.random.default_rng(0).normal(lowest_dn, 100, 400).astype(np.float32)
    return SceneWindow(np.zeros((10, 20, 20), np.float32), np.ones((20, 20), bool), lowest)


def told(warned: WarnedOnce, report: ReadingReport, failures: list[Failure]) -> list[str]:
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        warned.tell(report, "area", access="", failures=failures)
    assert all(one.category is DegradedInputWarning for one in given)
    return [str(one.message) for one in given]


def test_a_broken_file_is_told_once(scene: Scene) -> None:
    warned, failures = WarnedOnce(), []
    report = ReadingReport()
    report.add(scene, failure())
    report.add(scene, pixels(2000))
    texts = told(warned, report, failures)
    assert texts == [
        "area: 1 of 2 scenes could not be read and give nothing to a window: scene B02 (/data/x.tif: cut short)"
    ]
    assert told(warned, report, failures) == []
    assert failures == [failure()]
    report.add(scene, failure("B03"))
    assert len(told(warned, report, failures)) == 1
    assert [one.band for one in failures] == ["B02", "B03"]


def test_where_nothing_can_be_read_an_error_is_raised(scene: Scene) -> None:
    report = ReadingReport()
    report.add(scene, failure())
    with pytest.raises(DataNotFoundError, match=r"None of the 1 scenes of a window of area .*Ask for keys"):
        WarnedOnce().tell(report, "area", access="Ask for keys.", failures=[])
    assert told(WarnedOnce(any_read=True), report, []) != []  # a single broken file, elsewhere, is only named
    report.add(scene, failure(reason="HTTP response code: 503"))
    with pytest.raises(DataNotFoundError, match="Check the network"):
        WarnedOnce(any_read=True).tell(report, "area", access="", failures=[])


def test_pixels_that_contradict_their_offset_are_told_once(scene: Scene) -> None:
    report = ReadingReport()
    report.add(scene, pixels(300))  # 1000 is to be subtracted, but is not in them
    assert list(report.doubts) == [1000]
    warned = WarnedOnce()
    assert "the pixels of 1 of 1 scenes contradict the offset of 1000 DN" in told(warned, report, [])[0]
    assert told(warned, report, []) == []


def test_scenes_that_show_nothing_are_no_failures(scene: Scene) -> None:
    report = ReadingReport()
    report.add(scene, None)
    report.add(scene, pixels(2000))
    assert (report.asked, report.failed, report.doubts) == (2, [], {})
    assert told(WarnedOnce(), report, []) == []
