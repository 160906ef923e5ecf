"""Write small input files in the real formats, for the tests of this package and of its users.

Each writer takes values (`random_series`, `random_cube`, or your own) and returns the path of the file:

    read_points(write_wide_table(random_series(5), "points.parquet"))
    read_cube(write_netcdf_cube(random_cube((20, 30)), "cube/"))
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, BANDS, SCL_NAME
from timesenclip.eo.radiometry import MISSING_DN, QUANTIFICATION
from timesenclip.series import Cube, PixelSeries
from timesenclip.testing.training import (
    write_lucas_embeddings,
    write_lucas_photos,
    write_lucas_table,
    write_sen4map,
    write_sen4map_crops,
    write_test_labels,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = [
    "random_cube",
    "random_series",
    "write_geotiff_stack",
    "write_long_table",
    "write_lucas_embeddings",
    "write_lucas_photos",
    "write_lucas_table",
    "write_netcdf_cube",
    "write_sen4map",
    "write_sen4map_crops",
    "write_test_labels",
    "write_wide_table",
    "write_zarr_cube",
]

_CLEAR, _CLOUD = 4, 9


def random_series(count: int = 4, *, seed: int = 0, missing: float = 0.2, year: int = 2021) -> PixelSeries:
    """Random monthly series around a plausible spectrum.

    Args:
        count: N, number of series.
        seed: of the random numbers.
        missing: share of the months that are missing, 0..1; the first month is always there.
        year: calendar year of the twelve months.
    """
    rng = np.random.default_rng(seed)
    spectrum = np.array([0.05, 0.08, 0.07, 0.12, 0.25, 0.3, 0.32, 0.33, 0.2, 0.12])
    reflectance = np.round(spectrum * rng.uniform(0.6, 1.5, (count, 12, 1)), 4).astype(np.float32)
    valid = rng.random((count, 12)) >= missing
    valid[:, 0] = True
    return PixelSeries.from_monthly(
        reflectance,
        year=year,
        valid=valid,
        sample_id=[f"point-{i}" for i in range(count)],
        lon_deg=rng.uniform(3, 4, count),
        lat_deg=rng.uniform(50, 51, count),
    )


def random_cube(shape: tuple[int, int] = (8, 12), *, dates: int = 6, seed: int = 0, cloudy: float = 0.2) -> Cube:
    """A random cube of single dates, constant in blocks of 2 x 2 pixels so that it can be written at 20 m without loss.

    Args:
        shape: (Y, X) in pixels of 10 m, even numbers.
        dates: number of dates, 20 days apart from 2021-01-07 on.
        seed: of the random numbers.
        cloudy: share of the blocks under clouds, 0..1.
    """
    rng = np.random.default_rng(seed)
    small = shape[0] // 2, shape[1] // 2
    values = np.round(rng.uniform(0.02, 0.5, (dates, len(BAND_NAMES), *small)), 4).astype(np.float32)
    clear = rng.random((dates, *small)) >= cloudy
    valid = np.repeat(np.repeat(clear, 2, axis=1), 2, axis=2)
    reflectance = np.repeat(np.repeat(values, 2, axis=2), 2, axis=3)
    start = np.datetime64("2021-01-07") + np.arange(dates) * np.timedelta64(20, "D")
    return Cube(
        reflectance=reflectance * valid[:, None],
        valid=valid,
        start=start,
        end=start + 1,
        crs="EPSG:32631",
        transform=Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0),
        provenance={"source": "timesenclip.testing"},
    )


def write_wide_table(series: PixelSeries, path: str | Path) -> Path:
    """One row a point, WorldCereal-like columns, DN, 65535 where missing."""
    import pandas as pd

    dn = _dn(series.reflectance, series.valid[..., None])
    columns = {
        f"OPTICAL-{band.name}-ts{t}-{band.resolution_m}m": dn[:, t, c]
        for c, band in enumerate(BANDS)
        for t in range(series.steps)
    }
    head = {"sample_id": series.sample_id, "lat": series.lat_deg, "lon": series.lon_deg}
    frame = pd.DataFrame(head | {"start_date": series.start[:, 0].astype(str)} | columns)
    return _write_table(frame, Path(path))


def write_long_table(series: PixelSeries, path: str | Path) -> Path:
    """One row a point and month, WorldCereal-like columns, DN, 65535 where missing."""
    import pandas as pd

    n, t = series.valid.shape
    dn = _dn(series.reflectance, series.valid[..., None]).reshape(n * t, -1)
    head = {
        "sample_id": np.repeat(np.array(series.sample_id), t),
        "timestamp": series.start.reshape(-1).astype("datetime64[ns]"),
        "lat": np.repeat(series.lat_deg, t),
        "lon": np.repeat(series.lon_deg, t),
    }
    return _write_table(pd.DataFrame(head | {f"S2-L2A-{b}": dn[:, c] for c, b in enumerate(BAND_NAMES)}), Path(path))


def write_netcdf_cube(cube: Cube, folder: str | Path) -> Path:
    """Two netCDF files in a folder: 10 m bands, and 20 m bands with SCL."""
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    for resolution in (10, 20):
        dataset = _dataset(cube, resolution)
        dataset.to_netcdf(out / f"S2_{resolution}m.nc", engine="h5netcdf")
    return out


def write_zarr_cube(cube: Cube, path: str | Path) -> Path:
    """One Zarr store with every band at 10 m, and SCL."""
    fine = _dataset(cube, 10, every_band=True)
    fine.to_zarr(path, mode="w", zarr_format=3, consolidated=False)
    return Path(path)


def write_geotiff_stack(cube: Cube, folder: str | Path) -> Path:
    """One GeoTIFF a date and band (`2021-01-07_B04.tif`), 10 and 20 m apart, and SCL."""
    import rasterio

    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    for resolution in (10, 20):
        dataset = _dataset(cube, resolution)
        transform = cube.transform @ Affine.scale(resolution // 10)
        for name in map(str, dataset.data_vars):
            for date, values in zip(cube.start, dataset[name].values, strict=True):
                with rasterio.open(
                    out / f"{date}_{name}.tif",
                    "w",
                    driver="GTiff",
                    height=values.shape[0],
                    width=values.shape[1],
                    count=1,
                    dtype=values.dtype,
                    crs=cube.crs,
                    transform=transform,
                    nodata=0,
                ) as file:
                    file.write(values, 1)
    return out


def _dataset(cube: Cube, resolution: int, *, every_band: bool = False) -> xr.Dataset:
    """The bands of one resolution as an xarray Dataset in DN."""
    import xarray as xr
    from pyproj import CRS

    factor = resolution // 10
    at = cube.transform
    y, x = cube.shape[0] // factor, cube.shape[1] // factor
    dims = ("time", "y", "x")
    dn = np.round(cube.reflectance * QUANTIFICATION).astype(np.uint16)
    data: dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, str]]] = {
        band.name: (dims, dn[:, i, ::factor, ::factor], {"grid_mapping": "spatial_ref"})
        for i, band in enumerate(BANDS)
        if every_band or band.resolution_m == resolution
    }
    if every_band or resolution == 20:
        scl = np.where(cube.valid, _CLEAR, _CLOUD).astype(np.uint8)[:, ::factor, ::factor]
        data[SCL_NAME] = (dims, scl, {"grid_mapping": "spatial_ref"})
    wkt = CRS.from_user_input(cube.crs).to_wkt()
    return xr.Dataset(
        data,
        coords={
            "time": cube.start.astype("datetime64[ns]"),
            "y": at.f + at.e * factor * (np.arange(y) + 0.5),
            "x": at.c + at.a * factor * (np.arange(x) + 0.5),
            "spatial_ref": ((), 0, {"crs_wkt": wkt, "spatial_ref": wkt}),
        },
    )


def _dn(reflectance: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint16]:
    return np.where(valid, np.round(reflectance * QUANTIFICATION), MISSING_DN).astype(np.uint16)


def _write_table(frame: pd.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path
