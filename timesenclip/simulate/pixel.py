"""Render pixels: what a ground surface reflects on each day, layer by layer from the soil up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.simulate.covers import Pixels
from timesenclip.simulate.spectra import SNOW, canopy_reflectance

__all__ = ["render", "solar_elevation"]

Array = NDArray[np.float64]
_YEAR = 365.0
_COLD_LIMITED = ("tundra", "boreal", "temperate", "steppe", "mountain")


def solar_elevation(lat_deg: Array, day: Array) -> Array:
    """Sine of the sun's elevation at about 10:30 local time (hour angle 22.5 degrees), (M, T). Source: Cooper 1969."""
    declination = np.deg2rad(23.45) * np.sin(2 * np.pi * (284 + day) / _YEAR)
    lat = np.deg2rad(lat_deg)[:, None]
    hour = np.cos(np.deg2rad(22.5))
    return np.asarray(np.sin(lat) * np.sin(declination) + np.cos(lat) * np.cos(declination) * hour)


def render(pixels: Pixels, day: Array, *, rng: np.random.Generator) -> Array:
    """Surface reflectance on each day.

    Args:
        pixels: M drawn pixels.
        day: (M, T) day of the year where the pixel is, 0..365 (any integer offset of years is fine).
        rng: draws what varies from day to day (soil moisture, cut regrowth).

    Returns:
        (M, T, C) reflectance 0..1, without clouds and sensor noise.
    """
    p = pixels.scalars
    north = day + np.where(pixels.lat_deg < 0, _YEAR / 2, 0.0)[:, None]
    green = _season(north, pixels.season, rise=12.0, fall=18.0)  # (M, T)
    live, dead, flower = _herbs(pixels, north, green)
    soil = _wet_soil(pixels, green, rng)  # (M, T, C)
    ground = _herb_layer(pixels, soil, live, dead, flower)
    flooded = p["flood"][:, None] * _season(north, pixels.season + np.array([-10.0, -30.0]), rise=8.0, fall=20.0)
    ground = _mix(ground, pixels.water[:, None, :] * 1.15 + 0.004, flooded * np.exp(-0.25 * live))
    ground = _snowed(pixels, ground, north, under_crowns=False)
    scene = _crown_layer(pixels, ground, north, green, day)
    built = pixels.material[:, None, :] * (1 - 0.8 * _shade(pixels, day)[..., None])
    built = _snowed(pixels, built, north, under_crowns=True)
    scene = _mix(scene, built, p["built"][:, None])
    scene = _mix(scene, pixels.water[:, None, :], p["water"][:, None])
    ice = _mix(np.array(SNOW["bare ice"]), np.array(SNOW["fresh"]), 1 - 0.75 * green)
    scene = _mix(scene, ice, p["ice"][:, None])
    return np.clip(scene, 0.001, 1.0)


def _mix(below: Array, above: Array, share: Array) -> Array:
    """Blend (M, T, C) spectra by an area share (M, T) or (M, 1)."""
    weight = np.clip(share, 0.0, 1.0)[..., None]
    return np.asarray((1 - weight) * below + weight * above)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))


def _since(day: Array, start: Array) -> Array:
    """Days since `start` on a circle, counted from 60 days before it: -60..305."""
    return np.asarray((day - start + 60.0) % _YEAR - 60.0)


def _season(day: Array, season: Array, *, rise: float, fall: float) -> Array:
    """Double logistic between two days of the year (M, 2), 0..1. Source: Zhang et al. 2003,
    doi:10.1016/S0034-4257(02)00135-9.
    """
    since = _since(day, season[:, :1])
    length = (season[:, 1:] - season[:, :1]) % _YEAR
    return _sigmoid(since / rise) * _sigmoid((length - since) / fall)


def _herbs(pixels: Pixels, day: Array, green: Array) -> tuple[Array, Array, Array]:
    """Live LAI, dead LAI and flower cover of the herb or crop layer, (M, T) each."""
    p = {name: value[:, None] for name, value in pixels.scalars.items()}
    grown = ~np.isnan(pixels.cycles[:, 0, 0])[:, None]
    wild = p["herb_base"] + (1 - p["herb_base"]) * green
    for cut in pixels.cuts.T[:, :, None]:
        since = (day - cut) % _YEAR
        wild = wild * np.where(np.isnan(cut), 1.0, 1 - 0.82 * np.exp(-np.nan_to_num(since) / 16.0))
    crop, straw, flower = np.zeros_like(day), np.zeros_like(day), np.zeros_like(day)
    for cycle in np.moveaxis(pixels.cycles, 1, 0):
        sow = np.nan_to_num(cycle[:, :1])
        length = np.maximum((np.nan_to_num(cycle[:, 1:], nan=100.0) - sow) % _YEAR, 60.0)
        age = ((day - sow) % _YEAR) / length  # 0 at sowing, 1 at harvest
        here = ~np.isnan(cycle[:, :1])
        # Crops sown in autumn wait in the cold: their growth is late in a long cycle.
        middle = np.where(length > 210, 0.62, 0.38)
        growth = _sigmoid((age - middle) / 0.075) + np.where(length > 210, 0.12 * (age > 0.12), 0.0)
        alive = (age < 1) * np.minimum(growth, 1.0) * _sigmoid((0.88 - age) / 0.035)
        crop = np.maximum(crop, here * alive)
        standing = (age < 1) * _sigmoid((age - 0.86) / 0.03)
        stubble = (age >= 1) * 0.45 * np.exp(-(age - 1) * length / 45.0)
        straw = np.maximum(straw, here * (standing + stubble))
        bloom = np.where(length > 210, 0.72, 0.62)
        flower = np.maximum(flower, here * np.exp(-(((age - bloom) / 0.06) ** 2)))
    cold = np.isin(pixels.climate, _COLD_LIMITED)[:, None]
    between = p["between"] * _between_crops(pixels, day) * np.where(cold, 0.35 + 0.65 * green, green)
    drought = 1 - p["drought"] * _season(day, pixels.dry_spell, rise=7.0, fall=14.0)
    live = np.where(
        grown, np.maximum(p["herb_lai"] * crop, 2.2 * np.maximum(between, 0.0)), p["herb_lai"] * wild * drought
    )
    thatch = p["thatch"] * p["herb_lai"] * (0.3 + 0.7 * wild)
    dead = p["herb_lai"] * p["dead"] * np.where(grown, straw, (1 - wild * drought) * 0.8) + np.where(grown, 0.0, thatch)
    return live, dead, flower * p["flower"]


def _between_crops(pixels: Pixels, day: Array) -> Array:
    """Where weeds, volunteers and cover crops grow: from a month after harvest to a month before sowing, (M, T)."""
    sow, harvest = np.nan_to_num(pixels.cycles[:, 0, :1]), np.nan_to_num(pixels.cycles[:, 0, 1:])
    bare = (sow - harvest) % _YEAR
    window = np.concatenate([harvest + 0.12 * bare + 15.0, harvest + 0.85 * bare], axis=1) % _YEAR
    return np.where(bare > 60, _season(day, window, rise=12.0, fall=8.0), 0.0)


def _wet_soil(pixels: Pixels, green: Array, rng: np.random.Generator) -> Array:
    # Where rain limits growth the green season is the wet one; where cold does, soils are wet in the cold months.
    wet_season = np.where(np.isin(pixels.climate, _COLD_LIMITED)[:, None], 1.0 - 0.7 * green, green)
    wet = pixels.scalars["soil_wet"][:, None] * np.clip(wet_season + rng.normal(0.0, 0.3, green.shape), 0, 1.2)
    # Water darkens soil, most of all in the short-wave infrared. Source: Lobell & Asner 2002,
    # doi:10.2136/sssaj2002.7220.
    strength = np.array([0.5, 0.5, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57, 0.72, 0.82])
    return np.asarray(pixels.soil[:, None, :] * (1 - wet[..., None] * strength))


def _herb_layer(pixels: Pixels, soil: Array, live: Array, dead: Array, flower: Array) -> Array:
    share = (live / np.maximum(live + dead, 1e-6))[..., None]
    leaf = tuple(
        share * alive[:, None, :] + (1 - share) * gone[:, None, :]
        for alive, gone in zip(pixels.herb_leaf, pixels.dead_leaf, strict=True)
    )
    canopy = canopy_reflectance((leaf[0], leaf[1]), live + dead, soil)
    petals = np.array([0.0, 0.075, 0.07, 0.06, 0.04, 0.02, 0.01, 0.0, 0.0, 0.0])
    canopy = canopy + flower[..., None] * petals
    return _mix(soil, canopy * 0.88, pixels.scalars["herb"][:, None])


def _shade(pixels: Pixels, day: Array) -> Array:
    """Share of light lost to shadows, (M, T): grows as the sun sinks."""
    low = 1 - np.clip(solar_elevation(pixels.lat_deg, day), 0.05, 1.0)
    return np.clip(pixels.scalars["shade"][:, None] * (0.6 + 1.8 * low), 0.0, 0.85)


def _crown_layer(pixels: Pixels, ground: Array, north: Array, green: Array, day: Array) -> Array:
    p = {name: value[:, None] for name, value in pixels.scalars.items()}
    summer = np.tile([100.0, 300.0], (len(pixels.lat_deg), 1))
    leafy = _season(north, summer, rise=12.0, fall=15.0) if pixels.opposite else green
    lai = p["crown_lai"] * (p["evergreen"] + (1 - p["evergreen"]) * leafy)
    twigs = 0.25 * p["crown_lai"] * (1 - p["evergreen"]) * (1 - leafy)
    share = (lai / np.maximum(lai + twigs, 1e-6))[..., None]
    leaf = tuple(
        share * alive[:, None, :] + (1 - share) * gone[:, None, :] * 0.8
        for alive, gone in zip(pixels.crown_leaf, pixels.dead_leaf, strict=True)
    )
    crowns = canopy_reflectance((leaf[0], leaf[1]), lai + twigs, ground)
    # Shadows reach the SWIR and the visible more than the NIR, where leaves scatter light into them.
    depth = np.array([1.0, 0.95, 1.0, 0.95, 0.85, 0.8, 0.8, 0.8, 0.95, 1.0])
    shade = _shade(pixels, day)[..., None] * depth
    lit = _mix(ground, crowns, p["crown"])
    return np.asarray(lit * (1 - shade))


def _snowed(pixels: Pixels, surface: Array, north: Array, *, under_crowns: bool) -> Array:
    """Cover (M, T, C) with the winter's snow; roofs and roads are half cleared."""
    amount = pixels.snow[:, :1] * _season(north, pixels.snow[:, 1:] % _YEAR, rise=6.0, fall=6.0)
    share = np.clip(1.3 * amount, 0, 0.97) * (0.5 if under_crowns else 1.0)
    share = np.where(pixels.snow[:, :1] > 0, share, 0.0) * (1 - 0.9 * pixels.scalars["water"][:, None])
    snow = 0.6 * np.array(SNOW["fresh"]) + 0.4 * np.array(SNOW["old"])
    return _mix(surface, snow, share)
