"""Rasters of a map before they are files: the grid they share, and what each of them holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from affine import Affine

from timesenclip.grid import resolution_m
from timesenclip.ground.taxonomy import Taxonomy

__all__ = [
    "CLASS_NODATA",
    "MAP_LAYERS",
    "SCORE_NODATA",
    "UNKNOWN_VALUE",
    "AreaGrid",
    "Layer",
    "class_colours",
    "class_layer",
    "map_layers",
]

CLASS_NODATA = 255
"""Nodata of class and confidence maps; an unknown pixel has a class value, 0, and no confidence."""
UNKNOWN_VALUE = 0
"""Value of unknown pixels in class maps."""
SCORE_NODATA = -9999.0
"""Nodata of score maps."""
MAP_LAYERS = ("classes", "confidence", "clear", "scores")
"""Names of the rasters of a map, which are also those of the arrays of `ClassBlock`; the scores are optional."""
UNKNOWN_COLOUR = (128, 128, 128)


class _OnGrid(Protocol):
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def crs(self) -> str: ...
    @property
    def transform(self) -> Affine: ...


@dataclass(frozen=True, slots=True)
class AreaGrid:
    """Where the pixels of an area are."""

    shape: tuple[int, int]
    """(Y, X) in pixels."""
    crs: str
    """Authority string or WKT."""
    transform: Affine
    """From (column, row) of a pixel's upper left corner to CRS units."""

    @classmethod
    def of(cls, area: _OnGrid) -> AreaGrid:
        """The grid of an area source or of an embedding store."""
        return cls(area.shape, area.crs, area.transform)

    @property
    def pixel_m(self) -> float:
        """Side of a pixel in metres, on the ground in the middle of the area."""
        return resolution_m(self.crs, self.transform, self.shape)


@dataclass(frozen=True, slots=True)
class Layer:
    """One raster of a map."""

    name: str
    """File name without `.tif`."""
    dtype: str
    """NumPy name of the type of its values."""
    nodata: float
    """Value of pixels without data."""
    descriptions: Sequence[str]
    """One text a band."""
    tags: Mapping[str, Any] = field(default_factory=dict)
    """Metadata of the file."""
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    """Colour of each value; empty: none."""
    overviews: str = "nearest"
    """How GDAL resamples the overviews."""
    taxonomy: Taxonomy | None = None
    """Classes of a class map, whose names and colours are also written beside the file."""

    def path(self, folder: Path) -> Path:
        """The file."""
        return folder / f"{self.name}.tif"


def class_layer(name: str, taxonomy: Taxonomy, description: str) -> Layer:
    """A class map: 0 unknown, 1..K the classes, 255 nodata."""
    tags = {f"CLASS_{k + 1}": each for k, each in enumerate(taxonomy.names)} | {"CLASS_0": "unknown"}
    return Layer(name, "uint8", CLASS_NODATA, [description], tags, class_colours(taxonomy), taxonomy=taxonomy)


def map_layers(taxonomy: Taxonomy, *, scores: bool) -> list[Layer]:
    """The rasters of a map: classes, confidence, clear observations and, if wanted, one score band a class."""
    classes, confidence, clear, score = MAP_LAYERS
    layers = [
        class_layer(classes, taxonomy, "class"),
        Layer(confidence, "uint8", CLASS_NODATA, ["confidence in percent"], overviews="average"),
        Layer(clear, "uint16", 0, ["clear observations"], overviews="average"),
    ]
    if scores:
        tags = {"UNITS": "cosine similarity, -1..1"}
        layers.append(Layer(score, "float32", SCORE_NODATA, taxonomy.names, tags, overviews="average"))
    return layers


def class_colours(taxonomy: Taxonomy) -> dict[int, tuple[int, int, int]]:
    """Colour of each value of a class map: 0 unknown, 1..K the classes."""
    rgb = {k + 1: _rgb(colour) for k, colour in enumerate(taxonomy.colours)}
    return {0: UNKNOWN_COLOUR} | rgb


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
