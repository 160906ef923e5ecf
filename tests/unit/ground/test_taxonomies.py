"""The class lists that ship: complete, well-formed, and told apart by the shipped text tower."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest

from timesenclip.ground.compact import CompactTextTower
from timesenclip.ground.taxonomy import Taxonomy, list_taxonomies, load_taxonomy


class Expected(NamedTuple):
    classes: int
    prompts: int
    """Fewest prompts of a class."""
    synonyms: int
    """Fewest synonyms of a class; six are the most."""
    source: str
    """Pattern of the source."""
    nearest: float
    """Share of the sentences nearest to their own class; chance is 1 / classes. 0: too few sentences to ask."""
    colour_gap: float = 0.0
    """Least distance of two colours in RGB."""


PUBLISHED, EEA = r"Eurostat|doi:10\.\d+/", r"Eurostat|European Environment Agency"
LISTS = {
    "lucas-land-cover": Expected(8, 8, 2, PUBLISHED, 0.93),
    "lucas-land-use": Expected(16, 8, 2, PUBLISHED, 0.93),
    "lucas-land-cover-l3": Expected(74, 2, 1, PUBLISHED, 0.0),
    "worldcover": Expected(11, 8, 2, PUBLISHED, 0.93),
    "dynamic-world": Expected(9, 8, 2, PUBLISHED, 0.93),
    "eurosat": Expected(10, 5, 2, PUBLISHED, 0.93),
    "bigearthnet-19": Expected(19, 5, 2, PUBLISHED, 0.93),
    "lucas-crops": Expected(40, 8, 1, EEA, 0.9, 20),
    "eunis-l2": Expected(44, 8, 1, EEA, 0.8, 20),
    "bioregions": Expected(12, 3, 1, EEA, 0.8, 20),
    "countries": Expected(28, 3, 1, EEA, 0.35, 20),  # countries share their landscapes; only proper names differ
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
# fmt: off
CODES = {
    "lucas-crops": (
        "B11 B12 B13 B14 B15 B16 B17 B18 B19 B21 B22 B23 B31 B32 B33 B34 B35 B36 B37 B41 B42 B43 B44 B45 "
        "B51 B52 B53 B54 B55 B71 B72 B73 B74 B75 B76 B77 B81 B82 B83 B84"
    ),
    "eunis-l2": (  # in the order of the authors' labels, so that their index i is our class i
        "I1 J2 E2 G1 G3 F3 E3 C2 J1 G4 E1 F2 E4 G2 G5 FB F5 F4 D1 J4 J3 F7 C1 F1 H3 F6 D3 I2 J6 H5 E6 E7 D5 D2 "
        "F9 H2 D6 B1 C3 J5 D4 H4 B3 B2"
    ),
    "countries": "AT BE BG CY CZ DE DK EE EL ES FI FR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK UK",
}
# fmt: on


@pytest.fixture(params=sorted(LISTS))
def taxonomy(request: pytest.FixtureRequest) -> Taxonomy:
    return load_taxonomy(request.param)


def test_these_are_all_lists() -> None:
    assert list_taxonomies() == sorted(LISTS)


def test_every_class_is_there_with_its_words(taxonomy: Taxonomy) -> None:
    expected = LISTS[taxonomy.name]
    assert len(taxonomy) == len({name.casefold() for name in taxonomy.names}) == expected.classes
    assert taxonomy.title
    assert re.search(expected.source, taxonomy.source)
    for taxon in taxonomy.classes:
        assert len(taxon.prompts) >= expected.prompts, taxon.name
        assert expected.synonyms <= len(taxon.synonyms), taxon.name
        assert len(taxon.synonyms) <= 6 or taxonomy.name.endswith("-l3"), taxon.name


def test_sentences_are_short_different_and_affirm(taxonomy: Taxonomy) -> None:
    sentences = [sentence for taxon in taxonomy.classes for sentence in taxon.prompts]
    assert [s for s, n in Counter(s.casefold() for s in sentences).items() if n > 1] == []
    assert [s for s in sentences if not 8 <= len(s.split()) <= 16] == []
    assert [s for s in sentences if not (s[0].isupper() and s.endswith("."))] == []
    assert [s for s in sentences if NEGATION.search(s)] == []


def test_colours_are_valid_and_distinct(taxonomy: Taxonomy) -> None:
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in taxonomy.colours)
    assert len(set(taxonomy.colours)) == len(taxonomy)
    rgb = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in taxonomy.colours])  # (K, 3)
    distance = np.linalg.norm(rgb[:, None] - rgb[None], axis=2)  # (K, K)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() >= LISTS[taxonomy.name].colour_gap


@pytest.mark.parametrize("name", sorted(LEGENDS))
def test_published_legends_are_kept(name: str) -> None:
    assert {taxon.code: taxon.colour for taxon in load_taxonomy(name).classes} == LEGENDS[name]


def test_level_3_refines_level_1() -> None:
    level_1 = {taxon.code for taxon in load_taxonomy("lucas-land-cover").classes}
    codes = [taxon.code or "" for taxon in load_taxonomy("lucas-land-cover-l3").classes]
    assert codes == sorted(set(codes))
    assert all(re.fullmatch(r"[A-H]\d\d", code) for code in codes)
    assert {code[0] for code in codes} == level_1


@pytest.mark.parametrize("name", sorted(CODES))
def test_codes_are_those_of_the_source_in_order(name: str) -> None:
    assert [taxon.code for taxon in load_taxonomy(name).classes] == CODES[name].split()


def test_bioregions_are_in_the_order_of_the_authors_labels() -> None:
    assert load_taxonomy("bioregions").names == (
        "Alpine", "Anatolian", "Arctic", "Atlantic", "Black Sea", "Boreal", "Continental", "Macaronesian",
        "Mediterranean", "Outside", "Pannonian", "Steppic",
    )  # fmt: skip


@pytest.fixture(scope="module")
def tower() -> CompactTextTower:
    return CompactTextTower()


@pytest.mark.parametrize("name", sorted(name for name, expected in LISTS.items() if expected.nearest))
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
    assert np.mean(right) >= LISTS[name].nearest
