"""A source that changes between an interrupted run and the next, or during a run, never gives a mixed result."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import InputError
from timesenclip.mapping.embed_area import embed_area
from timesenclip.mapping.map_area import map_cube
from timesenclip.model.checkpoint import Model, load
from timesenclip.testing import random_cube, write_geotiff_stack, write_netcdf_cube, write_zarr_cube

WRITERS = {"netcdf": write_netcdf_cube, "zarr": write_zarr_cube, "geotiff": write_geotiff_stack}
PHRASES = ["a field of wheat", "a forest", "a lake"]

Job = Callable[[Path, Path, "Callable[[int, int], None] | None"], object]


class Interrupted(Exception):
    """Raised where a user would press Ctrl-C."""


@pytest.fixture(scope="module")
def model() -> Model:
    return load()


def edit(path: Path) -> None:
    """Write a file that is read again, with the same size: for Zarr a chunk of a band."""
    inner = path / "B12" / "c" if path.suffix == ".zarr" else path
    file = sorted(file for file in inner.rglob("*") if file.is_file())[-1]
    state = file.stat()
    file.write_bytes(file.read_bytes())
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 1))


@pytest.fixture(params=["map", "embed-area"])
def job(request: pytest.FixtureRequest, model: Model) -> Job:
    def map_job(path: Path, out: Path, progress: Callable[[int, int], None] | None = None) -> object:
        return map_cube(
            open_cube(path), PHRASES, out=out, model=model, block=16, workers=1, scores=False, progress=progress
        )

    def embed_job(path: Path, out: Path, progress: Callable[[int, int], None] | None = None) -> object:
        return embed_area(open_cube(path), out, model=model, block=16, workers=1, progress=progress)

    return map_job if request.param == "map" else embed_job


def stop(done: int, of: int) -> None:
    raise Interrupted


@pytest.mark.parametrize("kind", WRITERS)
def test_a_change_between_two_runs_is_refused(kind: str, job: Job, tmp_path: Path) -> None:
    path = WRITERS[kind](random_cube((16, 32)), tmp_path / f"cube.{kind}")
    for name in ("a", "b"):
        with pytest.raises(Interrupted):
            job(path, tmp_path / name, stop)
    assert job(path, tmp_path / "a", None)  # an unchanged source is continued
    edit(path)
    with pytest.raises(InputError, match=r"source|another job") as caught:
        job(path, tmp_path / "b", None)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "b" / "classes.tif").exists()


@pytest.mark.parametrize("kind", WRITERS)
def test_a_change_during_a_run_is_refused(kind: str, job: Job, tmp_path: Path) -> None:
    path = WRITERS[kind](random_cube((16, 32)), tmp_path / f"cube.{kind}")
    done: list[int] = []

    def edit_once(pixels: int, of: int) -> None:
        if not done:
            edit(path)
        done.append(pixels)

    with pytest.raises(InputError, match="was changed while it was read"):
        job(path, tmp_path / "out", edit_once)
    assert not list(tmp_path.glob("out/*.tif"))
    assert not list(tmp_path.glob("out*.json"))
