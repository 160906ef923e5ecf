"""Small files of the real formats, and the command line as a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pyproj import CRS
from typer.testing import CliRunner, Result

from timesenclip.bands import BAND_NAMES, BANDS, SCL_NAME
from timesenclip.cli.commands import app

MONTHS = pd.date_range("2020-01-01", periods=12, freq="MS")

# A maize field in DN: bare in spring, green in July, in the order of BAND_NAMES.
_BARE = np.array([700, 900, 1100, 1300, 1500, 1700, 1900, 2100, 2900, 2400])
_GREEN = np.array([350, 650, 400, 950, 2600, 3300, 3500, 3700, 1900, 900])


def maize_dn(count: int, *, seed: int = 0) -> np.ndarray:
    """(N, 12, 10) uint16 DN."""
    green = np.clip(np.sin((np.arange(12) - 3.5) / 6.5 * np.pi), 0, 1)[:, None]
    year = _BARE * (1 - green) + _GREEN * green
    return np.random.default_rng(seed).normal(year, 0.03 * year, (count, 12, 10)).astype(np.uint16)


def wide_frame(dn: np.ndarray) -> pd.DataFrame:
    """A WorldCereal-like wide table: a row per series, a column per band and step."""
    columns = {
        f"OPTICAL-{band.name}-ts{t}-{band.resolution_m}m": dn[:, t, c]
        for t in range(dn.shape[1])
        for c, band in enumerate(BANDS)
    }
    n = len(dn)
    place = {"sample_id": [f"field-{i}" for i in range(n)], "lat": 50.0 + np.arange(n) * 1e-4, "lon": np.full(n, 3.0)}
    return pd.DataFrame(place | {"start_date": "2020-01-01"} | columns)


def long_frame(dn: np.ndarray) -> pd.DataFrame:
    """A WorldCereal-like long table: a row per series and date."""
    n, t, _ = dn.shape
    frame = pd.DataFrame(dn.reshape(n * t, -1), columns=[f"S2-L2A-{name}" for name in BAND_NAMES])
    frame.insert(0, "sample_id", np.repeat([f"field-{i}" for i in range(n)], t))
    frame.insert(1, "timestamp", np.tile(MONTHS, n))
    return frame.assign(lat=50.0, lon=3.0)


def cube_dataset(size: int = 4) -> xr.Dataset:
    """A cube of one maize field on a 10 m grid, in DN, with SCL and a CRS."""
    dn = maize_dn(size * size).reshape(size, size, 12, 10).transpose(3, 2, 0, 1)  # (C, T, Y, X)
    dims = ("timestamp", "y", "x")
    data = {name: (dims, dn[c], {"grid_mapping": "spatial_ref"}) for c, name in enumerate(BAND_NAMES)}
    data[SCL_NAME] = (dims, np.full(dn.shape[1:], 4, dtype=np.uint8), {"grid_mapping": "spatial_ref"})
    x, y = 501_365.0 + 10 * np.arange(size), 5_629_675.0 - 10 * np.arange(size)
    dataset = xr.Dataset(data, coords={"timestamp": MONTHS + pd.Timedelta(days=14), "y": y, "x": x})
    wkt = CRS.from_epsg(32631).to_wkt()
    return dataset.assign_coords(spatial_ref=((), 0, {"crs_wkt": wkt, "spatial_ref": wkt}))


def as_json(facts: Any) -> Any:
    """Facts of the library as `--json` gives them: what is not finite is null."""
    if isinstance(facts, dict):
        return {key: as_json(value) for key, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [as_json(value) for value in facts]
    return None if isinstance(facts, float) and not np.isfinite(facts) else facts


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """The COGs of `stac_world`, for one module."""
    from .stac_world import write_world

    root = tmp_path_factory.mktemp("world")
    write_world(root)
    return root


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """Run a command line in this process: `run("classify", path, "--json")`."""

    def call(*args: object) -> Result:
        return CliRunner().invoke(app, [str(arg) for arg in args], prog_name="timesenclip")

    return call


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """A wide table of three maize fields."""
    path = tmp_path / "points.parquet"
    wide_frame(maize_dn(3)).to_parquet(path)
    return path


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    """A netCDF cube of one maize field."""
    path = tmp_path / "cube.nc"
    cube_dataset().to_netcdf(path, engine="h5netcdf")
    return path
