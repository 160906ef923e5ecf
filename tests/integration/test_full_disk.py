"""A disk that fills up, and a second writer: one line, what was there is whole, and the same command then finishes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from timesenclip.simulate.scene import simulate_scene
from timesenclip.testing import write_zarr_cube

CHILD = Path(__file__).with_name("disk_child.py")
PHRASES = ["-p", "maize", "-p", "water"]
NO_LIMIT = 2**40


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scene = simulate_scene(rng=np.random.default_rng(3), size=64)
    return write_zarr_cube(scene.cube, tmp_path_factory.mktemp("scene") / "scene.zarr")


def command(what: str, cube: Path, out: Path, *more: str) -> list[str]:
    options = PHRASES if what == "map" else ["--dims", "64"]
    return [what, str(cube), *options, "--block", "32", "--workers", "1", "-o", str(out), *more]


def start(arguments: list[str], limit: int = NO_LIMIT) -> subprocess.Popen[str]:
    line = [sys.executable, str(CHILD), str(limit), *arguments]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def content(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def finished(cube: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    out = tmp_path_factory.mktemp("finished")
    for what in ("map", "embed-area"):
        run = start(command(what, cube, out / what))
        assert run.wait() == 0
    return {what: content(out / what) for what in ("map", "embed-area")}


@pytest.mark.slow
@pytest.mark.parametrize("limit", [100, 2_000, 12_000, 40_000, 150_000])
@pytest.mark.parametrize("what", ["map", "embed-area"])
def test_on_a_full_disk_nothing_is_half_written(
    what: str, limit: int, cube: Path, finished: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    out, whole = tmp_path / "out", finished[what]
    run = start(command(what, cube, out), limit)
    _, errors = run.communicate(timeout=120)
    assert run.returncode in (0, 1, 2), errors
    assert "Traceback" not in errors
    if run.returncode:
        assert [line for line in errors.splitlines() if line.startswith("error: ")], errors
    for name, found in content(out).items() if out.exists() else ():
        if name == "zarr.json" or any(part.startswith(".") for part in name.split("/")):
            continue
        assert found == whole[name], name
    again = start(command(what, cube, out))
    assert again.wait(timeout=120) == 0
    assert content(out) == whole


@pytest.mark.slow
def test_on_a_full_disk_the_older_map_stays(cube: Path, tmp_path: Path) -> None:
    assert start(command("map", cube, tmp_path)).wait() == 0
    before = content(tmp_path)
    for limit in (2_000, 12_000, 40_000):
        run = start(command("map", cube, tmp_path, "--min-clear", "2"), limit)
        _, errors = run.communicate(timeout=120)
        assert run.returncode in (1, 2), errors
        after = content(tmp_path)
        assert {name: found for name, found in after.items() if name in before} == before


@pytest.mark.slow
@pytest.mark.parametrize("what", ["map", "embed-area"])
def test_of_two_writers_one_wins(what: str, cube: Path, finished: dict[str, dict[str, bytes]], tmp_path: Path) -> None:
    runs = [start(command(what, cube, tmp_path / what)) for _ in range(2)]
    ends = [(run.communicate(timeout=120)[1], run.returncode) for run in runs]
    codes = sorted(code for _, code in ends)
    assert codes in ([0, 2], [0, 0]), ends  # both, where the second began after the first had ended
    for errors, code in ends:
        if code == 2:
            assert "Another process is writing" in errors
            assert errors.count("\n") == 1
    assert content(tmp_path / what) == finished[what]
