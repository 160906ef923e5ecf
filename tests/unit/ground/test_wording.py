"""Names that a tower cannot read are refused or named, in every list of classes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from timesenclip.errors import DegradedInputWarning, PromptError
from timesenclip.ground.load import load_tower
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import (
    TaxonClass,
    Taxonomy,
    list_taxonomies,
    load_taxonomy,
    taxonomy_from_phrases,
)
from timesenclip.ground.tower import GroundTower
from timesenclip.ground.wording import check_templates, check_wording


class OtherTower:
    """A tower that may read other languages."""

    name, dim = "other", 4

    def encode_text(self, texts: list[str]) -> np.ndarray:
        return np.eye(4, dtype=np.float32)[np.zeros(len(texts), dtype=int)]

    encode_images = encode_text


@pytest.fixture(scope="module")
def tower() -> GroundTower:
    return load_tower("compact")


def one(name: str, **more: tuple[str, ...]) -> Taxonomy:
    return Taxonomy("mine", "Mine", "", (TaxonClass(name, **more),))


@pytest.mark.parametrize("name", list_taxonomies())
def test_every_shipped_list_is_read_without_a_word(name: str, tower: GroundTower) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_wording(load_taxonomy(name), tower)


@pytest.mark.parametrize("phrases", [["no maize"], ["maize", "without trees"], ["forest", "-water"]])
def test_an_absence_is_refused_with_what_to_ask_instead(phrases: list[str], tower: GroundTower) -> None:
    thing = phrases[-1].split()[-1].removeprefix("-")
    with pytest.raises(PromptError, match=rf"'{phrases[-1]}' asks for what is not there.*ask for '{thing}' alone"):
        class_vectors(taxonomy_from_phrases(phrases), tower)
    with pytest.raises(PromptError, match="asks for what is not there"):
        check_wording(taxonomy_from_phrases(phrases), OtherTower())


def test_an_absence_in_a_synonym_is_refused(tower: GroundTower) -> None:
    with pytest.raises(PromptError, match="'no trees' asks for what is not there"):
        check_wording(one("steppe", synonyms=("no trees",)), tower)


def test_a_phrase_in_another_language_is_refused_with_the_nearest_words(tower: GroundTower) -> None:
    with pytest.raises(PromptError, match=r"does not know 'vigneto' \(nearest known: vine.*; ask in English") as error:
        class_vectors(taxonomy_from_phrases(["vigneto"]), tower)
    assert "\n" not in str(error.value)


def test_one_unknown_word_is_named(tower: GroundTower) -> None:
    with pytest.warns(DegradedInputWarning, match="does not know 'Rondonia'.* in 'pasture in Rondonia'"):
        class_vectors(taxonomy_from_phrases(["pasture in Rondonia"]), tower)


def test_a_foreign_name_that_english_describes_is_only_named(tower: GroundTower) -> None:
    for more in ({"synonyms": ("forest",)}, {"prompts": ("Tall trees shade the ground.",)}):
        with pytest.warns(DegradedInputWarning, match="'Wald'"):
            check_wording(one("Wald", **more), tower)


def test_other_towers_may_know_other_languages() -> None:
    check_wording(taxonomy_from_phrases(["Wald", "champ de bl\u00e9"]), OtherTower())


def test_descriptive_sentences_stand_for_the_name(tower: GroundTower) -> None:
    class_vectors(one("Wald", prompts=("Tall trees shade the ground.",)), tower, "descriptive")


def test_a_template_that_negates_is_refused(tower: GroundTower) -> None:
    for template in ("a place without {name}", "no {name}", ["{name}", "not {a name}"]):
        with pytest.raises(PromptError, match="asks for what is not there"):
            class_vectors(taxonomy_from_phrases(["maize"]), tower, template)
    check_templates("default")
    check_templates(["a photo of {a name}.", "{name} on no-till land"])
