"""Sensors by name: which column of a table is which of our bands.

    name                what it reads                                                     numbers that collide
    sentinel-2          the ten bands, as ESA, STAC and HLS S30 write them                -
    sentinel-2-10m      of these B02, B03, B04, B08 only                                  -
    rgb                 of these B02, B03, B04 only                                       -
    landsat             Landsat 8/9 (OLI): B2 B3 B4 B5 B6 B7, SR_B2 ..., nir08, swir16    B5, B6, B7, B11
    hls-l30             Landsat in HLS: B02 B03 B04 B05 B06 B07                           B05, B06, B07, B11
    hls-s30             Sentinel-2 in HLS: as sentinel-2                                  -
    brazil-data-cube    Sentinel-2 cubes as sentinel-2; CBERS-4: BAND13 ... BAND16        -

B5 of Landsat is near infrared (our B8A), B6 and B7 are shortwave infrared (B11, B12), and its B11 is thermal;
Sentinel-2 has red edge under the numbers 5 to 7. Names that only one sensor has decide; bare numbers that both have do
not, and are refused until the sensor is said.

Source: USGS, Landsat 8-9 Collection 2 Level 2 product guide; NASA, HLS V2.0 user guide; INPE, Brazil Data Cube, bands
of CBERS-4 AWFI (band 16: 0.77-0.89 um, as B08).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from timesenclip.bands import BAND_NAMES, SCL_NAME, SENSORS, canonical_band
from timesenclip.errors import BandError

__all__ = ["AUTO", "READABLE", "Sensor", "SensorName", "chosen_sensor", "sensor_of_layers"]

AUTO = "auto"
"""Decide by the names."""

SensorName = Literal["auto", "sentinel-2", "sentinel-2-10m", "rgb", "landsat", "hls-l30", "hls-s30", "brazil-data-cube"]

_OLI_NUMBERS = {"2": "B02", "3": "B03", "4": "B04", "5": "B8A", "6": "B11", "7": "B12"}
_OLI_NAMES = {"coastal": "", "blue": "B02", "green": "B03", "red": "B04", "nir": "B8A", "nir08": "B8A"} | {
    "swir1": "B11",
    "swir16": "B11",
    "swir2": "B12",
    "swir22": "B12",
}
_LANDSAT_PREFIX = re.compile(r"^(?:landsat[-_]?[89]?|l[89]|lc0[89]|hls[-_]?l30|hls|l30)[-_]+", re.IGNORECASE)
_HLS_PREFIX = re.compile(r"^(?:hls[-_]?s30|hls|s30)[-_]+", re.IGNORECASE)
_CBERS = {"band13": "B02", "band14": "B03", "band15": "B04", "band16": "B08"}
_NUMBER = re.compile(r"^(sr_)?b(?:and)?0?(\d{1,2})$", re.IGNORECASE)
_SENTINEL_PREFIX = re.compile(r"^(?:s2|sentinel2|optical)[-_]", re.IGNORECASE)
_ONLY_LANDSAT = re.compile(
    r"^(?:(?:landsat[-_]?[89]?|l[89]|lc0[89]|hls[-_]?l30|l30)[-_]+(?:(?:sr_)?b\d{1,2}|"
    + "|".join(_OLI_NAMES)
    + r")|sr_b\d{1,2})$",
    re.IGNORECASE,
)
_LOOKS_LIKE_BAND = re.compile(
    r"^(?:S2[-_]L2A[-_]|OPTICAL[-_]|SENTINEL2[-_]|S2[-_]|HLS[-_]|SR_)?(B\d{1,2}A?|B8A)$", re.IGNORECASE
)
_UNUSED = {
    "sentinel-2": frozenset({"B01", "B1", "B09", "B9", "B10"}),
    "landsat": frozenset({"B01", "B1", "B08", "B8", "B09", "B9", "B10", "B11"}),
}
"""Bands that a sensor has and nobody here reads: coastal aerosol, pan, water vapour, cirrus and thermal."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """How the columns of a sensor are named."""

    name: str
    """As `--sensor` takes it."""
    bands: tuple[str, ...]
    """Which of our bands are read."""
    numbers: Literal["sentinel-2", "landsat"] = "sentinel-2"
    """Whose numbers bare names such as B05 are."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Further names, in lower case."""
    collection_2: bool = False
    """Whether values may be Landsat Collection 2's numbers (x 0.0000275 - 0.2)."""

    def band_of(self, name: str) -> str | None:
        """The band that a name stands for; None where it is none that is read."""
        band = self._landsat(name) if self.numbers == "landsat" else self._sentinel(name)
        return band if band in self.bands else None

    def unknown(self, name: str) -> str | None:
        """The band that a name seems to name although the sensor has none of this name; None if all is well."""
        bare = _LOOKS_LIKE_BAND.match(name)
        if bare is None or bare[1].upper() in _UNUSED[self.numbers] or canonical_band(name) in BAND_NAMES:
            return None
        return None if self.band_of(name) else bare[1]

    def _sentinel(self, name: str) -> str | None:
        bare = _HLS_PREFIX.sub("", name.strip())
        return self.more.get(bare.lower()) or canonical_band(bare)

    def _landsat(self, name: str) -> str | None:
        if _SENTINEL_PREFIX.match(name.strip()):  # Landsat's bands under the names of ours
            return canonical_band(name)
        bare = _LANDSAT_PREFIX.sub("", name.strip()).lower()
        number = _NUMBER.match(bare)
        return _OLI_NUMBERS.get(number[2]) if number else _OLI_NAMES.get(bare)


_TEN = Sensor("sentinel-2", SENSORS["sentinel-2"])
READABLE: dict[str, Sensor] = {
    "sentinel-2": _TEN,
    "sentinel-2-10m": Sensor("sentinel-2-10m", SENSORS["sentinel-2-10m"]),
    "rgb": Sensor("rgb", SENSORS["rgb"], more=_CBERS),
    "landsat": Sensor("landsat", SENSORS["landsat"], numbers="landsat", collection_2=True),
    "hls-l30": Sensor("hls-l30", SENSORS["landsat"], numbers="landsat"),
    "hls-s30": Sensor("hls-s30", SENSORS["sentinel-2"]),
    "brazil-data-cube": Sensor("brazil-data-cube", SENSORS["brazil-data-cube"], more=_CBERS),
}
"""Sensors by the names that `--sensor` takes."""

_LIKE_SENTINEL = Sensor("landsat", SENSORS["landsat"], collection_2=True)
"""Landsat's bands under the numbers of Sentinel-2, as in a table with B8A, B11 and B12."""


def chosen_sensor(names: Iterable[str], *, sensor: str = AUTO, source_name: str) -> Sensor:
    """The sensor whose names these are.

    Args:
        names: names of columns, without the steps of a wide table; those that are no bands do not matter.
        sensor: as `--sensor`; `auto` decides by names that only one sensor has.
        source_name: name of the table, for the message.

    Raises:
        BandError: the sensor is unknown, or `auto` cannot tell whose numbers B05, B06 and B07 are.
    """
    given = list(names)
    if sensor != AUTO:
        chosen = READABLE.get(sensor)
        if chosen is None:
            near = difflib.get_close_matches(sensor, READABLE, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise BandError(f"Unknown sensor '{sensor}': expected {AUTO}, {', '.join(READABLE)}.{hint}")
        return _LIKE_SENTINEL if sensor == "landsat" and _numbers(given) & {"B8A", "B12"} else chosen
    if any(name.strip().lower() in _CBERS for name in given):
        return READABLE["brazil-data-cube"]
    marked = [name for name in given if _ONLY_LANDSAT.match(name.strip())]
    if marked:
        _require_oli(marked, source_name)
        return READABLE["hls-l30" if any("l30" in name.lower() for name in marked) else "landsat"]
    bare = _numbers(given)
    if bare & {"B05", "B06", "B07"} and not bare & {"B8A", "B12"} and not any(map(_is_of_sentinel, given)):
        doubtful = ", ".join(sorted(bare & {"B05", "B06", "B07"}))
        raise BandError(
            f"{source_name}: {doubtful} may be red edge of Sentinel-2, or near and shortwave infrared of Landsat, and "
            "no other column tells. Say --sensor sentinel-2, landsat or hls-l30."
        )
    return _TEN


def sensor_of_layers(names: Iterable[str], *, sensor: str = AUTO, source_name: str) -> Sensor:
    """As `chosen_sensor` for layers of images: a scene classification (SCL) comes with Sentinel-2 only.

    Raises:
        BandError: as `chosen_sensor`.
    """
    given = list(names)
    of_sentinel = sensor == AUTO and any(name.upper() == SCL_NAME for name in given)
    return chosen_sensor(given, sensor="sentinel-2" if of_sentinel else sensor, source_name=source_name)


def _is_of_sentinel(name: str) -> bool:
    return _SENTINEL_PREFIX.match(name) is not None and canonical_band(name) is not None


def _numbers(names: Iterable[str]) -> set[str]:
    """The bands among the names that are bare numbers or carry a prefix of HLS, in the numbers of Sentinel-2."""
    bare = (_HLS_PREFIX.sub("", name.strip()) for name in names)
    found = {canonical_band(name) for name in bare if re.fullmatch(r"b\d{1,2}a?", name, re.IGNORECASE)}
    return {band for band in found if band in BAND_NAMES}


def _require_oli(marked: list[str], source_name: str) -> None:
    """Refuse `SR_B*` of which it is not clear whether they are of Landsat 8/9: Landsat 4 to 7 count otherwise.

    Raises:
        BandError: SR_B6, which only Landsat 8 and 9 have, is not there.
    """
    surface = {name.strip().upper() for name in marked if name.strip().upper().startswith("SR_B")}
    if surface and "SR_B6" not in surface:
        raise BandError(
            f"{source_name}: {', '.join(sorted(surface))} may be of Landsat 8/9 or of Landsat 4 to 7, which number "
            "their bands otherwise. Say --sensor landsat for 8 and 9; rename those of the others to blue, green, red, "
            "nir, swir1, swir2."
        )
