"""The result of `map_cube` and `ask_store`, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.ground.taxonomy import Taxonomy

__all__ = ["ClassArea", "Example", "MapResult", "Preview"]


@dataclass(frozen=True, slots=True)
class ClassArea:
    """Area of one class."""

    name: str
    """Class, or "unknown"."""
    value: int
    """Value in the class map."""
    colour: str
    """#rrggbb"""
    pixels: int
    """Number of pixels."""
    hectares: float
    """Area in hectares."""
    share: float
    """Share of the pixels with an observation."""
    mean_confidence: float
    """Mean confidence of its pixels, 0..1; NaN without pixels, and of "unknown"."""


@dataclass(frozen=True, slots=True)
class Example:
    """One pixel with its time series and what each step adds to its class."""

    name: str
    """Its class."""
    colour: str
    """#rrggbb"""
    confidence: float
    """0..1"""
    lon_deg: float
    """Longitude, EPSG:4326."""
    lat_deg: float
    """Latitude, EPSG:4326."""
    dates: tuple[str, ...]
    """First day of each step."""
    ndvi: tuple[float | None, ...]
    """NDVI of each step, None where missing."""
    contribution: tuple[float | None, ...]
    """What each step adds to the score of the class, None where missing."""


@dataclass(slots=True)
class Preview:
    """Rasters of the area at a lower resolution, for pictures."""

    step: int
    """Every n-th pixel is kept."""
    true_colour: NDArray[np.float32]
    """(y, x, 3) median reflectance of B04, B03, B02."""
    classes: NDArray[np.uint8]
    """(y, x) as in the class map."""
    confidence: NDArray[np.uint8]
    """(y, x) percent, 255 = nodata or unknown."""


@dataclass(frozen=True, slots=True)
class MapResult:
    """A map and its files."""

    folder: Path
    """Where the files are."""
    files: dict[str, Path]
    """By kind: classes, confidence, clear, scores, picture, page, provenance."""
    taxonomy: Taxonomy
    """The classes asked for."""
    areas: tuple[ClassArea, ...]
    """One entry a class, in order, then "unknown"."""
    nodata_pixels: int
    """Pixels without any clear observation, or with too few."""
    preview: Preview
    """Pictures for people."""
    examples: tuple[Example, ...]
    """A pixel of each of the most frequent classes."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Also in provenance.json."""

    @property
    def clipped(self) -> bool:
        """Whether the area is a polygon, outside of which pixels are nodata."""
        return bool(self.provenance["input"].get("area", {}).get("clipped"))
