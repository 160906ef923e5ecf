from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.cube.open import open_cube, read_cube
from timesenclip.errors import (
    BandError,
    DataNotFoundError,
    DegradedInputWarning,
    GridError,
    InputError,
    NoClearObservationError,
    TimeError,
)
from timesenclip.testing import random_cube, write_geotiff_stack, write_netcdf_cube, write_zarr_cube

from .cube_files import rewritten_netcdf

WRITERS = [write_netcdf_cube, write_zarr_cube, write_geotiff_stack]


@pytest.mark.parametrize("write", WRITERS)
def test_every_format_reads_back_equal(write, tmp_path: Path) -> None:
    cube = random_cube((8, 12))
    source = open_cube(write(cube, tmp_path / "cube"), dilate_px=0)
    found = source.read(every=None)
    assert np.array_equal(found.valid, cube.valid)
    assert np.allclose(found.reflectance, cube.reflectance, atol=1e-6)
    assert found.crs == cube.crs
    assert found.transform == pytest.approx(cube.transform)
    assert np.array_equal(found.start, cube.start)


def test_the_offset_is_removed_where_it_is_due(tmp_path: Path) -> None:
    cube = random_cube(cloudy=0)
    folder = write_netcdf_cube(cube, tmp_path / "cube")
    plain = read_cube(folder, every=None, provider="earth-search")
    late = read_cube(folder, every=None, provider="cdse", baseline="05.00")
    seen = plain.valid[:, None] & np.ones((1, 10, 1, 1), dtype=bool)
    assert np.allclose(late.reflectance[seen], np.maximum(plain.reflectance[seen] - 0.1, 0), atol=1e-6)
    assert np.array_equal(late.valid, plain.valid)
    assert late.provenance["offset_dn"] == 1000


def _without_crs(dataset):
    dataset = dataset.drop_vars("spatial_ref")
    for name in dataset.data_vars:
        dataset[name].attrs.clear()
    return dataset


def _later(dataset, days: int):
    """The dates so many days later, as numbers."""
    numbers = (dataset.time.values - np.datetime64("1970-01-01")).astype("timedelta64[D]").astype(int) + days
    return ("time", numbers, {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian"})


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda d: d.drop_vars([*BAND_NAMES], errors="ignore"), BandError, "has no known band; expected at least one"),
        (lambda d: d.assign_coords(time=_later(d, -40_000)), TimeError, r"the date .*expected years 1972 to 2100"),
        (_without_crs, GridError, "no CRS"),
        (lambda d: d.assign_coords(time=d.time.values[[0, 0, *range(2, 6)]]), TimeError, "more than once"),
        (lambda d: d.assign_coords(x=d.x + 5) if "SCL" in d else d, GridError, "does not nest"),
        (lambda d: d.isel(time=slice(1, None)) if "SCL" in d else d, TimeError, "other dates"),
        (lambda d: d.assign(SCL=d.SCL * 0 + 9) if "SCL" in d else d, NoClearObservationError, "no clear"),
    ],
)
def test_bad_cubes_are_named(change, error, match: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=match):
        read_cube(rewritten_netcdf(tmp_path, change))


def test_unsorted_dates_are_sorted_and_said(tmp_path: Path) -> None:
    folder = rewritten_netcdf(tmp_path, lambda d: d.isel(time=[3, 0, 5, 1, 4, 2]))
    with pytest.warns(DegradedInputWarning, match="not sorted"):
        source = open_cube(folder, dilate_px=0)
    assert np.allclose(source.read(every=None).reflectance, random_cube().reflectance, atol=1e-6)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="Nothing at"):
        open_cube(tmp_path / "nothing")
    folder = write_netcdf_cube(random_cube(), tmp_path / "cube")
    content = (folder / "S2_20m.nc").read_bytes()
    (folder / "S2_20m.nc").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataNotFoundError, match="cut short"):
        open_cube(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataNotFoundError, match="holds no netCDF"):
        open_cube(tmp_path / "empty")


def test_each_date_has_its_baseline(tmp_path: Path) -> None:
    folder = rewritten_netcdf(
        tmp_path, lambda d: d.isel(time=[1, 0, 2, 3, 4, 5])
    )  # baselines are in the order of the file
    with pytest.warns(DegradedInputWarning, match="not sorted"):
        source = open_cube(folder, provider="cdse", baseline=["04.00", *["03.01"] * 5], dilate_px=0)
    assert source.offset_dn == (0, 1000, 0, 0, 0, 0)
    expected = np.maximum(random_cube().reflectance[1] - 0.1, 0)
    assert np.allclose(source.read(every=None).reflectance[1], expected, atol=1e-6)
    with pytest.raises(InputError, match="baseline is None"):
        open_cube(write_netcdf_cube(random_cube(), tmp_path / "other"), provider="cdse")
