"""One scene with ten bands, with bands of 10 m only, and with a date that lacks those of 20 m, from file to map."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch

from timesenclip.bands import BAND_NAMES, BAND_SETS, BANDS
from timesenclip.mapping.store.store import EmbeddingStore
from timesenclip.model.checkpoint import Model, save
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.testing import random_cube, write_geotiff_stack, write_netcdf_cube

ASK = ("-p", "maize", "-p", "lake")
COARSE = [band.name for band in BANDS if band.resolution_m == 20]


def checkpoint(folder: Path, *, band_mask: bool) -> Path:
    torch.manual_seed(0)
    config = replace(PRESETS["tiny"], dim=32, depth=1, heads=2, ffn_dim=32, band_mask=band_mask)
    about = CheckpointConfig(
        name="masked" if band_mask else "whole",
        encoder=encoder_fields(config),
        normalisation="sqrt",
        tower=TowerRef(name="compact", dim=config.embed_dim),
    )
    return save(Model(SeriesEncoder(config), about), folder / about.name)


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("masked"), band_mask=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("whole"), band_mask=False)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """GeoTIFFs: all of them, those of 10 m and SCL, all but those of 20 m of one date, and red, green, blue."""
    root = tmp_path_factory.mktemp("scenes")
    cube = random_cube((32, 48), cloudy=0.1)
    made = {name: write_geotiff_stack(cube, root / name) for name in ("ten", "fine", "one", "rgb", "none")}
    keep = {"fine": BAND_SETS["10m"], "rgb": BAND_SETS["rgb"], "none": ()}
    for name, bands in keep.items():
        for file in [
            file for band in BANDS if band.name not in bands for file in made[name].glob(f"*_{band.name}.tif")
        ]:
            file.unlink()
    for band in COARSE:
        (made["one"] / f"2021-01-27_{band}.tif").unlink()
    return made


def scores(folder: Path) -> np.ndarray:
    with rasterio.open(next(folder.glob("scores*.tif"))) as raster:
        return raster.read()


def provenance(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["input"]


def test_maps_stores_and_answers_of_the_same_scene(run, masked: Path, scenes: dict[str, Path], tmp_path: Path) -> None:
    maps: dict[str, np.ndarray] = {}
    for name in ("ten", "fine", "one", "rgb"):
        scene, out = scenes[name], tmp_path / name
        made = run("map", scene, "--checkpoint", masked, *ASK, "-o", out, "--block", 16)
        assert made.exit_code == 0, made.stderr
        maps[name] = scores(out)
        assert ("docs/how-good.md tells the loss" in made.stderr) == (name in ("fine", "rgb")), made.stderr
        assert ("2021-01-27 has no B05" in made.stderr) == (name == "one")
        page = (out / "map.html").read_text(encoding="utf-8")
        assert ("Bands B02, B03, B04" in page) == (name in ("fine", "rgb"))
        stored = run("embed-area", scene, "--checkpoint", masked, "-o", tmp_path / f"{name}.zarr", "--block", 16)
        assert stored.exit_code == 0, stored.stderr
        asked = run("ask", tmp_path / f"{name}.zarr", *ASK, "-o", tmp_path / f"{name}-ask")
        assert asked.exit_code == 0, asked.stderr
        again = scores(tmp_path / f"{name}-ask")
        assert np.array_equal(again == -9999, maps[name] == -9999)
        assert np.abs(again - maps[name])[again != -9999].max() < 0.02  # vectors are kept as int8
    assert provenance(tmp_path / "ten")["bands"] == list(BAND_NAMES)
    assert provenance(tmp_path / "fine")["bands"] == ["B02", "B03", "B04", "B08"]
    assert provenance(tmp_path / "one")["dates_without"] == {"2021-01-27": COARSE}
    assert EmbeddingStore.open(tmp_path / "fine.zarr").bands == BAND_SETS["10m"]
    assert provenance(tmp_path / "fine-ask")["bands"] == list(BAND_SETS["10m"])
    seen = maps["ten"] != -9999
    for name in ("fine", "one", "rgb"):  # the same pixels are seen, and their answers differ
        assert np.array_equal(maps[name] != -9999, seen)
        assert not np.allclose(maps[name], maps["ten"], atol=1e-6)
    closer, farther = (np.abs(maps[name] - maps["ten"])[seen].mean() for name in ("one", "fine"))
    assert closer < farther


def test_what_files_hold_decides_and_not_their_format(
    run, masked: Path, scenes: dict[str, Path], tmp_path: Path
) -> None:
    import xarray as xr

    folder = write_netcdf_cube(random_cube((32, 48), cloudy=0.1), tmp_path / "cube")
    with xr.open_dataset(folder / "S2_20m.nc", engine="h5netcdf", mask_and_scale=False) as dataset:
        dataset = dataset.load()
    for band in COARSE:
        dataset[band].values[1] = 0  # no data on 27 January
    (folder / "S2_20m.nc").unlink()
    dataset.to_netcdf(folder / "S2_20m.nc", engine="h5netcdf")
    for name, scene in (("netcdf", folder), ("geotiff", scenes["one"])):
        made = run("map", scene, "--checkpoint", masked, *ASK, "-o", tmp_path / name)
        assert made.exit_code == 0, made.stderr
    assert np.array_equal(scores(tmp_path / "netcdf"), scores(tmp_path / "geotiff"))


def test_an_interrupted_map_is_continued_with_the_same_bytes(
    run, masked: Path, scenes: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from timesenclip.mapping.run import map_block

    command = ("map", scenes["one"], "--checkpoint", masked, *ASK, "--block", 16, "--workers", 1)
    assert run(*command, "-o", tmp_path / "whole").exit_code == 0
    real, done = map_block.embed_cube, []

    def fails_later(*args: Any, **more: Any) -> Any:
        done.append(1)
        if len(done) > 3:
            raise RuntimeError("killed")
        return real(*args, **more)

    monkeypatch.setattr(map_block, "embed_cube", fails_later)
    assert run(*command, "-o", tmp_path / "cut").exit_code == 1
    monkeypatch.undo()
    assert run(*command, "-o", tmp_path / "cut").exit_code == 0
    for file in ("classes.tif", "map.html", "provenance.json"):
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


def test_an_encoder_that_needs_all_bands_says_so_before_work_begins(
    run, whole: Path, scenes: dict[str, Path], tmp_path: Path
) -> None:
    said = (
        "error: Checkpoint 'whole' needs all of its 10 bands, and no step has them: B05, B06, B07, B8A, B11, B12 never"
    )
    for command in (
        ("map", scenes["fine"], *ASK, "-o", tmp_path / "map"),
        ("embed-area", scenes["fine"], "-o", tmp_path / "store.zarr"),
        ("embed-area", scenes["fine"], "-o", tmp_path / "store.zarr", "--dry-run"),
    ):
        done = run(*command, "--checkpoint", whole)
        assert done.exit_code == 2
        assert done.stderr.splitlines()[-1].startswith(said), done.stderr
        assert list(tmp_path.iterdir()) == []
    made = run("map", scenes["one"], "--checkpoint", whole, *ASK, "-o", tmp_path / "map")
    assert made.exit_code == 0, made.stderr  # the other dates have all bands


def test_no_known_band_is_refused(run, masked: Path, scenes: dict[str, Path], tmp_path: Path) -> None:
    done = run("map", scenes["none"], "--checkpoint", masked, *ASK, "-o", tmp_path / "map")
    assert done.exit_code == 2
    assert "has no known band; expected at least one of B02, B03" in done.stderr
    assert not (tmp_path / "map").exists()


def test_a_plan_names_the_bands(run, masked: Path, scenes: dict[str, Path], tmp_path: Path) -> None:
    command = ("embed-area", scenes["fine"], "--checkpoint", masked, "-o", tmp_path / "x.zarr", "--dry-run")
    assert "B02, B03, B04, B08 (without B05" in run(*command).stdout.replace("\n", " ")
    told = json.loads(run(*command, "--json").stdout)
    assert told["bands"] == ["B02", "B03", "B04", "B08"]
    full = json.loads(run("embed-area", scenes["ten"], *command[2:], "--json").stdout)
    assert told["read_bytes"] < full["read_bytes"]


def test_years_of_different_bands_are_compared_with_a_warning(
    run, masked: Path, scenes: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("ten", "fine"):
        made = run("embed-area", scenes[name], "--checkpoint", masked, "-o", tmp_path / f"{name}.zarr")
        assert made.exit_code == 0, made.stderr
    stores = (tmp_path / "ten.zarr", tmp_path / "fine.zarr")
    cubes = ("--cube-a", scenes["ten"], "--cube-b", scenes["fine"])
    changed = run("change", *stores, *cubes, "-o", tmp_path / "change")
    assert changed.exit_code == 0, changed.stderr
    assert "part of the difference comes from the bands" in changed.stderr
    content = json.loads((tmp_path / "change" / "change.json").read_text(encoding="utf-8"))
    assert content["after"]["bands"] == list(BAND_SETS["10m"])
    same = run("change", stores[0], stores[0], "-o", tmp_path / "same")
    assert "bands" not in same.stderr
