from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine

from timesenclip.eo.area import read_blocks
from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import (
    GridError,
)
from timesenclip.grid import Window
from timesenclip.testing import random_cube, write_geotiff_stack, write_netcdf_cube


def _crop(folder: Path, name: str, **index: slice) -> None:

    with xr.open_dataset(folder / name, engine="h5netcdf", mask_and_scale=False) as dataset:
        small = dataset.isel(index).load()
    (folder / name).unlink()
    small.to_netcdf(folder / name, engine="h5netcdf")


def test_coarse_bands_are_placed_by_coordinates(tmp_path: Path) -> None:
    """The 10 m file begins in the middle of a 20 m pixel; the 20 m file covers more on one side, less on the other."""
    full = write_netcdf_cube(random_cube((12, 16)), tmp_path / "full")
    whole = open_cube(full).read(every=None)
    part = write_netcdf_cube(random_cube((12, 16)), tmp_path / "part")
    _crop(part, "S2_10m.nc", y=slice(3, 11), x=slice(1, 16))
    source = open_cube(part)
    found = source.read(every=None)
    assert found.shape == (8, 15)
    assert found.transform == Affine(10.0, 0.0, 500_010.0, 0.0, -10.0, 5_599_970.0)
    assert np.array_equal(found.valid, whole.valid[:, 3:11, 1:16])
    assert np.array_equal(found.reflectance, whole.reflectance[..., 3:11, 1:16])
    for window, piece in read_blocks(source, 5, every=None):
        assert np.array_equal(piece.valid, found.valid[:, window[0] : window[1], window[2] : window[3]])
    _crop(part, "S2_20m.nc", x=slice(0, 4))
    assert not open_cube(part).read(every=None).valid[:, :, 7:].any()
    _crop(part, "S2_20m.nc", y=slice(0, 2), x=slice(0, 2))
    _crop(part, "S2_10m.nc", x=slice(8, None))
    with pytest.raises(GridError, match="lies beside"):
        open_cube(part)


def test_dates_that_do_not_have_a_band_are_not_seen(tmp_path: Path) -> None:
    layer = open_cube(write_geotiff_stack(random_cube(cloudy=0), tmp_path / "cube")).layers["B04"]
    part = replace(layer, absent=np.arange(6) == 2)
    _, seen = part.read(np.arange(6), Window(0, 4, 0, 4))
    assert seen.all(axis=(1, 2)).tolist() == [True, True, False, True, True, True]
    turned = part.reordered(np.arange(6)[::-1])
    _, seen = turned.read(np.arange(6), Window(0, 4, 0, 4))
    assert seen.all(axis=(1, 2)).tolist() == [True, True, True, False, True, True]
    assert turned.lacking(np.array([3, 2])).tolist() == [True, False]
    assert not layer.lacking(np.arange(6)).any()
