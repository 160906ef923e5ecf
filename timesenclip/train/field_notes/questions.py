"""Questions about real places whose answer their label tells: land cover in several wordings, and finer kinds.

A place takes part in a question where its label is clear: one class holds more than `CLEAR` of what the label says.
Classes with fewer than `FEWEST` such places in a region are named and not measured there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from timesenclip.ground.taxonomy import Taxonomy, load_taxonomy, taxonomy_from_phrases
from timesenclip.train.field_notes.notes import everyday_group, kinds_of_place
from timesenclip.train.field_notes.real_sets import RealSet

__all__ = ["CLEAR", "FEWEST", "LAND_COVER", "PLAIN", "WORDINGS", "Asked", "ask_finer", "ask_land_cover", "finer_truth"]

CLEAR = 0.75
"""Share of a label above which it is clear."""
FEWEST = 10
"""Fewest places of a class that is measured."""

PLAIN = "eight plain words"
"""Name of the wording that is asked first."""
_PLAIN_WORDS: dict[str, str] = {
    "crops": "cropland",
    "permanent crops": "cropland",
    "woodland": "trees",
    "shrubland": "shrubland",
    "grassland": "grassland",
    "bare land": "bare ground",
    "built-up": "built-up",
    "water": "water",
    "wetland": "wetland",
}
LAND_COVER: dict[str, str] = {
    "crops": "Cropland",
    "permanent crops": "Cropland",
    "woodland": "Woodland",
    "shrubland": "Shrubland",
    "grassland": "Grassland",
    "bare land": "Bare Land",
    "built-up": "Artificial Land",
    "water": "Water",
    "wetland": "Wetlands",
    "snow and ice": "Water",
}
"""LUCAS land cover of each everyday group."""
_WORLDCOVER: dict[str, str] = {  # orchards and vineyards are cropland, trees or shrubs there: not asked
    "crops": "Cropland",
    "woodland": "Tree cover",
    "shrubland": "Shrubland",
    "grassland": "Grassland",
    "bare land": "Bare / sparse vegetation",
    "built-up": "Built-up",
    "water": "Permanent water bodies",
    "wetland": "Herbaceous wetland",
    "snow and ice": "Snow and ice",
}
WORDINGS: tuple[str, ...] = (PLAIN, "lucas-land-cover", "worldcover")
"""Class lists of land cover that `ask_land_cover` takes."""

_FINER: dict[str, str] = {
    "maize": "maize",
    "wheat": "wheat",
    "barley": "barley",
    "oats": "oats",
    "sorghum": "sorghum",
    "millet": "millet",
    "groundnuts": "groundnuts",
    "dry_pulses_legumes": "beans and peas",
    "sunflower": "sunflower",
    "rapeseed_rape": "rapeseed",
    "soy_soybeans": "soybean",
    "potatoes": "potatoes",
    "beet": "sugar beet",
    "cassava": "cassava",
    "fibre_crops": "cotton",
    "grasslands": "grassland",
    "permanent_crops": "orchards and vineyards",
    "trees": "trees",
    "pasture": "pasture",
    "pastagem": "pasture",
    "forest": "forest",
    "formação florestal": "forest",
    "natnonforest": "savanna",
    "formação savânica": "savanna",
    "formação savãnica": "savanna",  # as the tables of Landsat spell it
    "formação campestre": "natural grassland",
    "lavoura temporária": "crop field",
    "agricultura": "crop field",
    "campo alagado e área pantanosa": "swamp",
    "rio, lago e oceano": "water",
    "greenhouse": "greenhouse",
    "pear": "orchard",
    "apple": "orchard",
    "peach": "orchard",
    "grape": "vineyard",
    "garlic": "vegetables",
    "onion": "vegetables",
    "napa cabbage": "vegetables",
    "radish": "vegetables",
    "chili pepper": "vegetables",
    "sesame": "sesame",
    "soybean": "soybean",
    "sudangrass": "sudangrass",
}
"""Phrase for each label, in lower case, that names a crop or a finer kind of land."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about the places of one region."""

    taxonomy: Taxonomy
    """The K classes that are asked."""
    truth: NDArray[np.int64]
    """(N,) index of the true class; -1 where the place does not take part."""
    few: Mapping[str, int]
    """Classes with too few places to be measured, with their numbers."""

    @property
    def used(self) -> NDArray[np.intp]:
        """Indices of the places that take part."""
        return np.flatnonzero(self.truth >= 0)

    @property
    def present(self) -> tuple[int, ...]:
        """The classes that are measured."""
        return tuple(int(k) for k in np.unique(self.truth[self.truth >= 0]))


def ask_land_cover(real: RealSet, wording: str = PLAIN, *, fewest: int = FEWEST) -> Asked:
    """Ask for the land cover; all classes of the wording compete, also those that the region does not have.

    Args:
        real: the places of a region.
        wording: one of `WORDINGS`.
        fewest: fewest places of a class that is measured.
    """
    of_group = {PLAIN: _PLAIN_WORDS, "worldcover": _WORLDCOVER}.get(wording, LAND_COVER)
    if wording == PLAIN:
        taxonomy = taxonomy_from_phrases(list(dict.fromkeys(_PLAIN_WORDS.values())))
    else:
        taxonomy = load_taxonomy(wording)
    member = np.zeros((len(kinds_of_place()), len(taxonomy)), dtype=np.float32)
    for row, kind in enumerate(kinds_of_place()):
        name = of_group.get(everyday_group(kind))
        if name is not None:
            member[row, taxonomy.names.index(name)] = 1.0
    share = real.mixture @ member  # (N, K)
    truth = np.where(share.max(axis=1) > CLEAR, share.argmax(axis=1), -1).astype(np.int64)
    return _without_few(Asked(taxonomy, truth, {}), fewest)


def ask_finer(real: RealSet, *, fewest: int = FEWEST) -> Asked | None:
    """Ask for crops or finer kinds of land, by their plain names; only classes that the region has compete.

    Returns:
        None where fewer than two kinds have enough places.
    """
    said = [_FINER.get(label.lower(), "") for label in real.label]
    counts = Counter(name for name in said if name)
    enough = sorted(name for name, count in counts.items() if count >= fewest)
    if len(enough) < 2:
        return None
    few = {name: count for name, count in sorted(counts.items()) if count < fewest}
    return Asked(taxonomy_from_phrases(enough), finer_truth(real, tuple(enough)), few)


def finer_truth(real: RealSet, names: Sequence[str]) -> NDArray[np.int64]:
    """(N,) index into `names` of the finer kind that each label says, -1 where it is none of them."""
    rank = {name: i for i, name in enumerate(names)}
    return np.array([rank.get(_FINER.get(label.lower(), ""), -1) for label in real.label], dtype=np.int64)


def _without_few(asked: Asked, fewest: int) -> Asked:
    """The question without places of classes that are too few."""
    counts = np.bincount(asked.truth[asked.truth >= 0], minlength=len(asked.taxonomy))
    rare = (counts > 0) & (counts < fewest)
    few = {asked.taxonomy.names[k]: int(counts[k]) for k in np.flatnonzero(rare)}
    gone = (asked.truth >= 0) & rare[asked.truth]
    return replace(asked, truth=np.where(gone, -1, asked.truth), few=few)
