from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.area import read_blocks
from timesenclip.eo.cube.open import open_cube, read_cube
from timesenclip.errors import (
    BandError,
    DataNotFoundError,
    DegradedInputWarning,
    GridError,
    InputError,
    MissingExtraError,
    NoClearObservationError,
    TimeError,
    UnitsError,
)
from timesenclip.testing import random_cube, write_geotiff_stack, write_netcdf_cube, write_zarr_cube

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


@pytest.mark.parametrize("write", WRITERS)
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


def test_lon_lat_are_those_of_pixel_centres() -> None:
    from pyproj import Transformer

    cube = random_cube((4, 6))
    series = cube.pixel_series()
    lon, lat = Transformer.from_crs(32631, 4326, always_xy=True).transform(500_000 + 15, 5_600_000 - 5)
    assert (series.lon_deg[1], series.lat_deg[1]) == pytest.approx((lon, lat))


def test_the_offset_is_removed_where_it_is_due(tmp_path: Path) -> None:
    cube = random_cube(cloudy=0)
    folder = write_netcdf_cube(cube, tmp_path / "cube")
    plain = read_cube(folder, every=None, provider="earth-search")
    late = read_cube(folder, every=None, provider="cdse", baseline="05.00")
    seen = plain.valid[:, None] & np.ones((1, 10, 1, 1), dtype=bool)
    assert np.allclose(late.reflectance[seen], np.maximum(plain.reflectance[seen] - 0.1, 0), atol=1e-6)
    assert np.array_equal(late.valid, plain.valid)
    assert late.provenance["offset_dn"] == 1000


def _netcdf(tmp_path: Path, change) -> Path:
    import xarray as xr

    folder = write_netcdf_cube(random_cube(), tmp_path / "cube")
    for name in ("S2_10m.nc", "S2_20m.nc"):
        with xr.open_dataset(folder / name, engine="h5netcdf", mask_and_scale=False) as dataset:
            changed = change(dataset.load())
        (folder / name).unlink()
        changed.to_netcdf(folder / name, engine="h5netcdf")
    return folder


def _without_crs(dataset):
    dataset = dataset.drop_vars("spatial_ref")
    for name in dataset.data_vars:
        dataset[name].attrs.clear()
    return dataset


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda d: d.drop_vars("B04", errors="ignore"), BandError, "missing band B04"),
        (_without_crs, GridError, "no CRS"),
        (lambda d: d.assign_coords(time=d.time.values[[0, 0, *range(2, 6)]]), TimeError, "more than once"),
        (lambda d: d.assign_coords(x=d.x + 5) if "SCL" in d else d, GridError, "does not nest"),
        (lambda d: d.isel(time=slice(1, None)) if "SCL" in d else d, TimeError, "other dates"),
        (lambda d: d.assign(SCL=d.SCL * 0 + 9) if "SCL" in d else d, NoClearObservationError, "no clear"),
    ],
)
def test_bad_cubes_are_named(change, error, match: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=match):
        read_cube(_netcdf(tmp_path, change))


def test_unsorted_dates_are_sorted_and_said(tmp_path: Path) -> None:
    folder = _netcdf(tmp_path, lambda d: d.isel(time=[3, 0, 5, 1, 4, 2]))
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


def test_a_period_without_images_says_which_there_are(tmp_path: Path) -> None:
    source = open_cube(write_netcdf_cube(random_cube(), tmp_path / "cube"))
    with pytest.raises(TimeError, match="6 images run from 2021-01-07"):
        source.read(period=1990)


def _crop(folder: Path, name: str, **index: slice) -> None:
    import xarray as xr

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


def test_rows_that_run_north_are_turned(tmp_path: Path) -> None:
    folder = _netcdf(tmp_path, lambda d: d.isel(y=slice(None, None, -1)))
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

    found = open_cube(_netcdf(tmp_path, fill), dilate_px=0).read(every=None, mask=False)
    assert found.valid[0].sum() == random_cube(cloudy=0).valid[0].sum() - 1 - (~random_cube().valid[0]).sum()
    assert not found.valid[0, 0, 0]


def test_another_scale_is_refused(tmp_path: Path) -> None:
    def scale(dataset):
        for name in dataset.data_vars:
            dataset[name].attrs["scale_factor"] = 2.75e-5
        return dataset

    with pytest.raises(UnitsError, match=r"scaled by 2\.75e-05"):
        open_cube(_netcdf(tmp_path, scale))


def test_float_cubes_are_reflectance_and_nan_is_missing(tmp_path: Path) -> None:
    cube = random_cube()
    folder = _netcdf(
        tmp_path, lambda d: d.map(lambda v: v if v.name == "SCL" else (v / 1e4).where(v > 0).assign_attrs(v.attrs))
    )
    found = open_cube(folder, dilate_px=0).read(every=None)
    assert found.provenance["units"] == "reflectance"
    assert np.array_equal(found.valid, cube.valid)
    assert np.allclose(found.reflectance, cube.reflectance, atol=1e-6)
    with pytest.raises(UnitsError, match="reflectance"):
        open_cube(folder, units="dn").read()


def test_a_cube_without_scl_says_once_that_clouds_stay(tmp_path: Path) -> None:
    source = open_cube(_netcdf(tmp_path, lambda d: d.drop_vars("SCL", errors="ignore")))
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


def test_each_date_has_its_baseline(tmp_path: Path) -> None:
    folder = _netcdf(tmp_path, lambda d: d.isel(time=[1, 0, 2, 3, 4, 5]))  # baselines are in the order of the file
    with pytest.warns(DegradedInputWarning, match="not sorted"):
        source = open_cube(folder, provider="cdse", baseline=["04.00", *["03.01"] * 5], dilate_px=0)
    assert source.offset_dn == (0, 1000, 0, 0, 0, 0)
    expected = np.maximum(random_cube().reflectance[1] - 0.1, 0)
    assert np.allclose(source.read(every=None).reflectance[1], expected, atol=1e-6)
    with pytest.raises(InputError, match="baseline is None"):
        open_cube(write_netcdf_cube(random_cube(), tmp_path / "other"), provider="cdse")


def _tiffs(tmp_path: Path) -> Path:
    return write_geotiff_stack(random_cube(), tmp_path / "tiffs")


def test_bad_geotiffs_are_named(tmp_path: Path) -> None:
    import rasterio

    folder = _tiffs(tmp_path)
    file = sorted(folder.glob("*_B04.tif"))[1]
    with rasterio.open(file, "r+") as raster:
        raster.transform = raster.transform @ rasterio.Affine.translation(3, 0)
    with pytest.raises(GridError, match=f"{file.name}.*another grid"):
        open_cube(folder).read()
    content = file.read_bytes()
    file.write_bytes(content[:60])
    with pytest.raises(DataNotFoundError, match=f"{file.name}.*cut short"):
        open_cube(folder).read()
    file.unlink()
    with pytest.raises(BandError, match="B04 is missing for 2021-01-27"):
        open_cube(folder)
    for left in folder.glob("*_B04.tif"):
        left.unlink()
    with pytest.raises(BandError, match="missing band B04"):
        open_cube(folder)


def test_geotiffs_without_crs_are_refused(tmp_path: Path) -> None:
    import rasterio

    folder = _tiffs(tmp_path)
    for file in folder.glob("*_B11.tif"):
        with rasterio.open(file) as raster:
            profile, values = raster.profile | {"crs": None}, raster.read()
        with rasterio.open(file, "w", **profile) as raster:
            raster.write(values)
    with pytest.raises(GridError, match="no CRS"):
        open_cube(folder)


def test_one_geotiff_a_date_with_named_bands(tmp_path: Path) -> None:
    import rasterio

    cube = random_cube(cloudy=0)
    for date, bands in zip(cube.start, np.round(cube.reflectance * 10_000).astype(np.uint16), strict=True):
        profile = {"driver": "GTiff", "count": 10, "height": 8, "width": 12, "dtype": "uint16", "crs": cube.crs}
        with rasterio.open(tmp_path / f"S2_{date}.tif", "w", transform=cube.transform, **profile) as raster:
            raster.write(bands)
            raster.descriptions = BAND_NAMES
    found = open_cube(tmp_path).read(every=None, mask=False)
    assert np.allclose(found.reflectance, cube.reflectance, atol=1e-6)


def test_baselines_in_the_names_of_esa_products_are_used(tmp_path: Path) -> None:
    folder = _tiffs(tmp_path)
    for file in list(folder.iterdir()):
        baseline = "N0400" if file.name.startswith("2021-01-07") else "N0301"
        file.rename(folder / f"S2A_MSIL2A_{baseline}_R051_{file.name}")
    assert open_cube(folder, provider="cdse").offset_dn == (1000, 0, 0, 0, 0, 0)
    assert open_cube(folder, provider="cdse", baseline="03.01").offset_dn == 0


def test_zarr_that_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_zarr_cube(random_cube(), tmp_path / "cube.zarr")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match=r"timesenclip\[zarr\]"):
        open_cube(folder)
