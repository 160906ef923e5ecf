from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip.bands import BAND_NAMES, BANDS, band_index
from timesenclip.eo.cube.open import open_cube
from timesenclip.errors import (
    BandError,
    DataNotFoundError,
    DegradedInputWarning,
    GridError,
)
from timesenclip.testing import random_cube, write_geotiff_stack


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
    for left in folder.glob("*_B*.tif"):
        left.unlink()
    with pytest.raises(BandError, match="has no known band"):
        open_cube(folder)


def test_a_band_that_a_date_does_not_have_is_missing_there_and_nowhere_else(tmp_path: Path) -> None:
    folder = _tiffs(tmp_path)
    whole = open_cube(folder, dilate_px=0).read(every=None)
    for name in ("B04", "B11"):
        (folder / f"2021-01-27_{name}.tif").unlink()
    with pytest.warns(DegradedInputWarning, match="1 of 6 dates lack bands.*2021-01-27 has no B04, B11"):
        source = open_cube(folder, dilate_px=0)
    found = source.read(every=None)
    expected = np.ones((6, 10), dtype=bool)
    expected[1, [band_index("B04"), band_index("B11")]] = False
    assert np.array_equal(found.valid, whole.valid)
    assert found.band_valid is not None
    for t, c in np.ndindex(6, 10):
        assert (found.band_valid[t, c][found.valid[t]] == expected[t, c]).all()
    assert np.array_equal(found.reflectance, whole.reflectance * expected[:, :, None, None])
    assert source.bands_there() == BAND_NAMES
    assert source.bands_there("2021-01-20..2021-01-30") == tuple(n for n in BAND_NAMES if n not in ("B04", "B11"))
    assert found.provenance["dates_without"] == {"2021-01-27": ["B04", "B11"]}
    assert source.identity != open_cube(_tiffs(tmp_path / "other")).identity


def test_dates_may_have_nothing_in_common_but_their_grid(tmp_path: Path) -> None:
    folder = _tiffs(tmp_path)
    whole = open_cube(folder, dilate_px=0).read(every="year")
    for i, date in enumerate(random_cube().start):  # 10 m on even dates, 20 m on odd ones
        for band in BANDS:
            if (band.resolution_m == 10) != (i % 2 == 0):
                (folder / f"{date}_{band.name}.tif").unlink()
    with pytest.warns(DegradedInputWarning, match="6 of 6 dates lack bands"):
        found = open_cube(folder, dilate_px=0).read(every="year")
    assert np.array_equal(found.valid, whole.valid)
    assert found.observations is not None
    assert np.array_equal(found.observations, whole.observations)
    assert not np.array_equal(found.reflectance, whole.reflectance)


def test_a_date_without_scl_is_left_out_where_others_have_it(tmp_path: Path) -> None:
    folder = _tiffs(tmp_path)
    (folder / "2021-01-27_SCL.tif").unlink()
    with pytest.warns(DegradedInputWarning, match="SCL is missing for 2021-01-27; .* left out"):
        source = open_cube(folder, dilate_px=0)
    assert not source.read(every=None).valid[1].any()
    assert source.read(every=None, mask=False).valid[1].any()


@pytest.mark.parametrize(
    ("kind", "match"), [("complex64", "expected whole or real numbers"), ("float32", "in one type")]
)
def test_a_date_of_another_type_than_the_first_is_refused(kind: str, match: str, tmp_path: Path) -> None:
    import rasterio

    folder = _tiffs(tmp_path)
    file = sorted(folder.glob("*_B04.tif"))[1]
    with rasterio.open(file) as raster:
        profile, values = raster.profile | {"dtype": kind}, raster.read()
    with rasterio.open(file, "w", **profile) as raster:
        raster.write(values.astype(kind))
    with pytest.raises(BandError, match=f"{file.name}.*{match}"):
        open_cube(folder).read()


@pytest.mark.parametrize("text", [b"<VRTDataset></VRTDataset>", b"<?xml version='1.0'?><x/>", b"date,b02\n1,2\n", b""])
def test_a_text_under_the_name_of_a_geotiff_is_refused(text: bytes, tmp_path: Path) -> None:
    folder = _tiffs(tmp_path)
    file = sorted(folder.glob("*_B04.tif"))[0]
    file.write_bytes(text)
    with pytest.raises(DataNotFoundError, match=f"Cannot read '.*{file.name}'") as caught:
        open_cube(folder).read()
    assert "\n" not in str(caught.value)


def test_an_image_placed_by_control_points_alone_is_refused(tmp_path: Path) -> None:
    import rasterio
    from rasterio.control import GroundControlPoint

    folder = _tiffs(tmp_path)
    points = [GroundControlPoint(row, col, 5e5 + 10 * col, 5.6e6 - 10 * row) for row, col in ((0, 0), (0, 8), (8, 0))]
    for file in folder.glob("*_B04.tif"):
        with rasterio.open(file) as raster:
            profile, values = raster.profile, raster.read()
        del profile["transform"], profile["crs"]
        file.unlink()
        with rasterio.open(file, "w", **profile, gcps=points, crs="EPSG:32631") as raster:
            raster.write(values)
    with pytest.raises(GridError, match="is rotated or not north-up"):
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


LANDSAT = {"B02": "2", "B03": "3", "B04": "4", "B8A": "5", "B11": "6", "B12": "7"}


def _renamed(tmp_path: Path, name: str) -> Path:
    """The bands of Landsat alone, under names of Landsat."""
    folder = _tiffs(tmp_path)
    for file in list(folder.iterdir()):
        day, band = file.stem.split("_")
        if band in LANDSAT:
            count = (np.datetime64(day) - np.datetime64(day[:4])).astype(int) + 1
            file.rename(folder / name.format(day=day.replace("-", ""), number=LANDSAT[band], count=count))
        else:
            file.unlink()
    return folder


@pytest.mark.parametrize(
    ("name", "sensor", "found"),
    [
        ("HLS.L30.T31UFS.2021{count:03d}T103631.v2.0.B0{number}.tif", "auto", "hls-l30"),
        ("LC08_L2SP_198024_{day}_20210517_02_T1_SR_B{number}.TIF", "auto", "landsat"),
        ("{day}_B{number}.tif", "hls-l30", "hls-l30"),
    ],
)
def test_landsat_is_read_by_its_own_names(name: str, sensor: str, found: str, tmp_path: Path) -> None:
    whole = open_cube(_tiffs(tmp_path / "whole"), dilate_px=0).read(every=None, mask=False)
    source = open_cube(_renamed(tmp_path, name), sensor=sensor)
    cube = source.read(every=None, mask=False)
    assert source.sensor.name == cube.provenance["sensor"] == found
    assert source.bands_there() == tuple(LANDSAT)
    there = [name in LANDSAT for name in BAND_NAMES]
    assert np.array_equal(cube.start, whole.start)
    assert np.array_equal(cube.reflectance[:, there], whole.reflectance[:, there])


def test_names_that_may_be_of_two_sensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BandError, match=r"B05, B06, B07 may be red edge of Sentinel-2, or .* Say --sensor"):
        open_cube(_renamed(tmp_path, "{day}_B{number}.tif"))
    folder = _renamed(tmp_path / "both", "HLS.L30.T31UFS.2021{count:03d}T103631.v2.0.B0{number}.tif")
    one = next(folder.iterdir())
    one.rename(folder / one.name.replace("L30", "S30"))
    with pytest.raises(BandError, match="both HLS L30 and S30"):
        open_cube(folder)
