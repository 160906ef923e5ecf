"""What a series loses on its way to a user: bands that a sensor lacks, months that are cloudy; and what is no place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, SENSORS
from timesenclip.eo.outliers import OUTLYING_STEPS
from timesenclip.series import PixelSeries
from timesenclip.simulate.sensor import CLOUD

__all__ = ["CLOUDY_SHARE", "NO_PLACES", "SENSOR_TITLES", "no_place", "with_clouds", "without_bands"]

CLOUDY_SHARE = 0.15
"""Share of the steps that `with_clouds` makes cloudy."""
SENSOR_TITLES: dict[str, str] = {
    "sentinel-2": "all ten bands",
    "sentinel-2-10m": "Sentinel-2, 10 m bands only",
    "landsat": "six bands of Landsat",
    "rgb": "red, green and blue only",
}
"""Sensors that are compared, with what they are called in the table."""
NO_PLACES: tuple[str, ...] = ("cloud in every month", "random numbers", "one number for all bands and months")
"""Kinds of series that show no place on land."""


def without_bands(series: PixelSeries, sensor: str) -> PixelSeries:
    """The series as a sensor with fewer bands sees them.

    Args:
        series: N series.
        sensor: a name in `timesenclip.bands.SENSORS`.
    """
    there = np.isin(BAND_NAMES, SENSORS[sensor])
    seen = series.bands_seen() & there  # (N, T, C)
    return replace(
        series,
        reflectance=np.where(seen, series.reflectance, 0).astype(np.float32),
        valid=np.asarray(np.any(seen, axis=2)),
        band_valid=seen,
    )


def with_clouds(series: PixelSeries, *, share: float = CLOUDY_SHARE, rng: np.random.Generator) -> PixelSeries:
    """The series with clouds that no mask has found: each valid step with probability `share`.

    A cloud covers 30 to 100 % of the pixel in that step; its spectrum is that of the simulator, brighter or darker by
    up to 40 %.
    """
    n, t, c = series.reflectance.shape
    hit = (rng.random((n, t)) < share) & series.valid
    cover = rng.uniform(0.3, 1.0, (n, t, 1))
    cloud = CLOUD * rng.uniform(0.6, 1.4, (n, t, 1)) * rng.normal(1.0, 0.03, (n, t, c))
    mixed = (1 - cover) * series.reflectance + cover * cloud
    seen = series.bands_seen() & hit[..., None]
    values = np.where(seen, mixed, series.reflectance).astype(np.float32).clip(0, 1.2)
    # The remark that outlying steps were left out goes: these are new ones.
    provenance = {key: value for key, value in series.provenance.items() if key not in (OUTLYING_STEPS, "joined")}
    return replace(series, reflectance=values, provenance=provenance)


def no_place(series: PixelSeries, kind: str, *, rng: np.random.Generator) -> PixelSeries:
    """Series at the places and dates of others that show nothing.

    Args:
        series: N series, for their dates, places and bands.
        kind: one of `NO_PLACES`.
        rng: draws the numbers.
    """
    n, t, c = series.reflectance.shape
    if kind == NO_PLACES[0]:
        values = CLOUD * rng.uniform(0.8, 1.3, (n, t, 1)) * rng.normal(1.0, 0.02, (n, t, c))
    elif kind == NO_PLACES[1]:
        values = rng.uniform(0.0, 1.0, (n, t, c))
    else:
        values = np.broadcast_to(rng.uniform(0.05, 0.6, (n, 1, 1)), (n, t, c))
    seen: NDArray[np.bool_] = series.bands_seen()
    return replace(series, reflectance=np.where(seen, values, 0).astype(np.float32).clip(0, 1.2))
