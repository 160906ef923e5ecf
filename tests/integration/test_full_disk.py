"""On a full disk a command ends with one line, an older output stays whole, and a run that has room ends the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.simulate.scene import simulate_scene
from timesenclip.testing import write_zarr_cube


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cube = simulate_scene(rng=np.random.default_rng(3), size=32).cube
    return write_zarr_cube(cube, tmp_path_factory.mktemp("scene") / "scene.zarr")


def failed_runs(what: str, source: Path, work: Path, cases: list[str]) -> list[dict[str, Any]]:
    child = Path(__file__).with_name("full_disk_child.py")
    command = [sys.executable, str(child), what, str(source), str(work), *cases]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(cases)
    return found


CASES = [("map", ["bytes:2000", "bytes:9000", "writes:0", "writes:6", "writes:14"])]
CASES += [("embed-area", ["bytes:300", "bytes:3000", "writes:5", "writes:30", "writes:70"])]


@pytest.mark.slow
@pytest.mark.parametrize(("what", "cases"), CASES)
def test_a_full_disk_gives_one_line_and_loses_nothing(
    what: str, cases: list[str], source: Path, tmp_path: Path
) -> None:
    found = failed_runs(what, source, tmp_path, cases)
    assert sum(run["code"] != 0 for run in found) >= 4, found  # cases that met the limit
    for run in (run for run in found if run["code"] != 0):
        assert run["code"] in (1, 2), run
        lines = [line for line in run["stderr"].splitlines() if not line.startswith("warning: ")]
        assert len(lines) == 1, run
        assert re.match(r"error: .*(No space left|File too large|Cannot write)", lines[0]), run
        assert re.search(r"/out/(map|store\.zarr)", lines[0]), run
