"""Ids and coordinates of places: which of two columns is the longitude, and numbers in the attributes of files."""

from __future__ import annotations

import re
import warnings

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import DegradedInputWarning, InputError

__all__ = ["POINT_PREFIX", "numbers_in", "settle_lonlat"]

POINT_PREFIX = "Lucas_Point_"
"""Stands before the id of a LUCAS point in the names of Sen4Map's groups and in the authors' lists."""


_EUROPE = (-32.0, 27.0, 46.0, 72.5)
"""West, south, east, north of the countries of LUCAS, with the Azores, Madeira, the Canaries and Cyprus."""


def settle_lonlat(
    lon: NDArray[np.float64], lat: NDArray[np.float64], *, source_name: str, european: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Longitude and latitude, exchanged where the columns hold each other's values.

    The authors' test labels hold the longitude in a column named `lat`, which European coordinates reveal.

    Args:
        lon, lat: (N,) degrees, NaN where unknown, as the columns are named.
        source_name: the file, for messages.
        european: the points are those of LUCAS; otherwise the columns are exchanged only where latitudes exceed 90.

    Returns:
        (N,) longitude and (N,) latitude in degrees, and whether they were exchanged.

    Raises:
        InputError: neither order gives coordinates on Earth (in Europe).

    Warns:
        DegradedInputWarning: they were exchanged.
    """
    known = np.isfinite(lon) & np.isfinite(lat)
    if not known.any():
        return lon, lat, False
    box = _EUROPE if european else (-180.0, -90.0, 180.0, 90.0)
    straight, turned = _inside(lon[known], lat[known], box), _inside(lat[known], lon[known], box)
    if max(straight, turned) < 0.5:
        some = int(np.flatnonzero(known)[0])
        raise InputError(
            f"{source_name}: coordinates such as ({lon[some]:g}, {lat[some]:g}) are not degrees of longitude and "
            f"latitude{' in Europe' if european else ''} in either order; expected EPSG:4326."
        )
    if turned <= straight:
        return lon, lat, False
    warnings.warn(
        f"{source_name}: longitude and latitude are swapped ({turned:.0%} of the points fit the other way round, "
        f"{straight:.0%} as named); they were exchanged.",
        DegradedInputWarning,
        stacklevel=3,
    )
    return lat, lon, True


def _inside(lon: NDArray[np.float64], lat: NDArray[np.float64], box: tuple[float, float, float, float]) -> float:
    """Share of the points within (west, south, east, north), 0..1."""
    inside = (lon >= box[0]) & (lon <= box[2]) & (lat >= box[1]) & (lat <= box[3])
    return float(inside.mean())


def numbers_in(value: object) -> list[float]:
    """Every number in an HDF5 attribute, whether it is an array, a tuple or text such as `POINT (4.5 50.8)`."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return [float(text) for text in re.findall(r"-?\d+\.?\d*(?:[eE][-+]?\d+)?", value)]
    array = np.asarray(value)
    if array.dtype.kind in "iuf":
        return [float(x) for x in array.ravel()]
    items = (item if isinstance(item, (str, bytes)) else str(item) for item in array.ravel().tolist())
    return [number for item in items for number in numbers_in(item)]
