"""Prompt sets, prompt effects and prompt selection on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from timesenclip.evaluation.labels.labelled import LabelledSet
from timesenclip.evaluation.prompts import SELECTED, prompt_effects, prompt_sets, select_prompts
from timesenclip.ground.prompts import prompts_for
from timesenclip.ground.taxonomy import TaxonClass, Taxonomy
from timesenclip.model.checkpoint import load
from timesenclip.testing import random_series

MODEL = load()


def _taxonomy(*classes: TaxonClass) -> Taxonomy:
    return Taxonomy("mine", "mine", "", classes)


def _set(taxonomy: Taxonomy, truth: np.ndarray) -> LabelledSet:
    block = np.arange(len(truth)) % 8
    return LabelledSet("x", random_series(len(truth)), truth, taxonomy, block, block % 4, "blocks", {})


def test_a_prompt_of_another_class_is_found_harmful_and_left_out() -> None:
    water = TaxonClass("Lake", prompts=("a lake of fresh water", "water fills the deep lake", "wheat grows in rows"))
    field = TaxonClass("Wheat field", prompts=("wheat grows in the field", "a field of ripe wheat"))
    forest = TaxonClass("Forest", prompts=("tall trees of a forest", "pine forest"))
    taxonomy = _taxonomy(water, field, forest)
    tower = MODEL.tower
    kept = select_prompts(taxonomy, tower)
    assert "wheat grows in rows" not in kept["Lake"]
    assert "a lake of fresh water" in kept["Lake"]
    assert all(name in texts for name, texts in kept.items())  # the class's own name always stays
    # Pixels that lie exactly where "wheat grows in the field" lies.
    truth = np.arange(30) % 3
    texts = ["water fills the deep lake", "wheat grows in rows", "pine forest"]
    x = tower.encode_text(texts)[truth]
    data = _set(taxonomy, truth)
    effects = {effect.prompt: effect for effect in prompt_effects(data, x, tower)}
    assert len(effects) == sum(len(prompts_for(taxon)) for taxon in taxonomy.classes)
    sets = {found.name: found for found in prompt_sets(data, x, tower, draws=20)}
    assert {"default", "descriptive", "name", "generic", "satellite", SELECTED} <= set(sets)
    assert sets["generic"].prompts["Lake"][1] == "a photo of a Lake."
    assert sets[SELECTED].metrics.intervals["accuracy"][0] <= sets[SELECTED].metrics.accuracy


def test_effects_are_what_is_lost_without_the_prompt() -> None:
    taxonomy = _taxonomy(TaxonClass("Lake", prompts=("wheat and maize",)), TaxonClass("Wheat", synonyms=("maize",)))
    tower = MODEL.tower
    x = tower.encode_text(["Lake", "wheat and maize", "Wheat", "maize"])
    data = _set(taxonomy, np.array([0, 1, 1, 1]))
    effects = prompt_effects(data, x, tower)
    for effect in effects:
        k = taxonomy.names.index(effect.class_name)
        balanced = []
        for without in (None, effect.prompt):
            words = [
                np.mean([v for t, v in zip(p, tower.encode_text(p), strict=True) if i != k or t != without], axis=0)
                for i, p in enumerate([["Lake", "wheat and maize"], ["Wheat", "maize"]])
            ]
            said = np.argmax([x @ (w / np.linalg.norm(w)) for w in words], axis=0)
            balanced.append(np.mean([(said[data.truth == c] == c).mean() for c in (0, 1)]))
        assert effect.balanced_accuracy == pytest.approx(balanced[0] - balanced[1])
    assert effects[0].balanced_accuracy >= effects[-1].balanced_accuracy
