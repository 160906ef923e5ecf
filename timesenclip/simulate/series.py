"""Simulate many unrelated pixel years."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, band_index
from timesenclip.series import PixelSeries
from timesenclip.simulate.covers import Pixels, cover_names, cover_weights, draw_pixels
from timesenclip.simulate.pixel import render
from timesenclip.simulate.sensor import observe, to_top_of_atmosphere

__all__ = ["SimulatedSeries", "simulate_series"]

Array = NDArray[np.float64]
_NEIGHBOURS = 6  # different covers that the mixed pixels of one cover are blended with


@dataclass(frozen=True, slots=True)
class SimulatedSeries:
    """Pixel years with what was simulated in each."""

    series: PixelSeries
    """N series of monthly composites."""
    cover: tuple[str, ...]
    """(N,) name of the (main) cover, one of `cover_names()`."""
    climate: tuple[str, ...]
    """(N,) name of the climate."""


def simulate_series(
    count: int,
    *,
    rng: np.random.Generator,
    covers: Sequence[str] | None = None,
    shares: Array | None = None,
    months: int = 12,
    cloud: float = 1.0,
    mixed: float = 0.25,
    l1c: float = 0.0,
    without_b8a: float = 0.0,
) -> SimulatedSeries:
    """Simulate pixel years anywhere on Earth.

    Args:
        count: N.
        rng: all randomness comes from here; the same generator state gives the same series.
        covers: draw from these covers only, evenly unless `shares` are given; default: all, by their weights.
        shares: probability of each cover, in the order of `covers`, summing to one.
        months: T; the first month is drawn at random for each pixel.
        cloud: scales haze, residual cloud and missing months; 0 gives clean, complete series.
        mixed: share of pixels that hold 3..40 % of another cover.
        l1c: share of pixels given as top-of-atmosphere reflectance, as if not corrected.
        without_b8a: share of pixels whose B8A repeats B08, as the readers do for sources that lack B8A.
    """
    names = tuple(covers) if covers is not None else cover_names()
    if shares is None:
        shares = cover_weights() if covers is None else np.full(len(names), 1 / len(names))
    chosen = rng.choice(len(names), count, p=shares)
    first = np.datetime64("2018-01", "M") + rng.integers(0, 60, count)
    start = first[:, None] + np.arange(months)  # (N, T) months
    reflectance = np.zeros((count, months, len(BAND_NAMES)), dtype=np.float32)
    valid = np.zeros((count, months), dtype=np.bool_)
    lat, climate = np.zeros(count), np.empty(count, dtype=object)
    for index in np.unique(chosen):
        where = np.flatnonzero(chosen == index)
        pixels = draw_pixels(names[index], len(where), rng=rng)
        day = _median_day(start[where], rng)
        surface = _mixture(pixels, render(pixels, day, rng=rng), day, share_of_mixed=mixed, rng=rng)
        seen, ok = observe(pixels, surface, day, rng=rng, cloud=cloud)
        top = rng.random(len(where)) < l1c
        seen[top] = to_top_of_atmosphere(seen[top], rng=rng)
        twin = rng.random(len(where)) < without_b8a
        seen[twin, :, band_index("B8A")] = seen[twin, :, band_index("B08")]
        reflectance[where] = np.where(ok[..., None], seen, 0.0)
        valid[where] = ok
        lat[where], climate[where] = pixels.lat_deg, pixels.climate
    series = PixelSeries(
        reflectance=reflectance,
        valid=valid,
        start=start.astype("datetime64[D]"),
        end=(start + 1).astype("datetime64[D]"),
        sample_id=tuple(f"simulated-{i}" for i in range(count)),
        lon_deg=rng.uniform(-180, 180, count),
        lat_deg=lat,
        provenance={"source": "simulated", "generator": "timesenclip.simulate"},
    )
    return SimulatedSeries(series, tuple(names[i] for i in chosen), tuple(climate))


def _median_day(start: NDArray[np.datetime64], rng: np.random.Generator) -> Array:
    """Day of the year that a monthly median stands for, (M, T)."""
    first = start.astype("datetime64[D]")
    day = (first - start.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
    return np.asarray(day + np.clip(rng.normal(15, 6, day.shape), 1, 29))


def _mixture(pixels: Pixels, surface: Array, day: Array, *, share_of_mixed: float, rng: np.random.Generator) -> Array:
    """Blend some pixels with a neighbour of another cover."""
    some = np.flatnonzero(rng.random(len(surface)) < share_of_mixed)
    out = surface.copy()
    for where in np.array_split(some, min(_NEIGHBOURS, len(some))) if some.size else ():
        neighbour = draw_pixels(str(rng.choice(cover_names(), p=cover_weights())), len(where), rng=rng)
        other = render(neighbour, day[where], rng=rng)
        share = rng.uniform(0.03, 0.4, (len(where), 1, 1))
        out[where] = (1 - share) * surface[where] + share * other
    return out
