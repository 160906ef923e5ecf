"""Small files for tests: random values are what they claim, and every reader finds what its writer wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import timesenclip.testing as testing
from timesenclip.eo.cube.open import read_cube
from timesenclip.eo.points.read import read_points
from timesenclip.series import Cube
from timesenclip.testing import (
    random_cube,
    random_series,
    write_geotiff_stack,
    write_long_table,
    write_netcdf_cube,
    write_wide_table,
    write_zarr_cube,
)


def test_random_series_are_repeated_by_their_seed() -> None:
    one, same, other = random_series(4), random_series(4), random_series(4, seed=1)
    assert np.array_equal(one.reflectance, same.reflectance)
    assert np.array_equal(one.valid, same.valid)
    assert not np.array_equal(one.reflectance, other.reflectance)


def test_random_series_are_monthly_and_seen_in_january() -> None:
    series = random_series(50, missing=0.5, year=2019)
    assert series.valid.shape == (50, 12)
    assert series.valid[:, 0].all()
    assert 0.4 < 1 - series.valid[:, 1:].mean() < 0.6
    assert random_series(5, missing=0.0).valid.all()
    assert str(series.start[0, 0]).startswith("2019-01-01")
    seen = series.reflectance[series.valid]
    assert ((seen > 0) & (seen < 1)).all()


def test_a_random_cube_is_constant_in_blocks_of_20_m() -> None:
    cube = random_cube((8, 12), dates=6, cloudy=0.3)
    assert cube.reflectance.shape == (6, 10, 8, 12)
    for values in (cube.reflectance, cube.valid):
        assert np.array_equal(values[..., ::2, ::2], values[..., 1::2, 1::2])
    assert 0.1 < 1 - cube.valid.mean() < 0.5
    assert random_cube(cloudy=0.0).valid.all()
    assert np.array_equal(np.diff(cube.start), np.full(5, np.timedelta64(20, "D")))


@pytest.mark.parametrize("name", ["points.parquet", "below/points.csv"])
@pytest.mark.parametrize("write", [write_wide_table, write_long_table])
def test_a_table_is_read_as_it_was_written(write: Callable[..., Path], name: str, tmp_path: Path) -> None:
    series = random_series(5, seed=2)
    path = write(series, tmp_path / name)
    assert path == tmp_path / name
    found = read_points(path)
    assert found.sample_id == series.sample_id
    assert np.array_equal(found.valid, series.valid)
    assert np.allclose(found.reflectance[series.valid], series.reflectance[series.valid], atol=1e-6)
    assert np.allclose(found.lon_deg, series.lon_deg)
    assert np.allclose(found.lat_deg, series.lat_deg)


def test_a_missing_month_is_65535_in_a_table(tmp_path: Path) -> None:
    series = random_series(5, missing=0.5)
    frame = pd.read_parquet(write_wide_table(series, tmp_path / "p.parquet"))
    for step in range(12):
        assert (frame[f"OPTICAL-B04-ts{step}-10m"] == 65535).tolist() == (~series.valid[:, step]).tolist()


@pytest.mark.parametrize("write", [write_netcdf_cube, write_zarr_cube, write_geotiff_stack])
def test_a_cube_is_read_as_it_was_written(write: Callable[[Cube, Path], Path], tmp_path: Path) -> None:
    cube = random_cube((8, 12), cloudy=0.3)
    path = write(cube, tmp_path / ("cube.zarr" if write is write_zarr_cube else "cube"))
    found = read_cube(path, every=None, dilate_px=0)
    assert np.array_equal(found.valid, cube.valid)
    seen = np.broadcast_to(cube.valid[:, None], cube.reflectance.shape)
    assert np.allclose(found.reflectance[seen], cube.reflectance[seen], atol=1e-6)
    assert (found.crs, found.transform) == (cube.crs, cube.transform)
    assert found.start.astype("datetime64[D]").tolist() == cube.start.astype("datetime64[D]").tolist()


def test_every_public_name_is_there() -> None:
    assert all(callable(getattr(testing, name)) for name in testing.__all__)
    assert {name for name in vars(testing) if name.startswith(("write_", "random_"))} == set(testing.__all__)
