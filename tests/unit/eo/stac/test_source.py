"""An area made of scenes: days become mosaics and composites, and threads share the area's polygon."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box

from timesenclip.eo.composite import DayStack, composite_cube
from timesenclip.eo.period import Every, Period
from timesenclip.eo.stac.aoi import Aoi
from timesenclip.eo.stac.reader import SceneReader, SceneWindow
from timesenclip.eo.stac.resample import Resampling
from timesenclip.eo.stac.source import StacSource
from timesenclip.errors import DegradedInputWarning, TimeError
from timesenclip.grid import Window

from .scenes import EPSG, GRID, pixels_of_scene, unsigned, write_scene

MANY_FIRST_QUESTIONS = """
import json, pathlib, sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
import numpy as np
from timesenclip.eo.stac.aoi import open_aoi
from timesenclip.eo.period import as_period
from timesenclip.eo.stac.reader import SceneReader
from timesenclip.eo.stac.source import StacSource
from timesenclip.grid import Window

angle = np.linspace(0, 2 * np.pi, 200)
ring = np.c_[5 + 0.006 * np.cos(angle), 51 + 0.004 * np.sin(angle) * (1 + 0.3 * np.cos(9 * angle))]
ring[-1] = ring[0]
path = pathlib.Path(sys.argv[1]) / "star.geojson"
path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring.tolist()]}))
area = open_aoi(path)
box = Window.whole(area.grid.shape)
reader = SceneReader(area.grid, area.epsg, lambda address, renew: address)
with ThreadPoolExecutor(4) as pool:
    for _ in range(400):
        source = StacSource(area, as_period(2022), (), reader, "test")
        start = Barrier(4)
        def ask(source=source, start=start):
            source._polygon
            start.wait()
            return source._inside(box).sum()
        assert len({future.result() for future in [pool.submit(ask) for _ in range(4)]}) == 1
print("ended")
"""


def test_threads_that_ask_one_polygon_at_once_do_not_end_the_process(tmp_path):
    command = [sys.executable, "-c", MANY_FIRST_QUESTIONS, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


@pytest.fixture
def source(tmp_path: Path) -> StacSource:
    """Three days in two months; of the second day there are two scenes."""
    days = {"a": "2023-05-03", "b": "2023-05-20", "c": "2023-05-20", "d": "2023-06-08"}
    scenes = [
        write_scene(tmp_path / name, pixels_of_scene(seed), day=day) for seed, (name, day) in enumerate(days.items())
    ]
    area = Aoi(box(3.0, 50.5, 3.1, 50.6), "area", EPSG, GRID)
    reader = SceneReader(GRID, EPSG, unsigned, retries=0, wait_s=0.0)
    return StacSource(area, Period.of_year(2023), tuple(scenes), reader, "area", workers=2, clip=False)


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("every", ["month", "quarter", "year", "dekad"])
def test_composites_are_those_of_the_days(source: StacSource, every: Every, resampling: Resampling) -> None:
    source = replace(source, reader=replace(source.reader, resampling=resampling))
    days = source.read(every=None)
    expected = composite_cube(days, every=every, period=2023)
    found = source.read(every=every)
    assert np.array_equal(found.reflectance, expected.reflectance)
    assert np.array_equal(found.valid, expected.valid)
    assert np.array_equal(found.observations, expected.observations)
    assert np.array_equal(found.start, expected.start)
    assert found.provenance["composite"] == expected.provenance["composite"]
    assert found.valid.any()


def test_the_first_valid_pixel_of_a_day_wins(source: StacSource) -> None:
    days = source.read(every=None)
    assert days.start.astype(str).tolist() == ["2023-05-03", "2023-05-20", "2023-06-08"]
    first = source.reader.read(source.scenes[1], Window.whole(GRID.shape), mask=True)
    assert isinstance(first, SceneWindow)
    assert np.array_equal(days.reflectance[1][:, first.valid], first.reflectance[:, first.valid])


def test_memory_holds_the_days_of_one_interval(source: StacSource, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    stack = StacSource._daily_mosaics

    def watched(self: StacSource, days: Any, *rest: Any) -> DayStack:
        sizes.append(len(days))
        return stack(self, days, *rest)

    monkeypatch.setattr(StacSource, "_daily_mosaics", watched)
    source.read(every="month")
    assert sizes == [2, 1]


def test_a_period_outside_the_search_is_refused(source: StacSource) -> None:
    with pytest.raises(TimeError, match=r"area was searched for 2023-01-01\.\.2023-12-31, not for 2024"):
        source.read(period=2024)
    with pytest.raises(TimeError, match=r"area has no scene in 2023-01-01\.\.2023-01-31"):
        source.read(period="2023-01")


def test_without_scl_it_is_said_once_that_clouds_stay(source: StacSource) -> None:
    bare = [replace(scene, assets={k: v for k, v in scene.assets.items() if k != "SCL"}) for scene in source.scenes]
    source = replace(source, scenes=tuple(bare))
    with pytest.warns(DegradedInputWarning, match="area has no SCL, so clouds are not masked") as said:
        cubes = [source.read(), source.read((0, 4, 0, 4))]
    assert len(said) == 1
    assert all(cube.provenance["mask"] == "none" for cube in cubes)
    source.read(mask=False)


def test_scenes_that_lack_bands_keep_those_they_have(source: StacSource) -> None:
    whole = source.read(every=None)
    days = ["2023-05-03", "2023-05-20", "2023-06-08"]
    lacking = {"a": ("B11", "B12"), "b": ("B05",), "c": ("B05", "B02")}
    parts = [
        replace(scene, assets={k: v for k, v in scene.assets.items() if k not in lacking.get(scene.id, ())})
        for scene in source.scenes
    ]
    assert [scene.lacks for scene in parts] == [("B11", "B12"), ("B05",), ("B02", "B05"), ()]
    partial = replace(source, scenes=tuple(parts))
    found = partial.read(every=None)
    assert found.band_valid is not None
    assert np.array_equal(found.valid, whole.valid)
    assert found.start.astype(str).tolist() == days
    expected = np.ones((3, 10), dtype=bool)
    expected[0, [8, 9]] = expected[1, 3] = False
    for t, c in np.ndindex(3, 10):  # the scene of the second day that lacks one band fills the day first
        assert (found.band_valid[t, c][whole.valid[t]] == expected[t, c]).all()
    assert not found.reflectance[~(found.valid[:, None] & found.band_valid)].any()
    assert np.array_equal(found.reflectance[2], whole.reflectance[2])
    assert partial.read().band_valid is None  # May has every band on one of its days
    alone = partial.read(every="dekad", period="2023-05")
    assert alone.band_valid is not None
    assert not alone.band_valid[0, 8][alone.valid[0]].any()
    assert alone.band_valid[1, 8][alone.valid[1]].all()
    assert partial.bands_there() == source.bands_there()
    assert "B11" not in partial.bands_there("2023-05-01..2023-05-10")


def test_scenes_of_a_sensor_without_some_bands(source: StacSource) -> None:
    names = ("B02", "B03", "B04", "SCL")
    rgb = [replace(scene, assets={name: scene.assets[name] for name in names}) for scene in source.scenes]
    few = replace(source, scenes=tuple(rgb))
    whole, found = source.read(), few.read()
    assert few.bands_there() == ("B02", "B03", "B04")
    assert np.array_equal(found.valid, whole.valid)
    assert np.array_equal(found.reflectance[:, :3], whole.reflectance[:, :3])
    assert not found.reflectance[:, 3:].any()
    assert found.band_valid is not None
    assert found.band_valid.strides[0] == 0  # a view
    assert found.provenance["bands"] == ["B02", "B03", "B04"]
    assert found.provenance["resampled"]["bands"] == []
