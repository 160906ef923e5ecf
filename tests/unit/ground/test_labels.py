"""Labels of tables become classes of a taxonomy."""

from __future__ import annotations

import numpy as np
import pytest

from timesenclip.errors import TaxonomyError
from timesenclip.ground.labels import class_index
from timesenclip.ground.taxonomy import load_taxonomy, taxonomy_from_phrases

NAMES = taxonomy_from_phrases(["maize", "grassland", "lake"])


def test_mappings_follow_each_other_and_what_is_left_is_counted() -> None:
    labels = np.array(["10", "20", "20", "30", "99", "99", "99"])
    first, second = {"10": "crop", "20": "GRASS", "30": "forest"}, {"crop": "Maize", "grass": "grassland"}
    index, skipped = class_index(labels, NAMES, [first, second])
    assert index.tolist() == [0, 1, 1, -1, -1, -1, -1]
    assert list(skipped.items()) == [("99", 3), ("30", 1)]
    with pytest.raises(TaxonomyError, match="'meadow'"):
        class_index(labels, NAMES, {"10": "meadow"})
    known = load_taxonomy("lucas-land-cover")
    codes = [taxon.code for taxon in known.classes if taxon.code]
    words = [taxon.synonyms[0] for taxon in known.classes if taxon.synonyms]
    assert (class_index(np.array([*codes, *words]), known)[0] >= 0).all()


@pytest.mark.parametrize(
    ("code", "taxonomy", "name"),
    [
        ("B11", "lucas-land-cover", "Cropland"),
        ("B55", "lucas-land-cover", "Cropland"),
        ("F30", "lucas-land-cover", "Bare Land"),
        ("CXX3", "lucas-land-cover", "Woodland"),
        ("Wetlands", "lucas-land-cover", "Wetlands"),
        ("U112", "lucas-land-use", "Agriculture"),
        ("U361", "lucas-land-use", "Recreation, Leisure, Sport"),
        ("B12", "lucas-crops", "Durum wheat"),
        ("C10", "lucas-crops", None),
        ("EL", "countries", "Greece"),
        ("", "lucas-land-cover", None),
        (float("nan"), "lucas-land-cover", None),
        ("Something", "lucas-land-cover", None),
        ("8", "lucas-land-cover", None),
    ],
)
def test_codes_become_classes(code: object, taxonomy: str, name: str | None) -> None:
    classes = load_taxonomy(taxonomy)
    index = class_index(np.array([str(code)]), classes, lucas_groups=True)[0][0]
    assert (None if index < 0 else classes.names[index]) == name
