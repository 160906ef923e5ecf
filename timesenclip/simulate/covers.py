"""Draw the parameters of pixels from the table of climates, leaf types and covers (`covers.yaml`)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from timesenclip.errors import InputError
from timesenclip.simulate.spectra import MATERIALS, SOILS, leaf_optics, vary_spectrum, water_reflectance

__all__ = ["Pixels", "cover_names", "cover_weights", "draw_pixels"]

Array = NDArray[np.float64]
_SCALARS: tuple[str, ...] = (
    "crown",
    "crown_lai",
    "evergreen",
    "shade",
    "herb",
    "herb_lai",
    "herb_base",
    "dead",
    "thatch",
    "drought",
)
_SCALARS += (
    "between",
    "flower",
    "soil_wet",
    "built",
    "water",
    "flood",
    "chlorophyll",
    "sediment",
    "cdom",
    "ice",
    "relief",
)


@dataclass(frozen=True, slots=True)
class Pixels:
    """Parameters of M pixels of one cover; everything that `render` needs."""

    cover: str
    """Name in covers.yaml."""
    climate: tuple[str, ...]
    """(M,) name of each pixel's climate."""
    lat_deg: Array
    """(M,)"""
    season: Array
    """(M, 2) green-up and brown-down, day of the northern year."""
    snow: Array
    """(M, 3): how much snow the winter brings (0 none), first and last day."""
    cycles: Array
    """(M, R, 2) sowing and harvest days of up to R crop cycles, NaN where there is none."""
    scalars: dict[str, Array]
    """(M,) each: the ranges of covers.yaml, drawn."""
    cuts: Array
    """(M, 6) mowing days, NaN where there is none."""
    dry_spell: Array
    """(M, 2) first and last day of a drought within the season."""
    crown_leaf: tuple[Array, Array]
    """Reflectance and transmittance of the live leaves of crowns (M, C)."""
    herb_leaf: tuple[Array, Array]
    """The same for herbs and crops."""
    dead_leaf: tuple[Array, Array]
    """The same for dead matter."""
    soil: Array
    """(M, C) dry soil or rock."""
    material: Array
    """(M, C) roofs and roads, mixed."""
    water: Array
    """(M, C) open water."""
    opposite: bool
    """Crowns keep the warm season whatever the climate (irrigated or deep-rooted vines and fruit trees)."""


@functools.cache
def _table() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("covers.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


def cover_names() -> tuple[str, ...]:
    """Names of all covers, in the order of covers.yaml."""
    return tuple(_table()["covers"])


def cover_weights() -> Array:
    """How often each cover is drawn when nothing else is said, summing to one."""
    weights = np.array([spec.get("weight", 1.0) for spec in _table()["covers"].values()])
    return np.asarray(weights / weights.sum())


def draw_pixels(
    cover: str, count: int, *, rng: np.random.Generator, climate: str | None = None, lat_deg: float | None = None
) -> Pixels:
    """Draw `count` pixels of one cover.

    Args:
        cover: a name of `cover_names()`.
        count: M.
        rng: all randomness comes from here.
        climate: fix the climate; must be one that the cover occurs in.
        lat_deg: fix the latitude.

    Raises:
        InputError: the cover is unknown or does not occur in the climate.
    """
    table = _table()
    if cover not in table["covers"]:
        raise InputError(f"Unknown cover '{cover}'; expected one of: {', '.join(cover_names())}.")
    spec = table["defaults"] | table["covers"][cover]
    if climate is not None and climate not in spec["climates"]:
        raise InputError(f"'{cover}' does not occur in the climate '{climate}'; expected one of {spec['climates']}.")
    climates = [climate] * count if climate else [str(c) for c in rng.choice(spec["climates"], count)]
    zones = [table["climates"][name] for name in climates]
    lat = np.array([rng.uniform(*z["latitude"]) for z in zones])
    lat *= np.where(rng.random(count) < np.array([spec.get("south", z["south"]) for z in zones]), -1.0, 1.0)
    lat = lat if lat_deg is None else np.full(count, float(lat_deg))
    scalars = {name: rng.uniform(spec[name][0], spec[name][1], count) for name in _SCALARS}
    for name in ("chlorophyll", "sediment", "cdom"):
        scalars[name] = np.exp(rng.uniform(np.log(spec[name][0]), np.log(spec[name][1]), count))
    season = _season(zones, rng)
    soil = np.array([SOILS[name] for name in rng.choice(spec["soils"], count)])
    soil = _blend(soil, np.array([SOILS[name] for name in rng.choice(spec["soils"], count)]), rng)
    return Pixels(
        cover=cover,
        climate=tuple(climates),
        lat_deg=lat,
        season=season,
        snow=_snow(zones, rng),
        cycles=_cycles(spec, climates, lat, season, rng),
        scalars=scalars,
        cuts=_cuts(int(spec["cuts"]), season, rng),
        dry_spell=_dry_spell(season, rng),
        crown_leaf=_leaves(table["leaves"][spec["crown_leaf"]], count, rng),
        herb_leaf=_leaves(table["leaves"][spec["herb_leaf"]], count, rng),
        dead_leaf=_dead_leaves(count, rng),
        soil=vary_spectrum(soil, rng, brightness=0.25, slope=0.10),
        material=_materials(spec["materials"], count, rng),
        water=water_reflectance(
            chlorophyll=scalars["chlorophyll"],
            sediment=scalars["sediment"],
            cdom=scalars["cdom"],
            surface=np.maximum(rng.gamma(1.2, 0.008, count), 0.0),
        ),
        opposite=bool(spec.get("opposite", False)),
    )


def _blend(first: Array, second: Array, rng: np.random.Generator) -> Array:
    share = rng.beta(0.6, 0.6, (len(first), 1))
    return np.asarray(share * first + (1 - share) * second)


def _season(zones: Sequence[dict[str, Any]], rng: np.random.Generator) -> Array:
    up = np.array([rng.normal(*z["green_up"]) for z in zones])
    down = np.array([rng.normal(*z["brown_down"]) for z in zones])
    return np.stack([up, down], axis=1) % 365.0


def _snow(zones: Sequence[dict[str, Any]], rng: np.random.Generator) -> Array:
    amount = np.array([(rng.random() < z["snow"]) * rng.uniform(0.3, 1.0) for z in zones])
    first, last = (np.array([z["snow_days"][i] for z in zones], dtype=float) for i in (0, 1))
    return np.stack([amount, first + rng.normal(0, 15, len(zones)), last + rng.normal(0, 15, len(zones))], axis=1)


def _cycles(
    spec: dict[str, Any], climates: Sequence[str], lat: Array, season: Array, rng: np.random.Generator
) -> Array:
    """Sowing and harvest of each pixel; rain-fed tropical crops follow the pixel's own green-up."""
    table = _table()["calendars"]
    cycles = np.full((len(climates), 2, 2), np.nan)
    for i, climate in enumerate(climates):
        options = [name for name in spec["cycles"] if climate in table[name]]
        if not options:
            continue
        cycles[i, 0] = np.array(table[rng.choice(options)][climate], dtype=float)
        if rng.random() < spec.get("second", 0.0) and climate in table["second"]:
            cycles[i, 1] = np.array(table["second"][climate], dtype=float)
        cycles[i] += rng.normal(0, [[14, 14]], (2, 2)) - spec.get("earlier", 0.0)
        if climate in ("monsoon", "bimodal", "equatorial"):
            cycles[i] += season[i, 0] - _table()["climates"][climate]["green_up"][0] + rng.normal(5, 12)
        elif climate in ("temperate", "steppe"):
            cycles[i, :, 1] += (abs(lat[i]) - 46.0) * 1.2
    return cycles


def _cuts(most: int, season: Array, rng: np.random.Generator) -> Array:
    days = np.full((len(season), 6), np.nan)
    if most == 0:
        return days
    length = (season[:, 1] - season[:, 0]) % 365.0
    number = rng.integers(0, most + 1, len(season))
    when = season[:, :1] + length[:, None] * rng.uniform(0.2, 0.95, (len(season), 6))
    return np.where(np.arange(6) < number[:, None], when, np.nan)


def _dry_spell(season: Array, rng: np.random.Generator) -> Array:
    length = (season[:, 1] - season[:, 0]) % 365.0
    first = season[:, 0] + length * rng.uniform(0.15, 0.7, len(season))
    return np.stack([first, first + rng.uniform(25, 90, len(season))], axis=1) % 365.0


def _leaves(ranges: dict[str, list[float]], count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    return leaf_optics(**{name: rng.uniform(low, high, count) for name, (low, high) in ranges.items()})


def _dead_leaves(count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    return leaf_optics(
        structure=rng.uniform(1.6, 2.2, count),
        chlorophyll=rng.gamma(1.0, 2.0, count),
        brown=rng.uniform(0.1, 0.9, count),
        water=rng.uniform(0.0005, 0.002, count),
        dry_matter=rng.uniform(0.003, 0.006, count),
    )


def _materials(names: Sequence[str], count: int, rng: np.random.Generator) -> Array:
    chosen = np.array([[MATERIALS[name] for name in rng.choice(names, 3)] for _ in range(count)])  # (M, 3, C)
    share = rng.dirichlet((0.8, 0.8, 0.8), count)
    return vary_spectrum(np.einsum("mk,mkc->mc", share, chosen), rng, brightness=0.2, slope=0.08)
