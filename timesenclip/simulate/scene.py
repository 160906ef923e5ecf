"""Simulate a small landscape: a lake and its river, a town, parcels of crops and meadows, woods and heath."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from timesenclip.bands import BAND_NAMES
from timesenclip.series import Cube
from timesenclip.simulate.covers import draw_pixels
from timesenclip.simulate.pixel import render
from timesenclip.simulate.sensor import observe

__all__ = ["FARMLAND", "SimulatedScene", "simulate_scene"]

Array = NDArray[np.float64]

FARMLAND: dict[str, float] = {
    "winter wheat": 0.24,
    "maize": 0.24,
    "rapeseed": 0.13,
    "sugar beet": 0.09,
    "hay meadow": 0.14,
    "grazed pasture": 0.16,
}
"""Covers of the parcels and how often each comes."""

_PARCEL_PX = 14.0
_POINT_SPREAD_PX = 0.55


@dataclass(frozen=True, slots=True)
class SimulatedScene:
    """A simulated landscape and the truth behind it."""

    cube: Cube
    """Twelve monthly composites on a 10 m grid."""
    cover: NDArray[np.uint8]
    """(Y, X) index into `cover_names`."""
    cover_names: tuple[str, ...]
    """Names of the covers that occur."""


def simulate_scene(
    *,
    rng: np.random.Generator,
    size: int = 128,
    year: int = 2023,
    lat_deg: float = 47.5,
    farmland: Mapping[str, float] = FARMLAND,
    cloud: float = 0.6,
) -> SimulatedScene:
    """Simulate a temperate landscape of `size` x `size` pixels of 10 m.

    Every parcel is one draw of its cover, so that fields of one crop differ in sowing, soil and vigour; pixels within
    a parcel differ a little; edges are mixed by the sensor's point spread; clouds hide patches of some months.

    Args:
        rng: all randomness comes from here.
        size: Y and X in pixels.
        year: calendar year of the twelve months.
        lat_deg: latitude, north positive; the grid is that of the UTM zone at 9 degrees east.
        farmland: covers of the parcels and their shares.
        cloud: scales haze and missing months.
    """
    parcel, covers = _layout(size, farmland, rng)
    names = tuple(sorted(set(covers)))
    start = np.datetime64(f"{year:04d}-01", "M") + np.arange(12)
    first = start.astype("datetime64[D]")
    day = (first - np.datetime64(f"{year:04d}-01-01")).astype(np.float64) + 15.0
    surface = np.zeros((len(covers), 12, len(BAND_NAMES)))
    seen = np.zeros((12, len(BAND_NAMES), size, size))
    for name in names:
        which = np.flatnonzero(np.array(covers) == name)
        pixels = draw_pixels(name, len(which), rng=rng, climate="temperate", lat_deg=lat_deg)
        pixels = replace(pixels, snow=np.zeros_like(pixels.snow))  # snow does not differ between neighbouring fields
        days = np.broadcast_to(day, (len(which), 12))
        surface[which], _ = observe(pixels, render(pixels, days, rng=rng), days, rng=rng, cloud=0.0)
    seen = surface[parcel].transpose(2, 3, 0, 1)  # (Y, X, T, C) -> (T, C, Y, X)
    seen = seen * np.exp(ndimage.gaussian_filter(rng.normal(0, 0.16, (1, 1, size, size)), (0, 0, 1.2, 1.2)))
    seen = ndimage.gaussian_filter(seen, (0, 0, _POINT_SPREAD_PX, _POINT_SPREAD_PX), mode="nearest")
    seen = seen * np.exp(rng.normal(0, 0.02, seen.shape)) + rng.normal(0, 0.002, seen.shape)
    valid = _clear(size, rng, cloud)
    reflectance = np.where(valid[:, None], np.clip(seen, 1e-4, 1.0), 0.0).astype(np.float32)
    cube = Cube(
        reflectance=reflectance,
        valid=valid,
        start=first,
        end=(start + 1).astype("datetime64[D]"),
        crs="EPSG:32632" if lat_deg >= 0 else "EPSG:32732",
        transform=Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, _northing_m(lat_deg)),
        provenance={"source": "simulated scene", "generator": "timesenclip.simulate", "year": year},
    )
    cover = np.array([names.index(name) for name in covers], dtype=np.uint8)[parcel]
    return SimulatedScene(cube, cover, names)


def _northing_m(lat_deg: float) -> float:
    """UTM northing on the central meridian, to a kilometre or so, on the 10 m grid."""
    return round((110_946.0 * lat_deg + (0.0 if lat_deg >= 0 else 10_000_000.0)) / 10.0) * 10.0


def _layout(size: int, farmland: Mapping[str, float], rng: np.random.Generator) -> tuple[NDArray[np.int64], list[str]]:
    """Parcel index of each pixel (Y, X), and the cover of each parcel."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float64)
    u, v = x / size, y / size
    parcels = max(4, round((size / _PARCEL_PX) ** 2))
    seeds = rng.uniform(0, size, (parcels, 2))
    angle = rng.uniform(0.2, 0.6)
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    sa = seeds[:, 0] * np.cos(angle) + seeds[:, 1] * np.sin(angle)
    sb = -seeds[:, 0] * np.sin(angle) + seeds[:, 1] * np.cos(angle)
    # A maximum norm in turned axes gives the long, straight-edged strips that fields are.
    distance = np.maximum(np.abs(along[..., None] - sa) * 0.7, np.abs(across[..., None] - sb) * 1.3)
    parcel = distance.argmin(axis=-1)
    shares = np.array(list(farmland.values())) / sum(farmland.values())
    # Assigned in turn rather than drawn, so that each cover gets its share even where parcels are few.
    dealt = np.searchsorted(np.cumsum(shares), (np.arange(parcels) + 0.5) / parcels)
    covers = [list(farmland)[i] for i in rng.permutation(np.minimum(dealt, len(shares) - 1))]
    bumps = ndimage.gaussian_filter(rng.normal(size=(size, size)), size / 14, mode="nearest")
    bumps /= np.abs(bumps).max()
    river = np.abs(u - (0.62 + 0.10 * np.sin(5.0 * v + 1.0) + 0.05 * bumps)) * size
    features: list[tuple[str, NDArray[np.bool_]]] = [
        ("oak and beech forest", v + 0.25 * bumps < 0.30 - 0.25 * u),
        (
            "spruce and fir forest",
            (v + 0.30 * bumps < 0.16 - 0.05 * u) | (np.hypot(u - 0.93, v - 0.88) + 0.2 * bumps < 0.17),
        ),
        ("heathland", np.hypot((u - 0.88) * 1.1, v - 0.28) + 0.16 * bumps < 0.14),
        ("suburb and village", np.hypot(u - 0.24, (v - 0.74) * 1.2) + 0.14 * bumps < 0.17),
        ("dense city", np.hypot(u - 0.24, (v - 0.74) * 1.2) + 0.10 * bumps < 0.085),
        ("reed bed and marsh", (river < 4.5) & (v > 0.30) & (v < 0.62)),
        ("quarry and bare earth", np.hypot((u - 0.40) * 1.3, v - 0.36) + 0.05 * bumps < 0.055),
        ("turbid river", river < 1.8),
        ("clear lake and sea", np.hypot((u - 0.66) * 0.9, v - 0.50) + 0.09 * bumps < 0.10),
    ]
    for name, where in features:
        # Woods and towns are patchworks: several draws, each over a few of the parcels it covers.
        patches = 1 if name.startswith(("clear", "turbid")) else 6
        parcel = np.where(where, len(covers) + parcel % patches, parcel)
        covers.extend([name] * patches)
    used, dense = np.unique(parcel, return_inverse=True)
    return dense.reshape(size, size), [covers[i] for i in used]


def _clear(size: int, rng: np.random.Generator, cloud: float) -> NDArray[np.bool_]:
    """(T, Y, X) True where a month has a clear observation; gaps are patches, most of them in winter."""
    noise = np.stack(
        [ndimage.gaussian_filter(rng.normal(size=(size, size)), size / 10, mode="wrap") for _ in range(12)]
    )
    noise /= noise.std(axis=(1, 2), keepdims=True)
    winter = np.cos(2 * np.pi * np.arange(12) / 12)
    return np.asarray(noise < 2.3 - cloud * (0.7 * winter + rng.normal(0.2, 0.5, 12))[:, None, None])
