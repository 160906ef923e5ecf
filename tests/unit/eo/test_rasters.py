"""Only GeoTIFF and JPEG 2000 in regular files are opened."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import RasterioIOError

from timesenclip.eo.rasters import open_raster
from timesenclip.errors import InputError
from timesenclip.files import require_regular_file

PLACE = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500_000, 0, -10, 5_600_000)}
VRT = (
    '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
    '<SourceFilename relativeToVRT="0">{}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'
)


def written(path: Path, driver: str = "GTiff") -> Path:
    values = np.arange(64, dtype=np.uint16).reshape(1, 8, 8)
    lossless = {"QUALITY": "100", "REVERSIBLE": "YES"} if driver.startswith("JP2") else {}
    with rasterio.open(
        path, "w", driver=driver, width=8, height=8, count=1, dtype="uint16", **PLACE, **lossless
    ) as file:
        file.write(values)
    return path


@pytest.mark.parametrize(("name", "driver"), [("a.tif", "GTiff"), ("a.jp2", "JP2OpenJPEG"), ("cog.tif", "COG")])
def test_geotiff_cog_and_jpeg_2000_are_read(tmp_path: Path, name: str, driver: str) -> None:
    with open_raster(written(tmp_path / name, driver)) as raster:
        assert raster.read(1)[7, 7] == 63
        assert raster.crs.to_epsg() == 32631


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_vrt_is_not_opened_whatever_it_is_called(tmp_path: Path) -> None:
    secret = written(tmp_path / "secret.tif")
    for name in ("a.vrt", "a.tif"):
        (tmp_path / name).write_text(VRT.format(secret))
        with rasterio.open(tmp_path / name) as raster:
            assert raster.driver == "VRT"  # it would be
        with pytest.raises(RasterioIOError, match="not recognized"):
            open_raster(tmp_path / name)
    with pytest.raises(RasterioIOError):
        open_raster(VRT.format(secret))
    with pytest.raises(RasterioIOError, match="No such file"):
        open_raster(f"GTIFF_DIR:1:{secret}")


def test_pipes_and_folders_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    for path in (tmp_path / "pipe.tif", tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError, match="is no regular file"):
            open_raster(path)
    require_regular_file(tmp_path / "not there")
