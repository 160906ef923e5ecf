"""Clouds that were not masked, from the command line to the provenance: tables, maps and stores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import rasterio
import xarray as xr

from timesenclip.eo.outliers import OUTLYING_STEPS

from .conftest import cube_dataset, maize_dn, wide_frame

CLOUD_DN = 6000


def clouded(frame: pd.DataFrame, step: int) -> pd.DataFrame:
    """A wide table in which one step of every point is cloud."""
    names = [name for name in frame.columns if f"-ts{step}-" in name]
    assert names
    return frame.assign(**dict.fromkeys(names, CLOUD_DN))


def described(path: Path) -> dict:
    return json.loads(pq.read_metadata(path).metadata[b"timesenclip"])


def test_a_cloud_in_a_table_changes_no_answer_unless_it_is_kept(run, tmp_path: Path) -> None:
    clean, cloudy = wide_frame(maize_dn(3)), clouded(wide_frame(maize_dn(3)), 1)
    answers = {}
    for name, frame, more in (("clean", clean, ()), ("cloudy", cloudy, ()), ("kept", cloudy, ("--outliers", "keep"))):
        frame.to_parquet(tmp_path / f"{name}.parquet")
        out = tmp_path / f"{name}-out.parquet"
        result = run("classify", tmp_path / f"{name}.parquet", "-p", "maize", "-p", "lake", *more, "-o", out)
        assert result.exit_code == 0, result.stderr
        answers[name] = pq.read_table(out).to_pandas()
    found = described(tmp_path / "cloudy-out.parquet")["input"][OUTLYING_STEPS]
    assert found["removed"] == len(cloudy)
    assert described(tmp_path / "clean-out.parquet")["input"][OUTLYING_STEPS]["removed"] == 0
    assert described(tmp_path / "kept-out.parquet")["input"][OUTLYING_STEPS] == "kept"
    assert described(tmp_path / "kept-out.parquet")["options"]["outliers"] == "keep"
    moved = {name: np.abs(answers[name]["p_maize"] - answers["clean"]["p_maize"]).max() for name in ("cloudy", "kept")}
    assert moved["cloudy"] < moved["kept"]


def test_a_map_and_a_store_count_the_steps_that_were_left_out(run, tmp_path: Path) -> None:
    cube = cube_dataset(8)
    bands = [name for name in cube.data_vars if str(name).startswith("B")]
    cloudy = cube.copy(deep=True)
    for name in bands:
        cloudy[name].values[1, :4, :4] = CLOUD_DN
    assert isinstance(cloudy, xr.Dataset)
    cloudy.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    words = ("-p", "maize", "-p", "lake", "--answer-all")
    for more, removed in (((), 16), (("--outliers", "keep"), None)):
        folder, store = tmp_path / f"map{len(more)}", tmp_path / f"{len(more)}.zarr"
        made = run("map", tmp_path / "cube.nc", "--year", "2020", *words, *more, "-o", folder)
        assert made.exit_code == 0, made.stderr
        stored = run("embed-area", tmp_path / "cube.nc", "--year", "2020", *more, "-o", store)
        assert stored.exit_code == 0, stored.stderr
        asked = run("ask", store, *words, "-o", tmp_path / f"ask{len(more)}")
        assert asked.exit_code == 0, asked.stderr
        for answer in (folder, tmp_path / f"ask{len(more)}"):
            about = json.loads((answer / "provenance.json").read_text())
            found = about["input"][OUTLYING_STEPS]
            assert found == "kept" if removed is None else found["removed"] == removed
            assert about["answer_all"] is True
            with rasterio.open(answer / "clear.tif") as raster:
                clear = raster.read(1)
            assert (clear[:4, :4] < clear[7, 7]).all() == (removed is not None)
            with rasterio.open(answer / "classes.tif") as raster:
                assert not (raster.read(1) == 0).any()
    again = run("embed-area", tmp_path / "cube.nc", "--year", "2020", "-o", tmp_path / "2.zarr")
    assert again.exit_code == 2
    assert "was made with outliers 'keep', this is 'drop'" in again.stderr


def test_an_unknown_answer_states_no_confidence(run, tmp_path: Path) -> None:
    wide_frame(maize_dn(3)).to_parquet(tmp_path / "points.parquet")
    out = tmp_path / "out.parquet"
    asked = ("classify", tmp_path / "points.parquet", "-p", "maize", "-p", "lake")
    result = run(*asked, "--unknown-below", "1", "-o", out, "--json")
    assert result.exit_code == 0, result.stderr
    assert pq.read_table(out)["confidence"].null_count == len(wide_frame(maize_dn(3)))
    assert json.loads(result.stdout)["classes"][-1] == {
        "label": "unknown",
        "count": len(wide_frame(maize_dn(3))),
        "share": 1.0,
        "mean_confidence": None,
    }
    assert "nan" not in run(*asked, "--unknown-below", "1", "-o", out).stdout
    every = run(*asked, "--answer-all", "-o", out, "--json")
    assert json.loads(every.stdout)["unknown_share"] == 0.0
    assert described(out)["answer_all"] is True
    both = run(*asked, "--answer-all", "--unknown-below", "0.1")
    assert both.exit_code == 2
    assert "--answer-all" in both.stderr
    assert both.stderr.count("\n") == 1
