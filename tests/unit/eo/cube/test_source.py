from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES, BAND_SETS, SENSORS
from timesenclip.eo.area import read_blocks
from timesenclip.eo.cube.open import open_cube, read_cube
from timesenclip.eo.cube.source import CubeSource
from timesenclip.errors import (
    DegradedInputWarning,
    InputError,
    TimeError,
    UnitsError,
)
from timesenclip.testing import random_cube, write_geotiff_stack, write_netcdf_cube, write_zarr_cube

from .cube_files import rewritten_netcdf


@pytest.mark.parametrize("write", [write_netcdf_cube, write_zarr_cube, write_geotiff_stack])
def test_blocks_are_the_whole_with_clouds_growing_across_edges(write, tmp_path: Path) -> None:
    source = open_cube(write(random_cube((20, 26), cloudy=0.1), tmp_path / "cube"), dilate_px=1)
    whole = source.read()
    for window, piece in read_blocks(source, 7):
        box = np.s_[:, window[0] : window[1], window[2] : window[3]]
        assert np.array_equal(piece.valid, whole.valid[box])
        assert np.array_equal(piece.reflectance, whole.reflectance[(slice(None), *box)])
        assert piece.transform[2] == whole.transform[2] + 10 * window[2]
        assert piece.transform[5] == whole.transform[5] - 10 * window[0]
    assert (~whole.valid).sum() > (~source.read(mask=False).valid).sum()


def test_a_period_without_images_says_which_there_are(tmp_path: Path) -> None:
    source = open_cube(write_netcdf_cube(random_cube(), tmp_path / "cube"))
    with pytest.raises(TimeError, match="6 images run from 2021-01-07"):
        source.read(period=1990)


def test_float_cubes_are_reflectance_and_nan_is_missing(tmp_path: Path) -> None:
    cube = random_cube()
    folder = rewritten_netcdf(
        tmp_path, lambda d: d.map(lambda v: v if v.name == "SCL" else (v / 1e4).where(v > 0).assign_attrs(v.attrs))
    )
    found = open_cube(folder, dilate_px=0).read(every=None)
    assert found.provenance["units"] == "reflectance"
    assert np.array_equal(found.valid, cube.valid)
    assert np.allclose(found.reflectance, cube.reflectance, atol=1e-6)
    with pytest.raises(UnitsError, match="reflectance"):
        open_cube(folder, units="dn").read()


def test_a_cube_without_scl_says_once_that_clouds_stay(tmp_path: Path) -> None:
    source = open_cube(rewritten_netcdf(tmp_path, lambda d: d.drop_vars("SCL", errors="ignore")))
    with pytest.warns(DegradedInputWarning, match="clouds are not masked") as said:
        pieces = list(read_blocks(source, 4))
    assert len(said) == 1
    assert pieces[0][1].provenance["mask"] == "none"
    source.read(mask=False)  # silent: it was asked for


def test_a_window_is_that_part_and_must_be_inside(tmp_path: Path) -> None:
    folder = write_netcdf_cube(random_cube(), tmp_path / "cube")
    part, whole = read_cube(folder, window=(2, 7, 3, 9)), read_cube(folder)
    assert np.array_equal(part.reflectance, whole.reflectance[..., 2:7, 3:9])
    for window in ((0, 9, 0, 4), (-1, 4, 0, 4), (3, 3, 0, 4)):
        with pytest.raises(InputError, match="is not inside the 8 x 12 pixels"):
            read_cube(folder, window=window)


@pytest.mark.parametrize("offset", [0, 1000, "dates"])
def test_a_cube_is_read_with_the_same_bits_either_way(
    kernel: str, offset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube = random_cube((20, 26), dates=40, cloudy=0.05)
    source = open_cube(write_netcdf_cube(cube, tmp_path / "cube"))
    dates = len(source.dates)
    offsets = tuple(1000 * (i % 2) for i in range(dates)) if offset == "dates" else offset
    object.__setattr__(source, "offset_dn", offsets)
    quick = source.read((3, 17, 5, 21), every="quarter")
    assert source._whole_numbers
    monkeypatch.setattr(CubeSource, "_whole_numbers", False)
    slow = source.read((3, 17, 5, 21), every="quarter")
    assert np.array_equal(quick.reflectance, slow.reflectance)
    assert np.array_equal(quick.valid, slow.valid)
    assert quick.observations is not None
    assert slow.observations is not None
    assert np.array_equal(quick.observations, slow.observations)
    assert quick.provenance == slow.provenance
    assert quick.transform == slow.transform
    assert (quick.observations > 1).any()


@pytest.mark.parametrize("write", [write_netcdf_cube, write_zarr_cube, write_geotiff_stack])
@pytest.mark.parametrize("bands", [BAND_SETS["10m"], BAND_SETS["rgb"], SENSORS["landsat"]])
def test_a_cube_of_some_bands_is_read_as_it_is(write: Any, bands: tuple[str, ...], tmp_path: Path) -> None:
    whole = open_cube(write(random_cube((20, 26), cloudy=0.1), tmp_path / "cube"))
    source = replace(whole, layers={name: whole.layers[name] for name in (*bands, "SCL")})
    there = np.array([name in bands for name in BAND_NAMES])
    assert set(source.bands_there()) == set(bands)
    for every in (None, "month"):
        expected, found = whole.read(every=every), source.read(every=every)
        assert np.array_equal(found.valid, expected.valid)
        assert np.array_equal(found.reflectance, expected.reflectance * there[:, None, None])
        assert found.band_valid is not None
        assert found.band_valid.strides[0] == found.band_valid.strides[2] == found.band_valid.strides[3] == 0
        assert np.array_equal(found.band_valid[0, :, 0, 0], there)
        assert set(found.provenance["bands"]) == set(bands)
    assert found.observations is not None
    assert np.array_equal(found.observations, whole.read().observations)


def test_bands_that_single_pixels_lack_do_not_depend_on_the_block(tmp_path: Path, monkeypatch: Any) -> None:
    def hole(dataset: Any) -> Any:
        if "B11" in dataset:
            dataset["B11"].values[:, 1:3, 2:5] = 0  # no data
            dataset["B12"].values[:2] = 0
        return dataset

    source = open_cube(rewritten_netcdf(tmp_path, hole), dilate_px=0)
    for every in (None, "month", "quarter"):
        whole = source.read(every=every)
        assert whole.band_valid is not None
        for budget in (256 << 20, 2000):  # in one piece, and in many
            monkeypatch.setattr("timesenclip.eo.cube.strips.BUDGET_BYTES", budget)
            for window, piece in read_blocks(source, 5, every=every):
                box = np.s_[:, :, window[0] : window[1], window[2] : window[3]]
                assert np.array_equal(piece.reflectance, whole.reflectance[box])
                valid = piece.valid[:, None]
                told = np.ones(piece.reflectance.shape, bool) if piece.band_valid is None else piece.band_valid
                assert np.array_equal(told & valid, whole.band_valid[box] & valid)
    assert not whole.reflectance[~(whole.valid[:, None] & whole.band_valid)].any()


def test_float_cubes_may_lack_bands_at_some_dates(tmp_path: Path) -> None:
    def reflectance(dataset: Any) -> Any:
        found = dataset.map(lambda v: v if v.name == "SCL" else (v / 1e4).where(v > 0).assign_attrs(v.attrs))
        if "B05" in found:
            found["B05"].values[2] = np.nan
        return found

    cube = random_cube()
    found = open_cube(rewritten_netcdf(tmp_path, reflectance), dilate_px=0).read(every=None)
    assert np.array_equal(found.valid, cube.valid)
    assert found.band_valid is not None
    assert not found.band_valid[2, 3].any()
    assert not found.reflectance[2, 3].any()
    assert np.allclose(found.reflectance[2, 4], cube.reflectance[2, 4], atol=1e-6)
