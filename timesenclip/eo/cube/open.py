"""Open cubes: netCDF (one file or a folder, 10 and 20 m apart), Zarr, or a folder of GeoTIFFs.

    source = open_cube("s2-flanders-2018")  # reads headers only
    cube = source.read(period="2018")  # monthly medians of clear observations
    for window, cube in read_blocks(source, 256):  # block by block, for any size (`eo.area`)
        ...

Every source gives the same `Cube`: ten bands on the grid of the finest, 20 m bands repeated to it (nearest, which keeps
the measured values), clouds masked by SCL where there is one, DN turned into reflectance. Bands that a source or one of
its dates does not have are missing in the `band_valid` of the cube; nothing is put in their place.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.band_presence import require_any_band
from timesenclip.eo.cube import geotiff as cube_geotiff
from timesenclip.eo.cube import netcdf as cube_netcdf
from timesenclip.eo.cube.files_read import check_regular
from timesenclip.eo.cube.layers import Opened
from timesenclip.eo.cube.source import CubeSource
from timesenclip.eo.masking import DILATE_PX
from timesenclip.eo.period import YEARS, Every, Period, as_period
from timesenclip.eo.radiometry import Units, offsets_for
from timesenclip.eo.sensors import AUTO
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, InputError, NoClearObservationError, TimeError
from timesenclip.grid import WindowLike
from timesenclip.series import Cube

__all__ = ["CubeSource", "open_cube", "read_cube"]


def open_cube(
    path: str | Path,
    *,
    units: Units = "auto",
    provider: str | None = None,
    collection: str = "sentinel-2-l2a",
    baseline: str | Sequence[str] | None = None,
    offset_dn: int | None = None,
    dilate_px: int = DILATE_PX,
    sensor: str = AUTO,
) -> CubeSource:
    """Open a cube without reading its pixels.

    Args:
        path: a netCDF file, a folder of netCDF files, a Zarr store, or a folder of GeoTIFFs whose names hold date and
            band (`2018-05-06_B04.tif`, `T31UDS_20180506T105031_B04_10m.tif`), or with a date where the bands in them
            have names.
        units: whether values are `dn` or `reflectance`; `auto` looks at them.
        provider, collection, baseline: where the pixels come from, to decide the offset of baseline 04.00; one baseline
            for all images, or one for each in the order of the file; default: as ESA's names of GeoTIFFs say. Without a
            provider no offset is removed, and the darkest pixels are checked for it when they are first read.
        offset_dn: DN to subtract, instead of deciding by provider.
        dilate_px: how far clouds and shadows grow, in pixels of the SCL's grid.
        sensor: whose names the bands have (`timesenclip.eo.sensors`); `auto` decides by names that only one has.

    Raises:
        DataNotFoundError: nothing there, or a file that cannot be read (cut short, another format).
        BandError: none of the ten bands is there, or a band twice, or `auto` cannot tell whose names they are.
        GridError: no CRS, or grids that do not fit each other.
        TimeError: no dates, or a date twice. Unsorted dates are put in order, with a `DegradedInputWarning`.
        InputError: the offset cannot be decided.
    """
    root = Path(path)
    if not root.exists():
        raise DataNotFoundError(f"Nothing at '{root}'; give a netCDF file, a Zarr store, or a folder of files.")
    if dilate_px < 0:
        raise InputError(f"dilate_px is {dilate_px}; expected 0 or more.")
    opened = _open(root, sensor)
    require_any_band(opened.layers, source_name=str(root))
    order = _order_of_dates(opened.dates, str(root))
    baselines = opened.baselines if baseline is None else baseline
    offsets = offsets_for(provider, collection, baselines, count=len(order), given=offset_dn)
    policy: dict[str, Any] = {}
    if offset_dn is None and provider is not None:
        policy = {"offset_policy": {"provider": provider, "collection": collection, "baseline": baselines}}
    in_order = bool((np.diff(order) == 1).all())
    return CubeSource(
        layers=opened.layers if in_order else {name: layer.reordered(order) for name, layer in opened.layers.items()},
        dates=opened.dates[order].astype("datetime64[D]"),
        shape=opened.grid.shape,
        crs=opened.crs,
        transform=opened.grid.transform,
        units=units,
        offset_dn=offsets[0] if len(set(offsets)) == 1 else tuple(offsets[i] for i in order),
        dilate_px=dilate_px,
        source_name=str(root),
        notes={**opened.notes, **policy},
        offset_stated=provider is not None or offset_dn is not None,
        places=opened.places,
        sensor=opened.sensor,
    )


def read_cube(
    path: str | Path,
    *,
    window: WindowLike | None = None,
    period: Period | str | int | None = None,
    every: Every | None = "month",
    mask: bool = True,
    units: Units = "auto",
    provider: str | None = None,
    collection: str = "sentinel-2-l2a",
    baseline: str | Sequence[str] | None = None,
    offset_dn: int | None = None,
    dilate_px: int = DILATE_PX,
    sensor: str = AUTO,
) -> Cube:
    """Open a cube and read it, or a window of it; arguments as `open_cube` and `CubeSource.read`.

    Raises:
        NoClearObservationError: every pixel of every date is cloudy or missing.
    """
    source = open_cube(
        path,
        units=units,
        provider=provider,
        collection=collection,
        baseline=baseline,
        offset_dn=offset_dn,
        dilate_px=dilate_px,
        sensor=sensor,
    )
    cube = source.read(window, period=period, every=every, mask=mask)
    if not cube.valid.any():
        raise NoClearObservationError(
            f"'{path}' has no clear observation{f' in {as_period(period)}' if period is not None else ''}; choose "
            "another period, or read with mask=False to see what is there."
        )
    return cube


def _open(path: Path, sensor: str) -> Opened:
    """Choose the reader by what is there."""
    if not path.is_dir():
        check_regular(path)
    if path.suffix.lower() in (".parquet", ".geoparquet", ".csv"):
        raise DataNotFoundError(f"'{path}' is a table of points, not a cube; ask it with `classify` or `embed`.")
    if path.is_file() and path.suffix.lower() in (".tif", ".tiff", ".jp2"):
        raise DataNotFoundError(
            f"'{path}' is a single image, not a cube of several dates; give the folder of the images, whose names hold "
            "date and band (2018-05-06_B04.tif)."
        )
    if path.is_file():
        return cube_netcdf.open_files([path], sensor=sensor)
    if path.suffix == ".zarr" or any((path / name).exists() for name in ("zarr.json", ".zgroup")):
        return cube_netcdf.open_zarr(path, sensor=sensor)
    netcdf = sorted([*path.glob("*.nc"), *path.glob("*.nc4")])
    if netcdf:
        return cube_netcdf.open_files(netcdf, sensor=sensor)
    tiffs = sorted(p for p in path.rglob("*") if p.suffix.lower() in (".tif", ".tiff", ".jp2") and not _hidden(p, path))
    if tiffs:
        for file in tiffs:
            check_regular(file)
        return cube_geotiff.open_files(path, tiffs, sensor=sensor)
    raise DataNotFoundError(f"'{path}' holds no netCDF (.nc), Zarr or GeoTIFF (.tif) files.")


def _hidden(file: Path, root: Path) -> bool:
    """Whether a file, or a folder in which it lies, has a name that begins with a dot: temporary files of ours do."""
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _order_of_dates(dates: NDArray[np.datetime64], source_name: str) -> NDArray[np.intp]:
    """Indices that sort the dates."""
    if len(dates) == 0:
        raise TimeError(f"{source_name} has no dates; expected at least one image.")
    years = dates.astype("datetime64[Y]").astype(int) + 1970
    outside = (years < YEARS[0]) | (years > YEARS[1])
    if outside.any():
        raise TimeError(
            f"{source_name} has the date {dates[int(outside.argmax())].astype('datetime64[D]')}; expected years "
            f"{YEARS[0]} to {YEARS[1]}. Correct the units of its time axis."
        )
    order = np.argsort(dates, kind="stable")
    same = np.diff(dates[order]) == np.timedelta64(0)
    if same.any():
        double = dates[order][int(same.argmax())]
        raise TimeError(f"{source_name} has the date {double} more than once; keep one image of each date and time.")
    if (order != np.arange(len(order))).any():
        warnings.warn(
            f"{source_name}: the dates are not sorted; they are put in order.", DegradedInputWarning, stacklevel=3
        )
    return order
