"""Phrases that ask for the absence of a thing, and names that only hold a negation."""

from __future__ import annotations

import pytest

from timesenclip.ground.background import load_background
from timesenclip.ground.negation import absent_thing
from timesenclip.ground.taxonomy import list_taxonomies, load_taxonomy

ABSENT = """
no maize|No Maize|without trees|-water|- water|\u2212water|!water|~forest|not forest|not a forest|NOT maize|no-maize
maize but no trees|maize -trees|grass without trees|non-forest|non forest|non-forest land|not forested|not built-up
not forested land|anything but maize|everything except water|all but forest|nothing|land with no buildings
wheat and not maize|never flooded|neither maize nor wheat|free of snow|other than crops|lacking trees|absence of trees
isn't forest|isn\u2019t forest|without any trees|grassland except meadow|maize minus wheat|non-vegetated|no more trees
bare soil without vegetation|trees absent|areas without houses|non-urban|devoid of trees|land excluding forest
"""
PRESENT = """
no-till field|no till|no-tillage maize|non-irrigated arable land|treeless plain|land without current use|built-up
semi-natural and natural areas not in use|areas not in use|non built-up area features|maize|a maize field|rain-fed crops
other non-permanent industrial crops|grassland - permanent|wheat \u2013 durum|no man's land|not irrigated maize
unused land|ice-free ground|northern forest|Norway spruce|noble fir|notable trees|non-native trees|nut trees|knotweed
cliffs not vegetated|meadow not mown|nor'easter beach|lake of -10 degrees
"""


@pytest.mark.parametrize("phrase", ABSENT.strip().replace("\n", "|").split("|"))
def test_what_is_not_there_is_found(phrase: str) -> None:
    found = absent_thing(phrase)
    assert found
    assert found in " ".join(phrase.casefold().split())


@pytest.mark.parametrize("phrase", PRESENT.strip().replace("\n", "|").split("|"))
def test_a_negation_that_describes_something_else_stays(phrase: str) -> None:
    assert absent_thing(phrase) is None


def test_no_shipped_name_asks_for_what_is_not_there() -> None:
    lists = [load_background(), *(load_taxonomy(name) for name in list_taxonomies())]
    found = [
        text
        for classes in lists
        for taxon in classes.classes
        for text in (taxon.name, *taxon.synonyms)
        if absent_thing(text, described=bool(taxon.prompts))
    ]
    assert found == []


def test_sentences_of_a_class_excuse_a_negation_within_its_name_and_not_before_it() -> None:
    assert absent_thing("Shrubland without tree cover") == "without tree cover"
    assert absent_thing("Shrubland without tree cover", described=True) is None
    assert absent_thing("no maize", described=True) == "no maize"
    assert absent_thing("-maize", described=True) == "-maize"
