from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import (
    BandError,
    GridError,
    InputError,
    MissingExtraError,
    UnitsError,
)
from timesenclip.testing import random_cube, write_netcdf_cube, write_zarr_cube

from .cube_files import rewritten_netcdf


def test_the_classic_format_of_netcdf_reads_back_equal(tmp_path: Path) -> None:
    cube = random_cube((8, 12))
    for path in sorted(write_netcdf_cube(cube, tmp_path / "cube").glob("*.nc")):
        with xr.open_dataset(path, engine="h5netcdf", mask_and_scale=False) as dataset:
            old = dataset.load().map(lambda values: values.astype(np.int32) if values.dtype.kind == "u" else values)
        for values in old.variables.values():
            values.encoding = {}
            values.attrs = {name: value for name, value in values.attrs.items() if np.asarray(value).dtype.kind != "u"}
        path.unlink()
        old.to_netcdf(path, engine="scipy")
        assert path.read_bytes()[:3] == b"CDF"
    found = open_cube(tmp_path / "cube", dilate_px=0).read(every=None)
    assert np.array_equal(found.valid, cube.valid)
    assert np.allclose(found.reflectance, cube.reflectance, atol=1e-6)


def test_rows_that_run_north_are_turned(tmp_path: Path) -> None:
    folder = rewritten_netcdf(tmp_path, lambda d: d.isel(y=slice(None, None, -1)))
    found = open_cube(folder, dilate_px=0).read(every=None)
    assert np.allclose(found.reflectance, random_cube().reflectance, atol=1e-6)
    assert found.transform == random_cube().transform


def test_a_declared_fill_value_is_missing(tmp_path: Path) -> None:
    def fill(dataset):
        if "B04" in dataset:
            values = dataset["B04"].astype("int16")
            values[0, 0, 0] = 77
            dataset["B04"] = values.assign_attrs(_FillValue=np.int16(77))
        return dataset

    found = open_cube(rewritten_netcdf(tmp_path, fill), dilate_px=0).read(every=None, mask=False)
    assert np.array_equal(found.valid, random_cube().valid)
    assert found.band_valid is not None
    assert [tuple(at) for at in np.argwhere(found.valid[:, None] & ~found.band_valid)] == [(0, 2, 0, 0)]
    assert found.reflectance[0, 2, 0, 0] == 0
    assert found.reflectance[0, 1, 0, 0] > 0


def test_another_scale_is_refused(tmp_path: Path) -> None:
    def scale(dataset):
        for name in dataset.data_vars:
            dataset[name].attrs["scale_factor"] = 2.75e-5
        return dataset

    with pytest.raises(UnitsError, match=r"scaled by 2\.75e-05"):
        open_cube(rewritten_netcdf(tmp_path, scale))


def test_zarr_that_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_zarr_cube(random_cube(), tmp_path / "cube.zarr")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match=r"timesenclip\[zarr\]"):
        open_cube(folder)


@pytest.mark.parametrize("value", ["x", "", "\x1b[31m", np.array([], dtype="f8")])
@pytest.mark.parametrize("key", ["_FillValue", "missing_value", "scale_factor"])
def test_an_attribute_that_is_no_number_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    path = write_netcdf_cube(random_cube(), tmp_path / "cube")
    with h5py.File(path / "S2_10m.nc", "a") as opened:
        opened["B02"].attrs.pop(key, None)
        opened["B02"].attrs[key] = value
    with pytest.raises(InputError, match=r"S2_10m\.nc: B02 has .*; expected a number") as caught:
        open_cube(path)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("kind", ["the same", "NaN", "infinite", "text", "complex"])
def test_coordinates_that_are_no_regular_numbers_are_refused(kind: str, tmp_path: Path) -> None:
    def change(dataset: Any) -> Any:
        x = dataset.x.values
        made = {
            "the same": x * 0,
            "NaN": np.where(np.arange(len(x)) == 2, np.nan, x),
            "infinite": np.where(np.arange(len(x)) == 0, np.inf, x),
            "text": np.array([f"a{i}" for i in range(len(x))]),
            "complex": x + 1j,
        }
        return dataset.assign_coords(x=("x", made[kind]))

    with pytest.raises(GridError, match=r"'x' (holds|are the same)"):
        open_cube(rewritten_netcdf(tmp_path, change))


@pytest.mark.parametrize("value", ["ab", True, np.datetime64("2020-01-01", "ns"), 1j])
def test_a_band_that_holds_no_numbers_is_refused(value: Any, tmp_path: Path) -> None:
    def change(dataset: Any) -> Any:
        band = next(name for name in dataset.data_vars if str(name).startswith("B"))
        return dataset.assign({band: (dataset[band].dims, np.full(dataset[band].shape, value))})

    with pytest.raises(InputError, match=r"expected whole or real numbers|as netCDF"):
        open_cube(rewritten_netcdf(tmp_path, change))


def test_a_band_on_other_axes_than_the_coordinates_is_refused(tmp_path: Path) -> None:
    def change(dataset: Any) -> Any:
        return dataset.assign(B04=(("time", "a", "b"), dataset.B04.values)) if "B04" in dataset else dataset

    folder = rewritten_netcdf(tmp_path, change)
    with pytest.raises(GridError, match=r"S2_10m\.nc: B04 has the axes .*; expected time, y and x"):
        open_cube(folder)


def test_landsat_is_read_by_the_names_of_its_variables(tmp_path: Path) -> None:
    names = {"B02": "SR_B2", "B03": "SR_B3", "B04": "SR_B4", "B8A": "SR_B5", "B11": "SR_B6", "B12": "SR_B7"}

    def landsat(dataset):
        kept = dataset[[name for name in dataset.data_vars if name in names]]
        kept = kept.rename({name: names[name] for name in kept.data_vars})
        for name in kept.data_vars:  # numbers of Collection 2
            numbers = np.rint((kept[name].values / 1e4 + 0.2) / 2.75e-5)
            kept[name].values[:] = np.where(kept[name].values > 0, numbers, 0)
            kept[name].attrs["scale_factor"] = 2.75e-5
        return kept

    whole = random_cube()
    source = open_cube(rewritten_netcdf(tmp_path, landsat))
    found = source.read(every=None, mask=False)
    assert found.provenance["units"] == "landsat-c2"
    assert found.provenance["read_as"] == names
    there = [name in names for name in BAND_NAMES]
    assert np.array_equal(found.valid, whole.valid)
    assert np.allclose(found.reflectance[:, there], whole.reflectance[:, there], atol=2e-5)
    assert not found.reflectance[:, np.logical_not(there)].any()
    with pytest.raises(BandError, match=r"Unknown sensor 'landsta'.*Did you mean landsat"):
        open_cube(tmp_path / "cube", sensor="landsta")
