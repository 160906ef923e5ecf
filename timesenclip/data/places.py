"""Coordinates of places: which of two columns is the longitude, and numbers in the attributes of files."""

from __future__ import annotations

import re
import warnings

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import DegradedInputWarning, InputError

__all__ = ["numbers_in", "settle_lonlat"]

_EUROPE = (-32.0, 27.0, 46.0, 72.5)
"""West, south, east, north of the countries of LUCAS, with the Azores, Madeira, the Canaries and Cyprus."""


def settle_lonlat(
    lon: NDArray[np.float64], lat: NDArray[np.float64], *, where: str, european: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Longitude and latitude the right way round, and whether they had been swapped.

    The authors' test labels hold the longitude in a column named `lat`; on European points this shows.

    Args:
        lon, lat: (N,) degrees, NaN where unknown, as the columns are named.
        where: file, for the message.
        european: the points are LUCAS's; else columns are swapped only if the latitudes cannot be latitudes.

    Raises:
        InputError: neither order gives coordinates on Earth (in Europe).

    Warns:
        DegradedInputWarning: they were swapped.
    """
    known = np.isfinite(lon) & np.isfinite(lat)
    if not known.any():
        return lon, lat, False
    box = _EUROPE if european else (-180.0, -90.0, 180.0, 90.0)
    straight, turned = _inside(lon[known], lat[known], box), _inside(lat[known], lon[known], box)
    if max(straight, turned) < 0.5:
        some = int(np.flatnonzero(known)[0])
        raise InputError(
            f"{where}: coordinates such as ({lon[some]:g}, {lat[some]:g}) are not degrees of longitude and latitude"
            f"{' in Europe' if european else ''} in either order; expected EPSG:4326."
        )
    if turned <= straight:
        return lon, lat, False
    warnings.warn(
        f"{where}: longitude and latitude are swapped ({turned:.0%} of the points fit the other way round, "
        f"{straight:.0%} as named); they were exchanged.",
        DegradedInputWarning,
        stacklevel=3,
    )
    return lat, lon, True


def _inside(lon: NDArray[np.float64], lat: NDArray[np.float64], box: tuple[float, float, float, float]) -> float:
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
