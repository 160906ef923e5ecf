"""English words are told from others."""

from __future__ import annotations

from importlib import resources

import pytest
import yaml

from timesenclip.ground.background import load_background
from timesenclip.ground.english import nearest_words, read_words, stems
from timesenclip.ground.taxonomy import list_taxonomies, load_taxonomy

FOREIGN = """
Wald|champ de bl\u00e9|Acker mit Mais|bosque|ma\u00efs|campo de trigo|for\u00eat de pins|vigneto|risaia|akker|grasland
Laubwald|verger|\u00e9tang|rivi\u00e8re|ville|Fluss|Stadt|olivar|huerta|girasol|nieve|desierto|selva|skog|\u00e5ker|floresta
lavoura|milho|Kartoffeln|Heide|Sumpf|Weizenfeld|campo|prato|Wiese|Wald area
"""
ENGLISH = """
a vineyard|banana plantation|olive grove|solar farm|airport runway|rice paddy|mangrove|glacier|maize|grassland
hop garden|treeless plain|windfarms|photovoltaics|centre-pivot|farmer's field|tulips|stubbles|hedgerows|cornfields
rice-paddies|wheatfield|lakeshore|B11 wheat|colourful meadow|harbours|ploughed fields|unploughed land|car park
sheep pasture|gravel pit|coal mine|motorway|golf course|beaver pond|cattle feedlot|shanty town|salt pan|tidal flat
tree nursery|christmas trees|airfield|football pitch|greenhouse tomatoes|burned forest|clear-cut|windbreak|field|land
"""


@pytest.mark.parametrize("phrase", FOREIGN.strip().replace("\n", "|").split("|"))
def test_a_phrase_without_english_says_nothing(phrase: str) -> None:
    assert read_words(phrase).says_nothing


@pytest.mark.parametrize("phrase", ENGLISH.strip().replace("\n", "|").split("|"))
def test_every_word_of_ordinary_english_is_known(phrase: str) -> None:
    assert read_words(phrase).unknown == ()


@pytest.mark.parametrize(
    ("phrase", "unknown"),
    [("la prairie", ("la",)), ("Quercus woodland", ("Quercus",)), ("trees in Rondonia", ("Rondonia",))],
)
def test_a_foreign_word_beside_a_thing_on_the_land_is_only_named(phrase: str, unknown: tuple[str, ...]) -> None:
    reading = read_words(phrase)
    assert reading.unknown == unknown
    assert not reading.says_nothing


def test_every_word_of_the_shipped_lists_is_known() -> None:
    lists = [load_background(), *(load_taxonomy(name) for name in list_taxonomies())]
    texts = [text for classes in lists for taxon in classes.classes for text in (taxon.name, *taxon.synonyms)]
    notes = yaml.safe_load(resources.files("timesenclip.train.field_notes").joinpath("notes.yaml").read_text())
    texts += [word for cover in notes["covers"].values() for word in cover["words"]]
    texts += [word for words in notes["everyday"].values() for word in words]
    assert {text: read_words(text).unknown for text in texts if read_words(text).unknown} == {}


def test_the_nearest_words_are_words_of_the_land() -> None:
    assert nearest_words("vinyard")[0] == "vineyard"
    assert "forest" in nearest_words("for\u00eat")
    assert nearest_words("qqqqqqqqqqqq") == []


def test_stems_are_singulars_and_verbs() -> None:
    assert "berry" in stems("berries")
    assert "plough" in stems("ploughed")
    assert "graze" in stems("grazing")
    assert list(stems("is")) == []
