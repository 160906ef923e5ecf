"""The crop, habitat, bioregion and country lists that ship: complete, well-formed, told apart by the shipped tower."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from timesenclip.ground.compact import CompactTextTower
from timesenclip.ground.taxonomy import Taxonomy, load_taxonomy

# name -> classes, fewest prompts a class, share of sentences nearest to their own class (chance is 1 / classes)
LISTS = {
    "lucas-crops": (40, 8, 0.9),
    "eunis-l2": (44, 8, 0.8),
    "bioregions": (12, 3, 0.8),
    "countries": (28, 3, 0.35),  # countries share their landscapes; only proper names tell them apart
}
# A text tower that averages its words reads "no trees" as "trees".
NEGATION = re.compile(r"\b(no|not|never|without|hardly|lack(s|ing)?|absent|neither|nor|free of)\b", re.IGNORECASE)
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


def test_every_class_is_there_with_its_words(taxonomy: Taxonomy) -> None:
    classes, fewest, _ = LISTS[taxonomy.name]
    assert len(taxonomy) == len({name.casefold() for name in taxonomy.names}) == classes
    assert taxonomy.title
    assert re.search(r"Eurostat|European Environment Agency", taxonomy.source)
    for taxon in taxonomy.classes:
        assert len(taxon.prompts) >= fewest, taxon.name
        assert 1 <= len(taxon.synonyms) <= 6, taxon.name


@pytest.mark.parametrize("name", sorted(CODES))
def test_codes_are_those_of_the_source_in_order(name: str) -> None:
    assert [taxon.code for taxon in load_taxonomy(name).classes] == CODES[name].split()


def test_bioregions_are_in_the_order_of_the_authors_labels() -> None:
    assert load_taxonomy("bioregions").names == (
        "Alpine", "Anatolian", "Arctic", "Atlantic", "Black Sea", "Boreal", "Continental", "Macaronesian",
        "Mediterranean", "Outside", "Pannonian", "Steppic",
    )  # fmt: skip


def test_sentences_are_short_different_and_affirm(taxonomy: Taxonomy) -> None:
    sentences = [sentence for taxon in taxonomy.classes for sentence in taxon.prompts]
    assert [s for s, n in Counter(s.casefold() for s in sentences).items() if n > 1] == []
    assert [s for s in sentences if not 8 <= len(s.split()) <= 16] == []
    assert [s for s in sentences if not (s[0].isupper() and s.endswith("."))] == []
    assert [s for s in sentences if NEGATION.search(s)] == []


def test_colours_are_valid_and_far_apart(taxonomy: Taxonomy) -> None:
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in taxonomy.colours)
    rgb = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in taxonomy.colours])  # (K, 3)
    distance = np.linalg.norm(rgb[:, None] - rgb[None], axis=2)  # (K, K)
    np.fill_diagonal(distance, np.inf)
    assert distance.min() >= 20


@pytest.fixture(scope="module")
def tower() -> CompactTextTower:
    return CompactTextTower()


def test_a_sentence_is_nearest_to_the_rest_of_its_class(taxonomy: Taxonomy, tower: CompactTextTower) -> None:
    owner = np.repeat(np.arange(len(taxonomy)), [len(taxon.prompts) for taxon in taxonomy.classes])  # (P,)
    vectors = tower.encode_text([s for taxon in taxonomy.classes for s in taxon.prompts])  # (P, D)
    sums = np.stack([vectors[owner == k].sum(axis=0) for k in range(len(taxonomy))])  # (K, D)
    right = []
    for vector, k in zip(vectors, owner, strict=True):
        others = sums.copy()
        others[k] -= vector
        others /= np.linalg.norm(others, axis=1, keepdims=True)
        right.append(int(np.argmax(others @ vector)) == k)
    assert np.mean(right) >= LISTS[taxonomy.name][2]
