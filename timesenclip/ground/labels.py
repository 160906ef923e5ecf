"""From the labels of a table or raster to the classes of a taxonomy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import TaxonomyError
from timesenclip.ground.taxonomy import Taxonomy, loose_name

__all__ = ["class_index"]

_LUCAS_CODE = re.compile(r"[a-hu][0-9x][0-9a-ex]*")
_LISTED = 12
"""Class names that a message lists at most."""


def class_index(
    labels: NDArray[np.str_],
    taxonomy: Taxonomy,
    mapping: Mapping[str, str] | Sequence[Mapping[str, str]] | None = None,
    *,
    lucas_groups: bool = False,
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Class of each label, and the labels that belong to no class.

    Without a mapping a label is the name, a synonym or the code of a class; upper and lower case are the same, and
    names may differ in spaces and punctuation (`loose_name`).

    Args:
        labels: (N,) as text; "" means that there is no label.
        taxonomy: K classes.
        mapping: label -> name of a class, or several mappings that are applied one after the other. The last one must
            give names of classes, and labels that a mapping does not hold belong to no class.
        lucas_groups: without a mapping, a LUCAS code that no class has stands for the class of its group: `U112` for
            `U110` Agriculture, and `C23` for `C` among the eight land covers. `B55`, temporary grassland, is cropland
            there, as its letter says.

    Returns:
        (N,) index 0..K - 1, -1 where a label belongs to no class or is "", and the labels without a class with their
        counts, most frequent first ("" is not among them).

    Raises:
        TaxonomyError: the last mapping names a class that the taxonomy does not have.
    """
    steps = [mapping] if isinstance(mapping, Mapping) else list(mapping or [])
    words = _words(taxonomy, steps)
    loose = {loose_name(word): k for word, k in words.items() if loose_name(word)}
    groups = _LucasGroups(taxonomy) if lucas_groups and not steps else None
    lowered = [{label.lower(): target for label, target in step.items()} for step in steps]
    unique, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    index = np.full(len(unique), -1, dtype=np.int64)
    for i, label in enumerate(unique):
        found: str | None = str(label)
        for step in lowered:
            found = step.get(found.lower()) if found is not None else None
        if found is None:
            continue
        index[i] = -1 if groups is None else groups.find(found)
        if index[i] < 0:
            index[i] = words.get(found.lower(), loose.get(loose_name(found), -1))
    left = sorted((-int(n), str(text)) for text, k, n in zip(unique, index, counts, strict=True) if k < 0 and text)
    return index[inverse], {label: -count for count, label in left}


def _words(taxonomy: Taxonomy, steps: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """What a label may say, in lower case: with a mapping names alone; names go before synonyms, these before codes."""
    names = {name.lower(): k for k, name in enumerate(taxonomy.names)}
    if not steps:
        codes = {taxon.code.lower(): k for k, taxon in enumerate(taxonomy.classes) if taxon.code}
        synonyms = {word.lower(): k for k, taxon in enumerate(taxonomy.classes) for word in taxon.synonyms}
        return codes | synonyms | names
    wrong = sorted({target for target in steps[-1].values() if target.lower() not in names})
    if wrong:
        listed = ", ".join(taxonomy.names[:_LISTED])
        raise TaxonomyError(f"The mapping names '{wrong[0]}', which is not among {listed}.")
    return names


class _LucasGroups:
    """Classes by name and by LUCAS code, where a code that no class has stands for the class of its group."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._classes: dict[str, int] = {}
        for k, taxon in enumerate(taxonomy.classes):
            self._classes |= {word.strip().lower(): k for word in (taxon.name, taxon.code) if word}
        self._levels = {len(taxon.code) for taxon in taxonomy.classes if taxon.code}

    def find(self, label: str) -> int:
        """The class of a label, -1 where it is neither a name nor a code with a class."""
        text = label.strip().lower()
        if text in self._classes:
            return self._classes[text]
        if _LUCAS_CODE.match(text) is None:
            return -1
        if len(text) >= 3 and 4 in self._levels:  # land use: codes of groups end in 0
            return self._classes.get(text[:3] + "0", -1)
        return self._classes.get(text[0], -1) if 1 in self._levels else -1
