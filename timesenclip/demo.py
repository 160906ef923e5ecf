"""The demonstration: map a simulated landscape by phrases, offline, and compare the map with the simulated truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from timesenclip.ground.taxonomy import TaxonClass, Taxonomy
from timesenclip.mapping.map_area import map_cube
from timesenclip.mapping.output.layers import CLASS_NODATA
from timesenclip.mapping.output.result import MapResult
from timesenclip.mapping.output.staging import MAP_FILES, check_map_folder
from timesenclip.model.checkpoint import Model
from timesenclip.simulate.scene import SimulatedScene, simulate_scene

__all__ = ["DEMO_CLASSES", "PHRASES", "DemoResult", "PhraseFound", "run_demo"]

_ASKED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("winter wheat", "#e8c468", ("winter wheat",)),
    ("maize", "#f28e2b", ("maize",)),
    ("rapeseed", "#ffe51f", ("rapeseed",)),
    ("sugar beet", "#c2579f", ("sugar beet",)),
    ("grassland", "#a6d96a", ("hay meadow", "grazed pasture")),
    ("broadleaved forest", "#33a02c", ("oak and beech forest",)),
    ("coniferous forest", "#0b5d3b", ("spruce and fir forest",)),
    ("heathland", "#8e6bbf", ("heathland",)),
    ("marsh", "#66c2c2", ("reed bed and marsh",)),
    ("town and village", "#d7301f", ("suburb and village", "dense city")),
    ("bare ground", "#c8b7a6", ("quarry and bare earth",)),
    ("water", "#1f78b4", ("clear lake and sea", "turbid river")),
)

PHRASES: Mapping[str, tuple[str, ...]] = {phrase: covers for phrase, _, covers in _ASKED}
"""The phrases, and the simulated covers that each of them describes correctly."""

DEMO_CLASSES = Taxonomy(
    name="demo",
    title="Twelve phrases",
    source="",
    classes=tuple(TaxonClass(phrase, colour=colour) for phrase, colour, _ in _ASKED),
)
"""The phrases as a taxonomy, in the usual colours of maps: water is blue, woods are green."""


@dataclass(frozen=True, slots=True)
class PhraseFound:
    """Precision and recall of one phrase."""

    phrase: str
    """The phrase."""
    share: float
    """Share of the observed pixels with this label, 0..1."""
    precision: float
    """Share of these pixels whose label is correct; NaN where there are none."""
    recall: float
    """Share of the pixels of the described covers that have this label; NaN where there are none."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The result of the demonstration."""

    map: MapResult
    """The map and its files."""
    agreement: float
    """Share of the observed pixels whose label is correct, 0..1."""
    found: tuple[PhraseFound, ...]
    """One entry per phrase, in the order of `PHRASES`."""


def run_demo(
    out: str | Path,
    *,
    model: Model | str | Path | None = None,
    size: int = 128,
    seed: int = 7,
    progress: Callable[[int, int], None] | None = None,
) -> DemoResult:
    """Simulate a landscape, map it by `PHRASES`, and compare the map with the simulated covers.

    Args:
        out: folder for the map's files.
        model: a model or a checkpoint's name; default: the shipped one.
        size: side of the landscape in pixels of 10 m.
        seed: another number is another landscape.
        progress: called with (done, all) in pixels.

    Raises:
        InputError: a file of the map would replace one that is not ours.
    """
    check_map_folder(out, "map", MAP_FILES)
    scene = simulate_scene(rng=np.random.default_rng(seed), size=size)
    result = map_cube(scene.cube, DEMO_CLASSES, out=out, model=model, progress=progress)
    with rasterio.open(result.files["classes"]) as raster:
        values = raster.read(1)
    seen = values != CLASS_NODATA
    predicted, truth = values[seen], _true_values(scene)[seen]
    found = []
    for value, phrase in enumerate(PHRASES, start=1):
        labelled, true = predicted == value, truth == value
        hits = float((labelled & true).sum())
        found.append(
            PhraseFound(
                phrase,
                share=float(labelled.mean()),
                precision=hits / labelled.sum() if labelled.any() else float("nan"),
                recall=hits / true.sum() if true.any() else float("nan"),
            )
        )
    return DemoResult(result, float((predicted == truth).mean()), tuple(found))


def _true_values(scene: SimulatedScene) -> NDArray[np.uint8]:
    """(Y, X) the correct value of each pixel of the class map."""
    right = {cover: value for value, covers in enumerate(PHRASES.values(), start=1) for cover in covers}
    return np.array([right[name] for name in scene.cover_names], dtype=np.uint8)[scene.cover]
