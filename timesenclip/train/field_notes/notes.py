"""Field notes: short texts that describe a place, embedded by a ground tower.

They are the ground view that needs no photographs. Each place gets several notes (a plain word, an exact name, a
sentence of a taxonomy, a remark about the climate), as a LUCAS point has several photographs; attention pooling makes
one vector of them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from timesenclip.errors import TaxonomyError
from timesenclip.ground.prompts import prompts_for
from timesenclip.ground.taxonomy import load_taxonomy
from timesenclip.ground.tower import GroundTower
from timesenclip.simulate.covers import cover_names

__all__ = ["NOTE_TAXONOMIES", "ClassList", "FieldNotes", "alike_kinds", "everyday_group", "kinds_of_place"]

Array = NDArray[np.float32]

NOTE_TAXONOMIES: tuple[str, ...] = (
    "lucas-land-cover",
    "worldcover",
    "dynamic-world",
    "lucas-land-use",
    "lucas-crops",
    "eunis-l2",
    "eurosat",
    "bigearthnet-19",
)
"""Taxonomies whose classes appear in the notes."""


@dataclass(frozen=True, slots=True)
class ClassList:
    """A class list, with the phrases of each class and the classes that are true of each kind of place."""

    name: str
    """Taxonomy, or "everyday" / "covers" for the plain words."""
    phrases: tuple[Array, ...]
    """K arrays (P_k, D) of unit vectors."""
    true: NDArray[np.bool_]
    """(kinds, K) which classes are true; a kind without a true class does not take part in the loss."""

    def vectors(self, *, single: bool, rng: np.random.Generator) -> Array:
        """(K, D) unit class vectors: the mean of all phrases, or one phrase drawn for each class."""
        if single:
            return np.stack([phrases[rng.integers(len(phrases))] for phrases in self.phrases])
        mean = np.stack([phrases.mean(axis=0) for phrases in self.phrases])
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), dtype=np.float32)


@functools.cache
def _table() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("notes.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


def kinds_of_place() -> tuple[str, ...]:
    """All kinds of places: the simulated covers, then "any <group>" for real points with a coarse label."""
    return cover_names() + tuple(f"any {group}" for group in _table()["everyday"])


def everyday_group(kind: str) -> str:
    """The everyday group of a kind of place: `maize` -> `crops`."""
    return kind.removeprefix("any ") if kind.startswith("any ") else str(_table()["covers"][kind]["group"])


def alike_kinds() -> NDArray[np.bool_]:
    """(kinds, kinds) whether the notes of one kind may be true of the other: `any woodland` and every forest."""
    kinds = kinds_of_place()
    group = np.array([everyday_group(kind) for kind in kinds])
    broad = np.array([kind.startswith("any ") for kind in kinds])
    same_group = group[:, None] == group[None, :]
    return np.asarray((same_group & (broad[:, None] | broad[None, :])) | np.eye(len(kinds), dtype=np.bool_))


class FieldNotes:
    """All notes of all kinds of places, embedded once by a tower.

    Args:
        tower: the ground tower; only `encode_text` is used.
    """

    def __init__(self, tower: GroundTower) -> None:
        self.dim = tower.dim
        self.kinds = kinds_of_place()
        self._tower = tower
        table = _table()
        self.everyday_groups = tuple(table["everyday"])
        self._plain = {group: tower.encode_text(words) for group, words in table["everyday"].items()}
        self._exact = {kind: tower.encode_text(self._words(kind)) for kind in self.kinds}
        self._climates: dict[tuple[str, str], Array] = {}
        self._of_taxonomies: dict[str, Array] = {}
        self.class_lists: tuple[ClassList, ...] = (
            self._everyday(),
            self._covers(),
            *(self._of_taxonomy(name) for name in NOTE_TAXONOMIES),
        )

    def views(self, kinds: Sequence[int], climates: Sequence[str | None], *, rng: np.random.Generator) -> Array:
        """Draw four notes for each place: plain word, exact name, taxonomy sentence, climate remark.

        Args:
            kinds: (B,) indices into `kinds`.
            climates: (B,) climate of each place, None where it is not known (the exact name then stands twice).
            rng: draws the notes.

        Returns:
            (B, 4, D)
        """
        out = np.empty((len(kinds), 4, self.dim), dtype=np.float32)
        for i, (index, climate) in enumerate(zip(kinds, climates, strict=True)):
            kind = self.kinds[index]
            out[i, 0] = _one(self._plain[everyday_group(kind)], rng)
            out[i, 1] = _one(self._exact[kind], rng)
            out[i, 2] = _one(self._sentences(kind), rng)
            out[i, 3] = _one(self._remarks(kind, climate), rng) if climate else out[i, 1]
        return out

    def _words(self, kind: str) -> list[str]:
        table = _table()
        return list(
            table["everyday"][everyday_group(kind)] if kind.startswith("any ") else table["covers"][kind]["words"]
        )

    def _remarks(self, kind: str, climate: str) -> Array:
        key = (kind, climate)
        if key not in self._climates:
            places = _table()["climates"][climate]
            self._climates[key] = self._tower.encode_text(
                [f"{word} in {place}" for word in self._words(kind) for place in places]
            )
        return self._climates[key]

    def _sentences(self, kind: str) -> Array:
        if kind not in self._of_taxonomies:
            self._of_taxonomies[kind] = self._collect_sentences(kind)
        return self._of_taxonomies[kind]

    def _collect_sentences(self, kind: str) -> Array:
        row = self.kinds.index(kind)
        parts = [q.phrases[k] for q in self.class_lists[2:] for k in np.flatnonzero(q.true[row])]
        return np.concatenate(parts) if parts else self._exact[kind]

    def _everyday(self) -> ClassList:
        groups = list(self._plain)
        true = np.array([[everyday_group(kind) == group for group in groups] for kind in self.kinds])
        return ClassList("everyday", tuple(self._plain.values()), true)

    def _covers(self) -> ClassList:
        """All covers by name; of a broad kind those of its group are true, so that grass is never called rapeseed."""
        covers = cover_names()
        true = alike_kinds()[:, [self.kinds.index(cover) for cover in covers]]
        return ClassList("covers", tuple(self._exact[cover] for cover in covers), true)

    def _of_taxonomy(self, name: str) -> ClassList:
        taxonomy = load_taxonomy(name)
        lookup: dict[str, list[int]] = {}
        for k, taxon in enumerate(taxonomy.classes):
            for key in {taxon.name, taxon.code} - {None}:
                lookup.setdefault(str(key).lower(), []).append(k)
        true = np.zeros((len(self.kinds), len(taxonomy.classes)), dtype=np.bool_)
        for row, kind in enumerate(self.kinds):
            for key in _true_classes(kind).get(name, []):
                if str(key).lower() not in lookup:
                    raise TaxonomyError(f"notes.yaml: '{kind}' names '{key}', which '{name}' does not have.")
                true[row, lookup[str(key).lower()]] = True
        phrases = tuple(self._tower.encode_text(prompts_for(taxon, "default")) for taxon in taxonomy.classes)
        return ClassList(name, phrases, true)


def _true_classes(kind: str) -> dict[str, list[str]]:
    """True classes of a kind of place by taxonomy; an entry of the cover replaces that of its group."""
    table = _table()
    general = dict(table["groups"].get(everyday_group(kind), {}))
    return general if kind.startswith("any ") else general | dict(table["covers"][kind]["classes"])


def _one(vectors: Array, rng: np.random.Generator) -> Array:
    return np.asarray(vectors[rng.integers(len(vectors))])
