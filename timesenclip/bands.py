"""The one table of Sentinel-2 bands, and the one table of normalisation constants.

Other modules take band names and normalisation constants from here.

Source: band centres: ESA, Sentinel-2 MSI User Guide, spectral bands of S2A.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import BandError

__all__ = [
    "BANDS",
    "BAND_NAMES",
    "BAND_SETS",
    "NORMALISATIONS",
    "SCL_CLASSES",
    "SCL_NAME",
    "SENSORS",
    "Band",
    "Normalisation",
    "band_index",
    "canonical_band",
    "require_bands",
]


@dataclass(frozen=True, slots=True)
class Band:
    """One Sentinel-2 MSI band that the encoder reads."""

    name: str
    """ESA name, two digits: `B02`."""
    common_name: str
    """STAC EO extension's common name: `blue`."""
    centre_nm: float
    """Central wavelength of S2A in nanometres."""
    resolution_m: int
    """Native ground sampling distance in metres."""


BANDS: tuple[Band, ...] = (
    Band("B02", "blue", 492.4, 10),
    Band("B03", "green", 559.8, 10),
    Band("B04", "red", 664.6, 10),
    Band("B05", "rededge071", 704.1, 20),
    Band("B06", "rededge075", 740.5, 20),
    Band("B07", "rededge078", 782.8, 20),
    Band("B08", "nir", 832.8, 10),
    Band("B8A", "nir08", 864.7, 20),
    Band("B11", "swir16", 1613.7, 20),
    Band("B12", "swir22", 2202.4, 20),
)
"""The ten bands in the order every array of this package has them (the C axis)."""

BAND_NAMES: tuple[str, ...] = tuple(band.name for band in BANDS)
"""ESA names in array order."""

BAND_SETS: dict[str, tuple[str, ...]] = {
    "all": BAND_NAMES,
    "10m": tuple(band.name for band in BANDS if band.resolution_m == 10),
    "rgb": ("B04", "B03", "B02"),
}
"""Sets of bands that experiments compare, to measure what the other bands add."""

SENSORS: dict[str, tuple[str, ...]] = {
    "sentinel-2": BAND_NAMES,
    "sentinel-2-10m": BAND_SETS["10m"],
    "landsat": ("B02", "B03", "B04", "B8A", "B11", "B12"),
    "brazil-data-cube": BAND_NAMES,
    "rgb": ("B02", "B03", "B04"),
}
"""Bands of sensors and products by name, as bands of Sentinel-2. Landsat 8/9 and HLS: the near infrared of OLI
(851-879 nm) stands as B8A (855-875 nm). Source: USGS, Landsat 8-9 OLI/TIRS; NASA, HLS user guide."""

SCL_NAME = "SCL"
"""Name of the scene classification layer that comes with every L2A product."""

SCL_CLASSES: dict[int, str] = {
    0: "no data",
    1: "saturated or defective",
    2: "dark area",
    3: "cloud shadow",
    4: "vegetation",
    5: "not vegetated",
    6: "water",
    7: "unclassified",
    8: "cloud, medium probability",
    9: "cloud, high probability",
    10: "thin cirrus",
    11: "snow or ice",
}
"""Scene classification values. Source: ESA, Sen2Cor, scene classification."""

_EARTH_SEARCH_NAMES = {"rededge1": "B05", "rededge2": "B06", "rededge3": "B07"}
_SHORTWAVE_NAMES = {"swir1": "B11", "swir2": "B12"}
_ALIASES: dict[str, str] = (
    {band.name.lower(): band.name for band in BANDS}
    | {band.name.lower().replace("b0", "b"): band.name for band in BANDS}
    | {band.common_name: band.name for band in BANDS}
    | _EARTH_SEARCH_NAMES
    | _SHORTWAVE_NAMES
)
_PREFIX = re.compile(r"^(?:s2[-_]l2a[-_]|sentinel2[-_]|optical[-_]|s2[-_])")


def canonical_band(name: str) -> str | None:
    """ESA name of a band however it is written (`B2`, `blue`, `S2-L2A-B02`), or None if it is none of ours."""
    return _ALIASES.get(_PREFIX.sub("", name.strip().lower()))


def band_index(name: str) -> int:
    """Position of a band on the C axis.

    Raises:
        BandError: the name is not one of the ten bands; the nearest name is suggested.
    """
    canonical = canonical_band(name)
    if canonical is None:
        near = difflib.get_close_matches(name.strip().lower(), _ALIASES, n=1, cutoff=0.3)
        hint = f" Did you mean {_ALIASES[near[0]]}?" if near else ""
        raise BandError(f"Unknown band '{name}': expected one of {', '.join(BAND_NAMES)}.{hint}")
    return BAND_NAMES.index(canonical)


def require_bands(names: Iterable[str], *, source_name: str) -> None:
    """Raise a `BandError` that lists what is missing unless all ten (canonical) names are there."""
    present = set(names)
    missing = [name for name in BAND_NAMES if name not in present]
    if missing:
        have = ", ".join(name for name in BAND_NAMES if name in present) or "none"
        raise BandError(
            f"{source_name}: missing band {', '.join(missing)} (found: {have}). All ten bands "
            f"{BAND_NAMES[0]}..{BAND_NAMES[-1]} are needed; add the missing columns or files."
        )


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Maps reflectance to encoder input: `clip((DN - low) / scale, 0, 1) ** power` per band, DN = reflectance
    * 10000.
    """

    name: str
    """Name stored in the checkpoint's config."""
    low_dn: tuple[float, ...]
    """Subtracted, in DN, one per band."""
    scale_dn: tuple[float, ...]
    """Divisor, in DN, one per band."""
    power: float = 1.0
    """Exponent; below 1 it spreads dark targets (water, shade) that a linear scale crowds together."""

    def of(self, band_names: Sequence[str] | None) -> Normalisation:
        """The same normalisation for these bands only, in this order; None: for all ten."""
        if band_names is None:
            return self
        index = [band_index(name) for name in band_names]
        low, scale = (tuple(values[i] for i in index) for values in (self.low_dn, self.scale_dn))
        return Normalisation(self.name, low, scale, self.power)

    def __call__(self, reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalise reflectance whose C axis is axis 2: (N, T, C) or (N, T, C, Y, X), float32 0..1."""
        shape = (1, 1, -1) + (1,) * (reflectance.ndim - 3)
        low = np.asarray(self.low_dn, dtype=np.float32).reshape(shape) * np.float32(1e-4)
        scale = np.asarray(self.scale_dn, dtype=np.float32).reshape(shape) * np.float32(1e-4)
        x = reflectance - low
        x /= scale  # in place, as below: batches of patches are large
        np.clip(x, 0.0, 1.0, out=x)
        return np.asarray(x if self.power == 1.0 else x**self.power, dtype=np.float32)


_PAPER_LOW = (67.0, 122.0, 93.27, 158.5, 160.77, 174.27, 162.27, 149.0, 84.5, 66.27)
_PAPER_HIGH = (2089.0, 2598.45, 3214.5, 3620.45, 4033.61, 4613.0, 4825.45, 4945.72, 5140.84, 4414.45)

NORMALISATIONS: dict[str, Normalisation] = {
    # Source: the authors' code, constants of Sen4Map. They divide by `high`, not by `high - low`.
    "sen4map": Normalisation("sen4map", _PAPER_LOW, tuple(high + 1e-6 for high in _PAPER_HIGH)),
    # Differs: bright sand, roofs and snow are not clipped at 0.2 in the blue, and water keeps its contrast.
    "sqrt": Normalisation("sqrt", (0.0,) * 10, (10000.0,) * 10, power=0.5),
}
"""Normalisation by name; a checkpoint names the one it was trained with."""
