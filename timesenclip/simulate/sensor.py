"""Effects between the ground and a monthly composite: haze, thin cloud, shadow, slopes, noise, missing months."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BANDS
from timesenclip.simulate.covers import Pixels, _table
from timesenclip.simulate.pixel import solar_elevation

__all__ = ["CLOUD", "HAZE", "observe", "to_top_of_atmosphere"]

Array = NDArray[np.float64]
_CENTRES_NM = np.array([band.centre_nm for band in BANDS])
CLOUD = np.array([0.62, 0.62, 0.62, 0.62, 0.63, 0.63, 0.63, 0.63, 0.45, 0.34])
"""(C,) reflectance of thick cloud as L2A shows it: bright, a little darker in the short-wave infrared (ice absorbs)."""
HAZE = (_CENTRES_NM / 490.0) ** -1.4
"""(C,) light that haze adds, relative to that at 490 nm."""

# How far bands stray from each other between processing versions; the broad B08 most of all.
_BAND_SPREAD = np.array([0.03, 0.02, 0.02, 0.02, 0.02, 0.02, 0.045, 0.02, 0.025, 0.03])


def observe(
    pixels: Pixels, surface: Array, day: Array, *, rng: np.random.Generator, cloud: float = 1.0
) -> tuple[Array, NDArray[np.bool_]]:
    """Turn surface reflectance into what a monthly median of clear observations holds.

    Args:
        pixels: the M pixels, for latitude, climate and relief.
        surface: (M, T, C) reflectance.
        day: (M, T) day of the year.
        rng: all randomness comes from here.
        cloud: scales haze, residual cloud and missing months; 0 gives clean, complete series.

    Returns:
        Reflectance (M, T, C) and `valid` (M, T).
    """
    m, t, c = surface.shape
    seen = _illuminated(pixels, surface, day, rng)
    # Some places are seen often and cleanly, others through haze all year.
    cloudy = cloud * np.exp(rng.normal(-0.35, 0.6, (m, 1)))
    unsteady = np.minimum(0.25 + 0.75 * cloudy, 2.0)[..., None]
    aerosol = rng.normal(0.0, 0.006, (m, t, 1)) * unsteady + rng.normal(0.0, 0.004, (m, 1, 1))
    seen = seen + aerosol * HAZE
    hazy = (rng.random((m, t)) < 0.10 * cloudy) * rng.beta(0.8, 5.0, (m, t))
    seen = seen + hazy[..., None] * (CLOUD - seen)
    shadow = (rng.random((m, t)) < 0.05 * cloudy) * rng.uniform(0.05, 0.6, (m, t))
    seen = seen * (1 - shadow[..., None])
    common = rng.normal(0.0, 0.035, (m, t, 1)) * unsteady + rng.normal(0.0, 0.04, (m, 1, 1))
    single = rng.normal(0.0, 0.018, (m, t, c)) * unsteady + rng.normal(0.0, 1.0, (m, 1, c)) * _BAND_SPREAD
    seen = seen * np.exp(common + single) + rng.normal(0.0, 0.0025, (m, t, c)) * unsteady
    return np.clip(seen, 0.0001, 1.2), _valid_months(pixels, day, rng, cloudy)


def _illuminated(pixels: Pixels, surface: Array, day: Array, rng: np.random.Generator) -> Array:
    """Brighten or darken slopes; the lower the sun, the more. Source: the cosine of the incidence angle,
    Teillet 1982.
    """
    sine = np.clip(solar_elevation(pixels.lat_deg, day), 0.15, 1.0)
    tilt = rng.normal(0.0, 1.0, (len(surface), 1)) * pixels.scalars["relief"][:, None]
    factor = np.clip(1 + tilt * np.sqrt(1 - sine**2) / sine, 0.3, 1.8)
    return np.asarray(surface * factor[..., None])


def _valid_months(pixels: Pixels, day: Array, rng: np.random.Generator, cloud: Array) -> NDArray[np.bool_]:
    """Months with at least one clear observation; dark winters and wet seasons lose the most."""
    if not cloud.any():
        return np.ones(day.shape, dtype=np.bool_)
    clear = np.array([_table()["climates"][name]["clear"] for name in pixels.climate])[:, None]
    chance = clear ** (cloud * rng.gamma(1.0, 1.0, (len(day), 1)))
    chance = np.where(solar_elevation(pixels.lat_deg, day) < 0.12, 0.25, chance)
    valid = rng.random(day.shape) < chance
    valid[np.arange(len(day)), rng.integers(0, day.shape[1], len(day))] = True
    return valid


def to_top_of_atmosphere(reflectance: Array, *, rng: np.random.Generator) -> Array:
    """Roughly what L1C shows of it (..., T, C): Rayleigh and aerosol path light, less transmittance.

    Source: Rayleigh optical depth after Hansen & Travis 1974 (0.00864 um^-4.08), single scattering at nadir.
    """
    depth = 0.00864 * (_CENTRES_NM / 1000.0) ** -4.08
    aerosol = rng.gamma(2.0, 0.05, (*reflectance.shape[:-2], 1, 1)) * (_CENTRES_NM / 550.0) ** -1.3
    path = 0.42 * depth + 0.12 * aerosol
    transmittance = np.exp(-0.9 * depth - 0.25 * aerosol)
    return np.asarray(path + reflectance * transmittance)
