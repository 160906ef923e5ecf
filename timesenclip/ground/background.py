"""The background: general phrases for everything on land, with which one phrase alone is compared.

A phrase says little about a place by its cosine alone. It says more whether another phrase describes the place better.
The shipped background is background.yaml; any class list can take its place.

A phrase does not compete with background phrases that name the same thing, are more general, or are a kind of it: maize
must not lose to a maize field, nor to cropland. Which those are is read from the text vectors and from `within`:

    near: at least 0.6, and 0.1 less than the nearest at most: the background phrase does not compete, nor what is more
        general
    same: at least 0.8, and 0.05 less than the nearest at most: nor does any kind of it

The numbers are places between 0, the mean cosine of background phrases with each other, and 1, the same vector, so that
they mean the same for towers whose cosines are all high. The limits below the nearest keep siblings apart: to a spruce
forest an oak forest is near, but spruce forest is nearer, so that oak forest competes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.ground.prompts import DEFAULT, DESCRIPTIVE, class_vectors
from timesenclip.ground.taxonomy import BACKGROUND, TaxonClass, Taxonomy, as_taxonomy, load_taxonomy, loose_name
from timesenclip.ground.tower import GroundTower

__all__ = ["Background", "as_background", "embed_background", "load_background", "phrase_texts"]

_NEAR, _SAME = 0.6, 0.8
_NEAR_THE_NEAREST, _SAME_AS_THE_NEAREST = 0.1, 0.05


@cache
def load_background() -> Taxonomy:
    """The shipped background as a class list."""
    return load_taxonomy(BACKGROUND)


def as_background(against: Taxonomy | str | Path | Sequence[str] | None = None) -> Taxonomy:
    """The phrases that a phrase alone competes with.

    Args:
        against: a class list, its name, a YAML file, or a list of phrases; None: the shipped background.

    Raises:
        TaxonomyError, DataNotFoundError, PromptError: as `as_taxonomy`.
    """
    return load_background() if against is None else as_taxonomy(against)


@dataclass(frozen=True)
class Background:
    """A background in the space of a tower."""

    taxonomy: Taxonomy
    """The J phrases."""
    vectors: NDArray[np.float32]
    """(J, D) unit rows, that a place is compared with."""
    texts: NDArray[np.float32]
    """(P, D) unit rows: the name and each synonym of every phrase, by which kin are found."""
    owner: NDArray[np.int64]
    """(P,) the phrase of each text."""
    unrelated: float
    """Mean cosine of phrases with each other: what a cosine of this tower is where nothing is shared."""

    def competitors(self, phrase: NDArray[np.float32], names: Sequence[str] = ()) -> NDArray[np.bool_]:
        """(J,) True where a background phrase competes with a phrase.

        Args:
            phrase: (P, D) unit rows: the texts of the phrase.
            names: its names; a background phrase of the same name is the same in every tower.
        """
        best = (self.texts @ phrase.T).max(axis=1)  # (P,)
        alike = np.full(len(self.vectors), -1.0)
        np.maximum.at(alike, self.owner, (best - self.unrelated) / max(1 - self.unrelated, 1e-6))
        known = {loose_name(name) for name in names}
        for j, taxon in enumerate(self.taxonomy.classes):
            if known & {loose_name(name) for name in (taxon.name, *taxon.synonyms)}:
                alike[j] = 1.0
        above = _above(self.taxonomy.classes)  # (J, J)
        nearest = alike.max()
        same = (alike >= _SAME) & (alike >= nearest - _SAME_AS_THE_NEAREST)
        kinds = above[:, same].any(axis=1)
        # A kind of the phrase may be a kind of something else, too, with which the phrase does compete.
        near = same | ((alike >= _NEAR) & (alike >= nearest - _NEAR_THE_NEAREST) & ~kinds)
        return np.asarray(~(kinds | above[near].any(axis=0)))


def embed_background(background: Taxonomy, tower: GroundTower, templates: str | Sequence[str] = DEFAULT) -> Background:
    """Embed a background.

    Args:
        background: the phrases.
        tower: the tower that the asked phrase is embedded with.
        templates: as the asked phrase's; the shipped background has no descriptive sentences, and then takes names.

    Raises:
        PromptError: as `class_vectors`.
    """
    sentences = DEFAULT if templates == DESCRIPTIVE else templates
    texts = [(j, text) for j, taxon in enumerate(background.classes) for text in (taxon.name, *taxon.synonyms)]
    return Background(
        background,
        class_vectors(background, tower, sentences),
        tower.encode_text([text for _, text in texts]),
        np.array([j for j, _ in texts], dtype=np.int64),
        _unrelated(tower),
    )


def phrase_texts(taxon: TaxonClass, tower: GroundTower) -> NDArray[np.float32]:
    """(P, D) unit rows: the name and the synonyms of an asked phrase, by which its kin are found."""
    return tower.encode_text([taxon.name, *taxon.synonyms])


def _unrelated(tower: GroundTower) -> float:
    """Mean cosine of the shipped background's phrases with each other."""
    vectors = class_vectors(load_background(), tower)
    count = len(vectors)
    total = float((vectors.sum(axis=0, dtype=np.float64) ** 2).sum()) - count
    return total / (count * (count - 1))


def _above(classes: Sequence[TaxonClass]) -> NDArray[np.bool_]:
    """(J, J) True where the second class is the first or more general."""
    position = {taxon.name: j for j, taxon in enumerate(classes)}
    above = np.eye(len(classes), dtype=bool)
    for j, taxon in enumerate(classes):
        waiting = list(taxon.within)
        while waiting:
            general = position[waiting.pop()]
            if not above[j, general]:
                above[j, general] = True
                waiting += classes[general].within
    return above
