"""Blocks of one area are read by threads, which share its polygon."""

import subprocess
import sys

import pytest

pytest.importorskip("rasterio")

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
