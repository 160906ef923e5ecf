"""Cubes on disk with something changed in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from timesenclip.testing import random_cube, write_netcdf_cube


def rewritten_netcdf(tmp_path: Path, change: Callable[[Any], Any]) -> Path:
    """A cube as two netCDF files, each of them changed."""
    folder = write_netcdf_cube(random_cube(), tmp_path / "cube")
    for name in ("S2_10m.nc", "S2_20m.nc"):
        with xr.open_dataset(folder / name, engine="h5netcdf", mask_and_scale=False) as dataset:
            changed = change(dataset.load())
        (folder / name).unlink()
        changed.to_netcdf(folder / name, engine="h5netcdf")
    return folder
