from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
