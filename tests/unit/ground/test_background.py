"""Which background phrases compete with a phrase."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip.errors import TaxonomyError
from timesenclip.ground.background import Background, as_background, embed_background, load_background, phrase_texts
from timesenclip.ground.load import load_tower
from timesenclip.ground.taxonomy import TaxonClass, taxonomy_from_phrases
from timesenclip.ground.tower import GroundTower


@pytest.fixture(scope="module")
def tower() -> GroundTower:
    return load_tower("compact")


@pytest.fixture(scope="module")
def background(tower: GroundTower) -> Background:
    return embed_background(load_background(), tower)


def kin(background: Background, tower: GroundTower, phrase: str) -> set[str]:
    competing = background.competitors(phrase_texts(TaxonClass(phrase), tower), (phrase,))
    return {taxon.name for taxon, on in zip(background.taxonomy.classes, competing, strict=True) if not on}


def test_the_background_covers_the_land_in_general_phrases() -> None:
    names = load_background().names
    groups = {"cropland", "trees", "shrubland", "grassland", "bare ground", "built-up area", "water", "wetland"}
    assert groups | {"snow and ice", "maize", "wheat"} <= set(names)
    assert 30 <= len(names) <= 80


@pytest.mark.parametrize("phrase", ["maize", "a maize field", "corn", "corn field", "Maize"])
def test_a_kind_does_not_compete_with_its_other_names_and_its_group(
    phrase: str, background: Background, tower: GroundTower
) -> None:
    found = kin(background, tower, phrase)
    assert {"maize", "cropland"} <= found
    assert not {"potatoes", "sunflower", "grassland", "trees", "water"} & found


def test_a_group_does_not_compete_with_its_kinds(background: Background, tower: GroundTower) -> None:
    assert {"cropland", "maize", "wheat", "potatoes"} <= kin(background, tower, "crops")
    assert {"trees", "coniferous forest", "broadleaved forest"} <= kin(background, tower, "forest")
    assert not {"grassland", "water"} & kin(background, tower, "crops")  # alfalfa is grassland, too; crops are not


def test_a_thing_that_the_background_does_not_know_competes_with_all(
    background: Background, tower: GroundTower
) -> None:
    assert kin(background, tower, "solar farm") == set()


def test_a_kind_competes_with_the_other_kinds_of_its_group(background: Background, tower: GroundTower) -> None:
    assert not {"wheat", "maize"} & kin(background, tower, "potatoes")
    assert "olive grove" not in kin(background, tower, "a vineyard")


def test_siblings_that_are_near_in_text_compete(background: Background, tower: GroundTower) -> None:
    found = kin(background, tower, "spruce forest")
    assert {"spruce forest", "coniferous forest", "trees"} <= found
    assert not {"oak forest", "broadleaved forest", "birch forest"} & found


def test_the_same_name_is_kin_whatever_the_tower_makes_of_it(background: Background) -> None:
    nothing = np.zeros((1, background.vectors.shape[1]), dtype=np.float32)
    left_out = ~background.competitors(nothing, ("Rice Paddy",))
    assert {background.taxonomy.names[j] for j in np.flatnonzero(left_out)} == {"rice paddy", "cropland"}


def test_nearness_is_measured_from_unrelated_phrases_on() -> None:
    """A tower whose cosines are all high: 0.8 is nothing there, 0.97 is near."""
    taxonomy = taxonomy_from_phrases(["one", "two"])
    common, own = np.sqrt(0.8), np.sqrt(0.2)
    one, two = (np.array([common, *row]) for row in ([own, 0, 0], [0, own, 0]))
    vectors = np.stack([one, two]).astype(np.float32)
    high = Background(taxonomy, vectors, vectors, np.array([0, 1]), unrelated=0.8)
    near = one * 0.95 + two * 0.05
    asked = (near / np.linalg.norm(near))[None].astype(np.float32)
    assert float(asked[0] @ vectors[1]) > 0.8  # by itself as near as kin of other towers
    assert high.competitors(asked).tolist() == [False, True]


def test_templates_apply_to_the_background_and_descriptions_do_not(tower: GroundTower) -> None:
    plain = embed_background(load_background(), tower)
    assert np.array_equal(embed_background(load_background(), tower, "descriptive").vectors, plain.vectors)
    assert not np.array_equal(embed_background(load_background(), tower, "a lake beside {name}").vectors, plain.vectors)


def test_any_class_list_can_be_the_background(tmp_path: Path) -> None:
    assert as_background() is load_background()
    assert as_background("worldcover").name == "worldcover"
    assert as_background(["wheat", "barley"]).names == ("wheat", "barley")
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nclasses:\n  - {name: crops}\n  - {name: wheat, within: [crops]}\n")
    assert as_background(file).classes[1].within == ("crops",)
    with pytest.raises(TaxonomyError, match="Unknown taxonomy"):
        as_background("nothing-of-that-name")
