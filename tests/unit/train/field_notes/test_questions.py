"""Questions whose answers labels tell."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.train.field_notes.small_world import real_set
from timesenclip.ground.load import load_tower
from timesenclip.ground.prompts import class_vectors
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.train.field_notes import questions
from timesenclip.train.field_notes.notes import everyday_group, kinds_of_place
from timesenclip.train.field_notes.questions import (
    LAND_COVER,
    WORDINGS,
    ask_finer,
    ask_land_cover,
    finer_truth,
)
from timesenclip.train.field_notes.real_sets import RealSet


@pytest.fixture
def real() -> RealSet:
    return real_set(
        "corsica",
        {
            "maize": ("maize", 4),
            "permanent_crops": ("vineyard", 3),
            "trees": ("pine forest", 3),
            "wheat": ("winter wheat", 1),
        },
    )


def test_the_shipped_tower_knows_every_phrase() -> None:
    phrases = sorted(set(questions._FINER.values()) | set(questions._PLAIN_WORDS.values()))
    assert class_vectors(taxonomy_from_phrases(phrases), load_tower("compact")).shape[0] == len(phrases)


def test_every_kind_of_place_has_a_lucas_land_cover() -> None:
    assert set(LAND_COVER) == {everyday_group(kind) for kind in kinds_of_place()}


def test_land_cover_is_the_class_that_the_label_speaks_of(real: RealSet) -> None:
    asked = ask_land_cover(real, fewest=1)
    said = [asked.taxonomy.names[k] for k in asked.truth]
    assert said == ["cropland"] * 7 + ["trees"] * 3 + ["cropland"]
    assert len(asked.taxonomy) == 8
    assert asked.present == (0, 1)


@pytest.mark.parametrize("wording", WORDINGS)
def test_each_wording_knows_its_classes(real: RealSet, wording: str) -> None:
    asked = ask_land_cover(real, wording, fewest=1)
    trees = {asked.taxonomy.names[k] for k in asked.truth[7:10]}
    assert trees == {{"worldcover": "Tree cover", "lucas-land-cover": "Woodland"}.get(wording, "trees")}


def test_worldcover_does_not_ask_for_orchards_and_vineyards(real: RealSet) -> None:
    assert (ask_land_cover(real, "worldcover", fewest=1).truth[4:7] == -1).all()


def test_a_label_of_several_covers_takes_no_part_unless_one_of_them_is_clear(real: RealSet) -> None:
    mixture = np.zeros_like(real.mixture)
    maize, pine = kinds_of_place().index("maize"), kinds_of_place().index("pine forest")
    mixture[:, maize], mixture[:, pine] = 0.5, 0.5
    mixture[0] = 0
    mixture[0, maize], mixture[0, pine] = 0.8, 0.2
    asked = ask_land_cover(RealSet(real.region, real.title, real.series, real.label, mixture), fewest=1)
    assert asked.used.tolist() == [0]


def test_classes_with_too_few_places_are_named_and_left_out(real: RealSet) -> None:
    asked = ask_land_cover(real, fewest=4)
    assert asked.few == {"trees": 3}
    assert asked.present == (0,)
    assert (asked.truth[7:10] == -1).all()


def test_finer_kinds_compete_where_two_have_enough_places(real: RealSet) -> None:
    asked = ask_finer(real, fewest=3)
    assert asked is not None
    assert asked.taxonomy.names == ("maize", "orchards and vineyards", "trees")
    assert asked.truth.tolist() == [0] * 4 + [1] * 3 + [2] * 3 + [-1]
    assert asked.few == {"wheat": 1}
    assert ask_finer(real, fewest=4) is None


def test_labels_elsewhere_are_numbered_by_the_same_names(real: RealSet) -> None:
    assert finer_truth(real, ["wheat", "maize"]).tolist() == [1] * 4 + [-1] * 6 + [0]
