"""Two processes with the same output: one writes it, the other is refused; a killed one is continued by the next."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.simulate.scene import simulate_scene
from timesenclip.testing import write_zarr_cube

COMMANDS = {
    "map": ["-p", "maize", "-p", "water", "--block", "16", "--workers", "1"],
    "embed-area": ["--dims", "64", "--block", "16", "--workers", "1"],
}
SLOW = """
import sys, time
import timesenclip.mapping.run.blocks as blocks
from timesenclip.cli import main
add, pause_s = blocks.Manifest.add, float(sys.argv.pop(1))
def slow(self, *arguments):
    add(self, *arguments)
    time.sleep(pause_s)
blocks.Manifest.add = slow
main()
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cube = simulate_scene(rng=np.random.default_rng(3), size=32).cube
    return write_zarr_cube(cube, tmp_path_factory.mktemp("scene") / "scene.zarr")


def start(what: str, source: Path, out: Path, *, pause_s: float = 0.0) -> subprocess.Popen[str]:
    """Begin a command that pauses after each of its four blocks."""
    command = [sys.executable, "-c", SLOW, str(pause_s), what, str(source), *COMMANDS[what], "-o", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def content(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.endswith(".manifest.jsonl")}


def wait_for_a_block(folder: Path) -> None:
    for _ in range(1200):
        records = [path for name in ("manifest.jsonl", "*.manifest.jsonl") for path in folder.rglob(name)]
        if any(b'"done"' in path.read_bytes() for path in records):
            return
        time.sleep(0.05)
    raise AssertionError("no block was recorded as done")


@pytest.mark.slow
@pytest.mark.parametrize("what", list(COMMANDS))
def test_one_writes_the_other_is_refused_and_a_killed_one_is_continued(
    what: str, source: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    name = "map" if what == "map" else "store.zarr"
    alone = run(what, source, *COMMANDS[what], "-o", tmp_path / "alone" / name)
    assert alone.exit_code == 0, alone.stderr
    out = tmp_path / "out" / name
    killed = start(what, source, out, pause_s=60)
    try:
        wait_for_a_block(tmp_path / "out")
        refused = start(what, source, out)
        said = refused.communicate()[1]
        assert refused.returncode == 2, said
        assert said.startswith("error: Another process is writing"), said
        assert len(said.splitlines()) == 1
        assert killed.poll() is None
    finally:
        killed.kill()
        killed.communicate()
    last = start(what, source, out)
    said = last.communicate()[1]
    assert last.returncode == 0, said
    assert content(tmp_path / "out") == content(tmp_path / "alone")
