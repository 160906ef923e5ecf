from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from timesenclip.errors import PromptError
from timesenclip.ground.load import load_tower
from timesenclip.ground.prompts import class_vectors, load_templates, prompts_for, template_sets
from timesenclip.ground.taxonomy import TaxonClass, Taxonomy, list_taxonomies, load_taxonomy

ORCHARD = TaxonClass("orchard", synonyms=("fruit trees",), prompts=("Rows of apple trees in blossom.", "fruit trees"))


class SpellingTower:
    """Counts letters; knows how often it was asked."""

    name, dim = "spelling", 26

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        counts = np.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)

    def encode_images(self, images: Sequence[object]) -> NDArray[np.float32]:
        raise NotImplementedError


def test_template_sets_fill_in_the_name_with_its_article() -> None:
    assert prompts_for(ORCHARD) == ["orchard", "fruit trees", "Rows of apple trees in blossom."]
    assert prompts_for(ORCHARD, "name") == ["orchard"]
    assert prompts_for(ORCHARD, "descriptive") == ["Rows of apple trees in blossom.", "fruit trees"]
    assert "a photo of an orchard." in prompts_for(ORCHARD, "generic")
    assert "a centered satellite photo of a lake." in prompts_for(TaxonClass("lake"), "satellite")
    assert prompts_for(ORCHARD, ["{name} in May", " {name} in May"]) == ["orchard in May"]
    assert prompts_for(ORCHARD, "{a name} in May") == ["an orchard in May"]
    assert set(template_sets()) >= {"default", "name", "generic", "land-cover", "land-use", "satellite", "descriptive"}


def test_every_shipped_template_has_a_place_for_the_name() -> None:
    for name in load_templates():
        texts = prompts_for(TaxonClass("zebra"), name)
        assert texts
        assert all("zebra" in text and "{" not in text for text in texts)


@pytest.mark.parametrize(
    ("taxon", "templates", "said"),
    [
        (ORCHARD, "genric", r"Unknown template set 'genric': expected one of default, descriptive, name"),
        (ORCHARD, ["a photo"], "Template 'a photo' has no place for the class"),
        (ORCHARD, "a photo of {}", "Template 'a photo of {}' has no place for the class"),
        (ORCHARD, [], "list of templates is empty"),
        (TaxonClass("lake"), "descriptive", "Class 'lake' has no descriptive prompts"),
        (TaxonClass("lake", prompts=(" ",)), "default", "Class 'lake' has an empty prompt"),
    ],
)
def test_prompts_that_cannot_be_made_are_refused(taxon: TaxonClass, templates: str | list[str], said: str) -> None:
    with pytest.raises(PromptError, match=said):
        prompts_for(taxon, templates)


def test_a_weight_is_the_unit_mean_of_unit_prompts_and_each_prompt_is_asked_once() -> None:
    tower = SpellingTower()
    shared = TaxonClass("fruit trees")
    weights = class_vectors(Taxonomy("t", "t", "", (ORCHARD, shared)), tower)
    assert (weights.shape, weights.dtype) == ((2, 26), np.float32)
    vectors = SpellingTower().encode_text(prompts_for(ORCHARD))
    mean = vectors.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(weights[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert tower.asked == [prompts_for(ORCHARD)]


def test_prompts_that_cancel_out_are_refused() -> None:
    class Opposites(SpellingTower):
        def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.array([[1.0, 0.0], [-1.0, 0.0]], dtype=np.float32)

    with pytest.raises(PromptError, match="class 'up' cancel out"):
        class_vectors(Taxonomy("t", "t", "", (TaxonClass("up", synonyms=("down",)),)), Opposites())


@pytest.mark.parametrize("name", list_taxonomies())
def test_shipped_classes_are_told_apart_by_the_compact_tower(name: str) -> None:
    weights = class_vectors(load_taxonomy(name), load_tower("compact"))
    similarity = weights @ weights.T - 2 * np.eye(len(weights), dtype=np.float32)
    assert similarity.max() < 0.99


@pytest.mark.parametrize(
    "template", ["{0.__class__}", "{name.__class__}", "{}", "{{name}", "a photo", "%s", "{name!r}", "{ name }"]
)
def test_a_template_is_filled_as_text_and_never_evaluated(template: str) -> None:
    taxon = TaxonClass("Cropland")
    if "{name}" in template:
        assert prompts_for(taxon, [template]) == ["{Cropland"]
    else:
        with pytest.raises(PromptError, match="has no place for the class"):
            prompts_for(taxon, [template])
    assert prompts_for(taxon, ["{name}{name.__class__}"]) == ["Cropland{name.__class__}"]
    assert prompts_for(TaxonClass("{name}{a name}"), ["x {name}"]) == ["x {name}{a name}"]


def test_a_prompt_that_a_tokenizer_cannot_read_is_refused() -> None:
    with pytest.raises(PromptError, match="prompt of class 'Cropland' holds control characters"):
        prompts_for(TaxonClass("Cropland"), ["\udcff {name}"])
