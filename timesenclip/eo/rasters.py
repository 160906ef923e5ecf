"""The one way in which a raster of somebody else is opened: regular files, GeoTIFF and JPEG 2000 only.

GDAL reads many formats by content, whatever a file is called, and some of them (VRT, WMS, GDALG) name further files and
addresses that it then reads. With a list of drivers these are not tried.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from timesenclip.files import require_regular_file

__all__ = ["RASTER_DRIVERS", "open_raster"]

RASTER_DRIVERS = ("GTiff", "JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JP2Lura")
"""GDAL's drivers that may open a raster. COG files are GTiff; rasterio's wheels have only JP2OpenJPEG for JPEG 2000,
other builds of GDAL have one of the others, and names that are not there are ignored."""


def open_raster(path: str | Path) -> Any:
    """Open a raster for reading, as a rasterio dataset.

    Args:
        path: of a file, or GDAL's name of a remote one (`/vsicurl/...`).

    Raises:
        InputError: a path of this machine that is no regular file: a pipe would wait for ever.
        rasterio.errors.RasterioIOError: it is not there, or no GeoTIFF and no JPEG 2000.
    """
    from rasterio.env import ensure_env_with_credentials

    text = str(path)
    if not text.startswith("/vsi"):
        require_regular_file(Path(text))
        text = str(Path(text).absolute())  # `NETCDF:x` is then a file name, not a driver
    return ensure_env_with_credentials(_open)(text)


def _open(path: str) -> Any:
    """As `rasterio.open`, which takes one driver only, while the class behind it takes a list."""
    from rasterio.io import DatasetReader

    return DatasetReader(path, driver=list(RASTER_DRIVERS))
