"""One scene as files: ten bands and SCL in UTM zone 31, 10 and 20 m, with known digital numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from timesenclip.bands import BANDS, SCL_NAME
from timesenclip.eo.radiometry import OffsetDecision
from timesenclip.eo.stac.items import Scene
from timesenclip.grid import Grid

SIDE = 24
GRID = Grid(500_000.0, 5_600_000.0, 10.0, -10.0, (SIDE, SIDE))
EPSG = 32631
CLOUDY = (slice(4, 8), slice(4, 8))
"""Rows and columns of SCL (20 m) that are cloud."""


def pixels_of_scene(seed: int = 0) -> dict[str, NDArray[np.uint16]]:
    """DN of each band at its own resolution, all above 1000, and SCL."""
    rng = np.random.default_rng(seed)
    found = {
        band.name: rng.integers(1100, 4000, (SIDE * 10 // band.resolution_m,) * 2, dtype=np.uint16) for band in BANDS
    }
    found[SCL_NAME] = np.full((SIDE // 2, SIDE // 2), 4, dtype=np.uint16)
    found[SCL_NAME][CLOUDY] = 9
    return found


def write_scene(folder: Path, pixels: dict[str, NDArray[np.uint16]], *, offset_dn: int = 1000, day: str) -> Scene:
    """Write a scene's files, and give the scene."""
    folder.mkdir(parents=True)
    for name, values in pixels.items():
        pixel_m = SIDE * 10 / len(values)
        with rasterio.open(
            folder / f"{name}.tif",
            "w",
            driver="GTiff",
            height=len(values),
            width=len(values),
            count=1,
            dtype="uint16",
            nodata=0,
            crs=f"EPSG:{EPSG}",
            transform=Affine(pixel_m, 0, GRID.x0, 0, -pixel_m, GRID.y0),
        ) as file:
            file.write(values, 1)
    return Scene(
        id=folder.name,
        tile="31UFS",
        platform="S2A",
        sensed=np.datetime64(f"{day}T10:40:00"),
        day=np.datetime64(day),
        strip=None,
        baseline="05.00",
        made="",
        cloud=10.0,
        offset=OffsetDecision(offset_dn, "test"),
        assets={name: str(folder / f"{name}.tif") for name in pixels},
    )


def unsigned(address: str, renew: bool) -> str:
    """A signer that changes nothing."""
    return address
