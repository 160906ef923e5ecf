"""Reflectance of surfaces: leaves, canopies, soils, water, building materials and snow in the ten bands.

Leaves are PROSPECT-D (tabulated, see scripts/build-leaf-optics), canopies the diffuse fluxes of SAIL, water a
semi-analytical bio-optical model. Soils, rocks, materials and snow are rounded values typical of the classes of the
USGS (Kokaly et al. 2017, doi:10.3133/ds1035) and ECOSTRESS (Meerdink et al. 2019, doi:10.1016/j.rse.2019.05.015)
spectral libraries, set down by hand for this project; they are perturbed for every pixel, so that no result hangs
on the third digit.

All arrays end in the C axis, `BAND_NAMES` order; reflectance 0..1.
"""

from __future__ import annotations

import functools
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from timesenclip.bands import BANDS

__all__ = ["MATERIALS", "SNOW", "SOILS", "canopy_reflectance", "leaf_optics", "vary_spectrum", "water_reflectance"]

Array = NDArray[np.float64]

SOILS: dict[str, tuple[float, ...]] = {
    "loam": (0.08, 0.11, 0.15, 0.17, 0.19, 0.21, 0.23, 0.25, 0.34, 0.30),
    "bright loam": (0.11, 0.16, 0.22, 0.24, 0.26, 0.28, 0.30, 0.32, 0.41, 0.37),
    "dark soil": (0.04, 0.05, 0.065, 0.075, 0.085, 0.095, 0.11, 0.12, 0.18, 0.16),
    "peat": (0.025, 0.032, 0.042, 0.052, 0.065, 0.08, 0.10, 0.11, 0.16, 0.12),
    "red laterite": (0.05, 0.08, 0.17, 0.21, 0.23, 0.25, 0.27, 0.29, 0.37, 0.32),
    "orange sand": (0.08, 0.15, 0.29, 0.34, 0.37, 0.39, 0.41, 0.42, 0.55, 0.51),
    "yellow sand": (0.15, 0.23, 0.32, 0.35, 0.37, 0.39, 0.41, 0.42, 0.53, 0.49),
    "pale sand": (0.26, 0.33, 0.40, 0.43, 0.45, 0.46, 0.48, 0.49, 0.56, 0.50),
    "salt crust": (0.38, 0.44, 0.49, 0.51, 0.52, 0.53, 0.54, 0.54, 0.44, 0.30),
    "basalt": (0.055, 0.062, 0.07, 0.073, 0.076, 0.08, 0.083, 0.085, 0.11, 0.11),
    "granite gravel": (0.14, 0.17, 0.20, 0.21, 0.22, 0.23, 0.24, 0.25, 0.31, 0.29),
    "limestone": (0.21, 0.26, 0.30, 0.32, 0.33, 0.34, 0.35, 0.36, 0.41, 0.37),
    "desert pavement": (0.10, 0.14, 0.20, 0.22, 0.24, 0.25, 0.27, 0.28, 0.36, 0.33),
    "shale": (0.07, 0.085, 0.10, 0.108, 0.115, 0.12, 0.13, 0.135, 0.18, 0.17),
}
"""Dry soils, sands and rocks."""

MATERIALS: dict[str, tuple[float, ...]] = {
    "asphalt": (0.075, 0.085, 0.095, 0.10, 0.105, 0.11, 0.115, 0.12, 0.15, 0.15),
    "old asphalt": (0.12, 0.14, 0.155, 0.165, 0.17, 0.175, 0.18, 0.185, 0.22, 0.21),
    "concrete": (0.20, 0.235, 0.265, 0.275, 0.28, 0.285, 0.29, 0.30, 0.34, 0.31),
    "red tile": (0.07, 0.10, 0.20, 0.24, 0.265, 0.285, 0.30, 0.315, 0.39, 0.37),
    "bitumen roof": (0.05, 0.055, 0.06, 0.063, 0.066, 0.07, 0.073, 0.075, 0.10, 0.11),
    "bright roof": (0.40, 0.43, 0.45, 0.455, 0.46, 0.46, 0.46, 0.46, 0.42, 0.38),
    "metal roof": (0.22, 0.235, 0.245, 0.25, 0.25, 0.25, 0.25, 0.25, 0.28, 0.27),
    "blue roof": (0.22, 0.16, 0.12, 0.12, 0.14, 0.18, 0.22, 0.24, 0.28, 0.24),
    "earth and brick": (0.09, 0.12, 0.17, 0.195, 0.21, 0.225, 0.24, 0.25, 0.33, 0.31),
}
"""Roofs, roads and walls."""

SNOW: dict[str, tuple[float, ...]] = {
    "fresh": (0.92, 0.92, 0.91, 0.90, 0.89, 0.87, 0.85, 0.83, 0.12, 0.10),
    "old": (0.72, 0.72, 0.70, 0.68, 0.66, 0.62, 0.58, 0.55, 0.05, 0.04),
    "bare ice": (0.55, 0.53, 0.48, 0.44, 0.40, 0.34, 0.29, 0.25, 0.02, 0.02),
}
"""Snow and ice after Warren (1982), doi:10.1029/RG020i001p00067."""

# Absorption of pure water in m-1, band means. Source: Pope & Fry 1997 to 727 nm; Kou et al. 1993 beyond.
_WATER_ABSORPTION = np.array([0.018, 0.065, 0.44, 0.72, 2.6, 2.4, 3.6, 4.7, 600.0, 2200.0])
# Backscattering of pure water in m-1. Source: Morel 1974, 0.00144 m-1 at 500 nm, exponent -4.32, halved.
_CENTRES_NM = np.array([band.centre_nm for band in BANDS])
_WATER_BACKSCATTER = 0.00144 / 2 * (_CENTRES_NM / 500.0) ** -4.32
# Phytoplankton specific absorption shape, m2 mg-1, from Bricaud et al. 1995 at chlorophyll of some mg m-3.
_PHYTO = np.array([0.028, 0.009, 0.015, 0.002, 0, 0, 0, 0, 0, 0])


@functools.cache
def _leaf_table() -> RegularGridInterpolator:
    with resources.files(__package__).joinpath("leaf_optics.npz").open("rb") as stream:
        file = np.load(stream, allow_pickle=False)
        names = ("structure", "chlorophyll", "brown", "water", "dry_matter")
        axes = tuple(file[name].astype(np.float64) for name in names)
        return RegularGridInterpolator(axes, file["optics"].astype(np.float64))


def leaf_optics(
    *, structure: Array, chlorophyll: Array, brown: Array, water: Array, dry_matter: Array
) -> tuple[Array, Array]:
    """Leaf reflectance and transmittance by PROSPECT-D, interpolated; inputs are clipped to the table.

    Args:
        structure: N, number of layers, 1.2..2.2.
        chlorophyll: Cab in ug cm-2, 0..70; carotenoids are a fifth of it.
        brown: Cbrown, 0..1.
        water: Cw in cm, 0.0005..0.03.
        dry_matter: Cm in g cm-2, 0.003..0.025.

    Returns:
        Two arrays (..., C).
    """
    table = _leaf_table()
    given = np.broadcast_arrays(structure, chlorophyll, brown, water, dry_matter)
    points = np.stack([np.clip(x, axis[0], axis[-1]) for x, axis in zip(given, table.grid, strict=True)], axis=-1)
    both = table(points)  # (..., 2, C)
    return both[..., 0, :], both[..., 1, :]


def canopy_reflectance(leaf: tuple[Array, Array], lai: Array, background: Array) -> Array:
    """Reflectance of a canopy of randomly oriented leaves over a background, under diffuse light.

    Source: Verhoef (1984), SAIL, doi:10.1016/0034-4257(84)90057-9: the bihemispherical solution with a spherical
    leaf angle distribution, for which the mean of cos^2 of the leaf angle is 1/3.

    Args:
        leaf: reflectance and transmittance (..., C).
        lai: leaf area index (...), m2 m-2.
        background: what lies below (..., C).
    """
    rho, tau = leaf
    back = (rho + tau) / 2 + (rho - tau) / 6
    forward = (rho + tau) / 2 - (rho - tau) / 6
    attenuation = 1 - forward
    m = np.sqrt(np.maximum(attenuation**2 - back**2, 1e-9))
    infinite = (attenuation - m) / np.maximum(back, 1e-6)
    e = np.exp(-m * lai[..., None])
    denominator = 1 - infinite**2 * e**2
    reflected = infinite * (1 - e**2) / denominator
    transmitted = (1 - infinite**2) * e / denominator
    return np.asarray(reflected + transmitted**2 * background / (1 - background * reflected))


def water_reflectance(*, chlorophyll: Array, sediment: Array, cdom: Array, surface: Array) -> Array:
    """Reflectance of optically deep water as L2A sees it.

    Source: Lee et al. (2002), doi:10.1364/AO.41.005755: r = (0.089 + 0.125 u) u with u = bb / (a + bb), and
    Rrs = 0.52 r / (1 - 1.7 r); reflectance = pi Rrs + `surface`.

    Args:
        chlorophyll: mg m-3 (...). sediment: g m-3 (...). cdom: absorption at 440 nm in m-1 (...).
        surface: what glint, sky and imperfect atmospheric correction add, reflectance (...).

    Returns:
        (..., C)
    """
    chl, tss, yellow, top = (np.asarray(x)[..., None] for x in (chlorophyll, sediment, cdom, surface))
    particles = 0.04 * tss * np.exp(-0.0123 * (_CENTRES_NM - 443.0))
    absorption = _WATER_ABSORPTION + chl * _PHYTO + yellow * np.exp(-0.015 * (_CENTRES_NM - 440.0)) + particles
    scatter = _WATER_BACKSCATTER + (0.0125 * tss + 0.003 * chl**0.62) * (550.0 / _CENTRES_NM) ** 0.8
    u = scatter / (absorption + scatter)
    below = (0.089 + 0.125 * u) * u
    return np.asarray(np.pi * 0.52 * below / (1 - 1.7 * below) + top * (_CENTRES_NM / 550.0) ** -0.3)


def vary_spectrum(base: Array, rng: np.random.Generator, *, brightness: float, slope: float) -> Array:
    """Scale and tilt spectra (M, C) at random: log-normal brightness, and a slope over the logarithm of wavelength."""
    tilt = np.log(_CENTRES_NM / 800.0)
    count = base.shape[0]
    factor = np.exp(rng.normal(0, brightness, (count, 1)) + rng.normal(0, slope, (count, 1)) * tilt)
    return np.clip(base * factor * np.exp(rng.normal(0, 0.02, base.shape)), 0.004, 0.98)
