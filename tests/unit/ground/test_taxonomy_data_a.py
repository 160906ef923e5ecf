"""The land cover and land use lists that ship: complete, well-formed, and told apart by the shipped text tower."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from timesenclip.ground.compact import CompactTextTower
from timesenclip.ground.taxonomy import Taxonomy, load_taxonomy

# name -> classes, fewest prompts a class
LISTS = {
    "lucas-land-cover": (8, 8),
    "lucas-land-use": (16, 8),
    "lucas-land-cover-l3": (74, 2),
    "worldcover": (11, 8),
    "dynamic-world": (9, 8),
    "eurosat": (10, 5),
    "bigearthnet-19": (19, 5),
}
# A text tower that averages its words reads "no trees" as "trees".
NEGATION = re.compile(r"\b(no|not|never|without|hardly|lack(s|ing)?|absent|neither|nor|free of)\b", re.IGNORECASE)

# ESA WorldCover v200 product user manual, legend; Dynamic World: legend of GOOGLE/DYNAMICWORLD/V1.
LEGENDS = {
    "worldcover": {
        "10": "#006400", "20": "#ffbb22", "30": "#ffff4c", "40": "#f096ff", "50": "#fa0000", "60": "#b4b4b4",
        "70": "#f0f0f0", "80": "#0064c8", "90": "#0096a0", "95": "#00cf75", "100": "#fae6a0",
    },
    "dynamic-world": {
        "0": "#419bdf", "1": "#397d49", "2": "#88b053", "3": "#7a87c6", "4": "#e49635", "5": "#dfc35a",
        "6": "#c4281b", "7": "#a59b8f", "8": "#b39fe1",
    },
}  # fmt: skip


@pytest.fixture(params=sorted(LISTS))
def taxonomy(request: pytest.FixtureRequest) -> Taxonomy:
    return load_taxonomy(request.param)


def test_every_class_is_there_with_its_words(taxonomy: Taxonomy) -> None:
    classes, fewest = LISTS[taxonomy.name]
    assert len(taxonomy) == len({name.casefold() for name in taxonomy.names}) == classes
    assert taxonomy.title
    assert re.search(r"Eurostat|doi:10\.\d+/", taxonomy.source)
    for taxon in taxonomy.classes:
        assert len(taxon.prompts) >= fewest, taxon.name
        assert 2 <= len(taxon.synonyms) <= 6 or (taxonomy.name.endswith("-l3") and taxon.synonyms), taxon.name


def test_sentences_are_short_different_and_affirm(taxonomy: Taxonomy) -> None:
    sentences = [sentence for taxon in taxonomy.classes for sentence in taxon.prompts]
    assert [s for s, n in Counter(s.casefold() for s in sentences).items() if n > 1] == []
    assert [s for s in sentences if not 8 <= len(s.split()) <= 16] == []
    assert [s for s in sentences if not (s[0].isupper() and s.endswith("."))] == []
    assert [s for s in sentences if NEGATION.search(s)] == []


def test_colours_are_valid_and_distinct(taxonomy: Taxonomy) -> None:
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in taxonomy.colours)
    assert len(set(taxonomy.colours)) == len(taxonomy)


@pytest.mark.parametrize("name", sorted(LEGENDS))
def test_published_legends_are_kept(name: str) -> None:
    assert {taxon.code: taxon.colour for taxon in load_taxonomy(name).classes} == LEGENDS[name]


def test_level_3_refines_level_1() -> None:
    level_1 = {taxon.code for taxon in load_taxonomy("lucas-land-cover").classes}
    codes = [taxon.code or "" for taxon in load_taxonomy("lucas-land-cover-l3").classes]
    assert codes == sorted(set(codes))
    assert all(re.fullmatch(r"[A-H]\d\d", code) for code in codes)
    assert {code[0] for code in codes} == level_1


@pytest.fixture(scope="module")
def tower() -> CompactTextTower:
    return CompactTextTower()


@pytest.mark.parametrize("name", sorted(name for name, (_, fewest) in LISTS.items() if fewest > 2))
def test_a_sentence_is_nearest_to_the_rest_of_its_class(name: str, tower: CompactTextTower) -> None:
    taxonomy = load_taxonomy(name)
    owner = np.repeat(np.arange(len(taxonomy)), [len(taxon.prompts) for taxon in taxonomy.classes])  # (P,)
    vectors = tower.encode_text([s for taxon in taxonomy.classes for s in taxon.prompts])  # (P, D)
    sums = np.stack([vectors[owner == k].sum(axis=0) for k in range(len(taxonomy))])  # (K, D)
    right = []
    for vector, k in zip(vectors, owner, strict=True):
        others = sums.copy()
        others[k] -= vector
        others /= np.linalg.norm(others, axis=1, keepdims=True)
        right.append(int(np.argmax(others @ vector)) == k)
    assert np.mean(right) >= 0.93
