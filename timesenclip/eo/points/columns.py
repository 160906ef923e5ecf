"""Columns of a point table: bands to reflectance, ids, and coordinates."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.pixel_checks import detect_units, tell_collection_2
from timesenclip.eo.radiometry import MISSING_DN, Units, usable_reflectance
from timesenclip.eo.sensors import Sensor
from timesenclip.errors import DegradedInputWarning, InputError, UnitsError
from timesenclip.messages import shorten_error

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["calibrate", "places", "require_names", "sample_ids", "ten_bands"]

_WKB_POINT = np.dtype([("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])


def ten_bands(raw: NDArray[np.float32], bands: Sequence[str]) -> NDArray[np.float32]:
    """Values (N, T, C) of all ten bands, in order; NaN where the table has no column of a band.

    Args:
        raw: (N, T, bands) as in the table.
        bands: their names.
    """
    if tuple(bands) == BAND_NAMES:
        return raw
    if set(bands) == set(BAND_NAMES):
        return raw[:, :, [list(bands).index(name) for name in BAND_NAMES]]
    out = np.full((*raw.shape[:2], len(BAND_NAMES)), np.nan, dtype=np.float32)
    out[:, :, [BAND_NAMES.index(name) for name in bands]] = raw
    return out


def calibrate(
    raw: NDArray[np.float32], *, units: Units, offset_dn: int, sensor: Sensor, source_name: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_] | None, str]:
    """Reflectance of values (N, T, C) as they are in the table, NaN where there is none.

    Args:
        raw: the values.
        units, offset_dn: as `read_points`.
        sensor: whose values they are; those of Landsat may be in the numbers of Collection 2.
        source_name: name of the table, for messages.

    Returns:
        Reflectance (N, T, C), 0 where missing; where a step was seen in at least one band (N, T); in which bands
        (N, T, C), None where in all of them; and the units found.

    Raises:
        UnitsError: the declared units cannot be true, or numbers of Landsat have an offset.
    """
    found = detect_units(raw, declared=units, source_name=source_name)
    if units == "auto" and found == "dn":
        found = tell_collection_2(raw, sensor=sensor, source_name=source_name)
    if found == "landsat-c2" and offset_dn:
        raise UnitsError(
            f"{source_name}: offset_dn {offset_dn} was given, but the values are numbers of Landsat Collection 2, "
            "which have no such offset; leave it out."
        )
    reflectance, seen = usable_reflectance(raw, units=found, offset_dn=offset_dn, nodata=(MISSING_DN,))
    # Harmonised tables clip dark water to 0 in single bands; only a step of nothing but zeros is a missing one.
    valid: NDArray[np.bool_] = np.asarray((seen & (raw != 0)).any(axis=2))
    seen &= valid[..., None]
    complete = bool((seen.all(axis=2) == valid).all())
    return np.where(seen, reflectance, 0.0).astype(np.float32), valid, None if complete else seen, found


def sample_ids(rows: pd.DataFrame, *, first_number: int, strict: bool, source_name: str) -> tuple[str, ...]:
    """Names of the points; where there is none, the number of the row.

    Raises:
        InputError: a name is a list or bytes, or stands in two rows and `strict`; otherwise that is a
            `DegradedInputWarning`.
    """
    if "sample_id" not in rows:
        return tuple(str(first_number + i) for i in range(len(rows)))
    require_names(rows["sample_id"], source_name=source_name)
    import pandas as pd

    ids = rows["sample_id"].astype(str)
    gone = rows["sample_id"].isna().to_numpy()
    if gone.any():
        ids = ids.where(~gone, pd.Series([str(first_number + i) for i in range(len(rows))], index=rows.index))
    if ids.duplicated().any():
        name, count = ids[ids.duplicated()].iloc[0], int(ids.duplicated().sum())
        message = (
            f"{source_name}: {count} rows repeat a sample_id, such as '{name}'; each row stays a point of its own."
        )
        if strict:
            raise InputError(message)
        warnings.warn(message, DegradedInputWarning, stacklevel=4)
    return tuple(ids)


def require_names(ids: pd.Series, *, source_name: str) -> None:
    """Refuse names that are lists, tables or bytes.

    Raises:
        InputError: there is one.
    """
    from pandas.api.types import infer_dtype

    if infer_dtype(ids, skipna=True) not in ("mixed", "bytes"):
        return
    for row, name in enumerate(ids):
        if isinstance(name, bytes | list | tuple | dict | set | np.ndarray):
            raise InputError(
                f"{source_name}: row {row} has a {type(name).__name__} as sample_id; expected a text or a whole number."
            )


def places(rows: pd.DataFrame, *, source_name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude of the points, from columns or from GeoParquet's points; NaN where neither is there.

    Raises:
        InputError: a value is no number, or outside of the Earth.
    """

    def column(*names: str) -> NDArray[np.float64] | None:
        return next((_coordinates(rows[name], source_name) for name in names if name in rows), None)

    lon, lat = column("lon", "longitude", "lon_deg"), column("lat", "latitude", "lat_deg")
    if lon is None or lat is None:
        lon, lat = _points_of_geometry(rows)
    for name, values, limit in (("latitude", lat, 90.0), ("longitude", lon, 180.0)):
        wrong = np.abs(values) > limit
        if wrong.any():
            raise InputError(
                f"{source_name}: row {int(wrong.argmax())} has {name} {values[wrong][0]:g}, expected "
                f"-{limit:g}..{limit:g} in EPSG:4326. Are the columns lat and lon swapped, or projected?"
            )
    return lon, lat


def _coordinates(values: pd.Series, source_name: str) -> NDArray[np.float64]:
    """(N,) degrees, NaN where there is none.

    Raises:
        InputError: they are no numbers.
    """
    try:
        if values.dtype.kind in "bmM":
            raise TypeError(f"they are of type {values.dtype}")
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"{source_name}: the column '{values.name}' holds no numbers ({shorten_error(error)}); expected degrees in "
            "EPSG:4326, such as 50.85."
        ) from error


def _points_of_geometry(rows: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of WKB points; NaN for other geometries.

    Source: GeoParquet 1.1, encoding WKB, whose CRS is longitude and latitude unless it says otherwise.
    """
    lon, lat = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for i, shape in enumerate(rows.get("geometry", ())):
        if isinstance(shape, bytes) and len(shape) == _WKB_POINT.itemsize and shape[0] == 1:
            point = np.frombuffer(shape, dtype=_WKB_POINT)[0]
            if point["kind"] == 1:
                lon[i], lat[i] = point["x"], point["y"]
    return lon, lat
