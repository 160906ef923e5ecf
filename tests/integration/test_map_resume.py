"""A map is made of blocks that may fail, be interrupted, or run elsewhere; the files are the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate
from shapely.geometry import box

from timesenclip.eo.area import AreaSource
from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import DataNotFoundError, InputError, NoClearObservationError, PartialFailureError
from timesenclip.files import TEMPORARY_SUFFIX
from timesenclip.grid import six_numbers
from timesenclip.mapping.map_area import map_cube
from timesenclip.mapping.output.result import MapResult
from timesenclip.model.checkpoint import Model, load
from timesenclip.simulate.scene import simulate_scene
from timesenclip.testing import write_zarr_cube

PHRASES = ["maize", "grassland", "water"]
SIZE = 48


@pytest.fixture(scope="module")
def model() -> Model:
    return load()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> AreaSource:
    """48 x 48 simulated pixels; a corner of 16 was never seen, another was seen once."""
    cube = simulate_scene(rng=np.random.default_rng(3), size=SIZE).cube
    valid = cube.valid.copy()
    valid[:, :16, :16] = False
    valid[1:, -6:, -6:] = False
    valid[0, -6:, -6:] = True
    reflectance = np.where(cube.reflectance > 0, cube.reflectance, 0.02) * valid[:, None]
    cube = replace(cube, valid=valid, reflectance=reflectance.astype(np.float32))
    return open_cube(write_zarr_cube(cube, tmp_path_factory.mktemp("scene") / "scene.zarr"), dilate_px=0)


@pytest.fixture(scope="module")
def whole(source: AreaSource, model: Model, tmp_path_factory: pytest.TempPathFactory) -> MapResult:
    return map_cube(source, PHRASES, out=tmp_path_factory.mktemp("whole"), model=model, block=16, workers=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timesenclip.mapping.run.attempt._FIRST_WAIT_S", 0.001)


class Broken:
    """An area in which reading some blocks fails."""

    def __init__(self, source: AreaSource, corners: set[tuple[int, int]], error: BaseException) -> None:
        self.source, self.corners, self.error = source, corners, error
        self.read_count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def read(self, window: Any = None, **how: Any) -> Any:
        self.read_count += 1
        if (window[0], window[2]) in self.corners:
            raise self.error
        return self.source.read(window, **how)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_killed_at_random_moments_and_run_again_the_files_are_the_same(source, whole, tmp_path: Path) -> None:
    child = Path(__file__).with_name("kill_child.py")
    arguments = ["map", source.source_name, whole.folder, tmp_path / "map", 5, 2]
    done = subprocess.run([sys.executable, child, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3  # kills that hit a run which was not over yet
    assert files_of(tmp_path / "map") == files_of(whole.folder)


def test_failed_blocks_are_named_and_only_they_are_done_again(source, whole, model, tmp_path: Path) -> None:
    area = Broken(source, {(16, 16), (32, 0)}, OSError(28, "No space left on device"))
    how: dict[str, Any] = {"out": tmp_path, "model": model, "block": 16, "workers": 1}
    with pytest.raises(PartialFailureError, match=r"2 of 9 blocks failed .* rows 16-32 columns 16-32 .*No space left"):
        map_cube(area, PHRASES, **how)
    assert [path.name for path in tmp_path.iterdir()] == [".map.partial"]
    with pytest.raises(InputError, match=r"with question 'maize, grassland, water \(\w+\)', this one has 'maize"):
        map_cube(source, [*PHRASES, "forest"], **how)
    with pytest.raises(InputError, match=r"this one has .?0\.9"):  # blocks of two thresholds would stand in one map
        map_cube(source, PHRASES, unknown_below=0.9, **how)
    area.corners, area.read_count = set(), 0
    map_cube(area, PHRASES, **how)
    assert area.read_count == 2
    assert files_of(tmp_path) == files_of(whole.folder)


def test_an_error_of_the_program_is_not_tried_again(source, model, tmp_path: Path) -> None:
    area = Broken(source, {(16, 16)}, TypeError("unsupported operand"))
    with pytest.raises(PartialFailureError, match=r"1 of 9 blocks failed .*TypeError: unsupported operand"):
        map_cube(area, PHRASES, out=tmp_path, model=model, block=16, workers=1)
    assert area.read_count == 9


def test_when_no_block_works_its_error_is_said_and_nothing_stays(source, model, tmp_path: Path) -> None:
    everywhere = {(row, column) for row in (0, 16, 32) for column in (0, 16, 32)}
    area = Broken(source, everywhere, DataNotFoundError("The archive is gone."))
    with pytest.raises(DataNotFoundError, match="archive is gone"):
        map_cube(area, PHRASES, out=tmp_path, model=model, block=16)
    assert not list(tmp_path.iterdir())


def test_the_same_files_with_threads_and_on_a_cluster(source, whole, model, tmp_path: Path) -> None:
    map_cube(source, PHRASES, out=tmp_path / "threads", model=model, block=16, workers=3)
    map_cube(source, PHRASES, out=tmp_path / "cluster", model=model, block=16, dask="local:2")
    assert files_of(tmp_path / "threads") == files_of(whole.folder)
    assert files_of(tmp_path / "cluster") == files_of(whole.folder)


FULL_DISK = """
import resource, sys
from timesenclip.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
sys.argv[1:1] = ["map"]
main()
"""


def test_a_raster_that_cannot_be_written_whole_does_not_appear(run, source, tmp_path: Path) -> None:
    """The system refuses files above 20 kB, as a full disk would: here the scores."""
    asked = [part for phrase in PHRASES for part in ("-p", phrase)]
    how = [source.source_name, *asked, "-o", str(tmp_path / "map"), "--block", "16", "--workers", "1"]
    said = subprocess.run([sys.executable, "-c", FULL_DISK, *how], capture_output=True, text=True, timeout=120)
    assert said.returncode == 2, said.stderr
    assert re.search(r"^error: Cannot write '.*scores.tif' .* run the same command again", said.stderr, re.MULTILINE)
    there = {path.name for path in (tmp_path / "map").iterdir()}
    assert ".map.partial" in there
    assert not [name for name in there if name.startswith("scores") or name.endswith(TEMPORARY_SUFFIX)]
    again = run("map", *how)
    assert again.exit_code == 0, again.stderr
    assert "scores.tif" in files_of(tmp_path / "map")


def test_rasters_are_valid_and_clear_counts_are_kept(whole) -> None:
    for name in ("classes", "confidence", "clear", "scores"):
        assert cog_validate(whole.files[name])[0], name
    with rasterio.open(whole.files["clear"]) as raster:
        clear = raster.read(1)
        assert raster.nodata == 0
    assert (clear[:16, :16] == 0).all()
    assert (clear[-6:, -6:] == 1).all()
    assert clear[20:40, 20:40].min() >= 1


def test_rarely_seen_pixels_are_masked_and_counted(source, whole, model, tmp_path: Path) -> None:
    result = map_cube(source, PHRASES, out=tmp_path / "two", model=model, block=16, min_clear=2, scores=False)
    assert result.provenance["masked_pixels"] == 36
    assert result.nodata_pixels == whole.nodata_pixels + 36 == 16 * 16 + 36
    with rasterio.open(result.files["classes"]) as raster, rasterio.open(whole.files["classes"]) as all_:
        values, expected = raster.read(1), all_.read(1)
    assert (values[-6:, -6:] == 255).all()
    expected[-6:, -6:] = 255
    np.testing.assert_array_equal(values, expected)
    with pytest.raises(NoClearObservationError, match=r"has 13 clear observations .* lower --min-clear"):
        map_cube(source, PHRASES, out=tmp_path / "none", model=model, block=16, min_clear=13)
    assert not (tmp_path / "none").exists()


def test_the_command_takes_zones_and_says_what_was_masked(run: Callable[..., Any], source, tmp_path: Path) -> None:
    a, _, x0, _, e, y0 = six_numbers(source.transform)
    parcels = geopandas.GeoDataFrame(
        {"name": ["unseen", "middle"]},
        geometry=[box(x0, y0 + 16 * e, x0 + 16 * a, y0), box(x0 + 20 * a, y0 + 30 * e, x0 + 30 * a, y0 + 20 * e)],
        crs=source.crs,
    )
    parcels.to_file(tmp_path / "parcels.gpkg")
    asked = [part for phrase in PHRASES for part in ("-p", phrase)]
    how = [*asked, "-o", tmp_path / "map", "--min-clear", "2", "--workers", "1", "--block", "16"]
    said = run("map", source.source_name, *how, "--zones", tmp_path / "parcels.gpkg", "--json")
    assert said.exit_code == 0, said.stderr
    facts = json.loads(said.stdout)
    assert facts["masked_count"] == 49  # clouds grow by a pixel
    zones = geopandas.read_parquet(facts["files"]["zones"]).set_index("name")
    assert zones.loc["unseen", "nodata_share"] == 1
    assert zones.loc["middle", "hectares"] == pytest.approx(1.0)
    missing = run("map", source.source_name, *how[:-4], "--zones", tmp_path / "none.gpkg")
    assert missing.exit_code == 2
    assert "No zones at" in missing.stderr
    both = run("map", source.source_name, *how, "--dask", "local:2")
    assert both.exit_code == 2
    assert "--workers and --dask were both given" in both.stderr
