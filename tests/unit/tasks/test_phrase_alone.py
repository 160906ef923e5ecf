"""One phrase alone: what it is compared with, and where it fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from timesenclip.errors import InputError
from timesenclip.ground.load import load_tower
from timesenclip.ground.taxonomy import taxonomy_from_phrases
from timesenclip.ground.tower import GroundTower
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.tasks.phrase_alone import Rivals, judge, rivals_of


@pytest.fixture(scope="module")
def tower() -> GroundTower:
    return load_tower("compact")


def rivals(tower: GroundTower, phrase: str, against: object = None) -> Rivals:
    found = rivals_of(taxonomy_from_phrases([phrase]), tower, against=against)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_one_phrase_has_the_background_and_several_have_each_other(tower: GroundTower) -> None:
    found = rivals(tower, "maize")
    assert found.background == "background"
    assert {"wheat", "grassland", "water"} <= set(found.names)
    assert set(found.kin) == {"maize", "cropland"}
    assert found.vectors.shape == (len(found.names), tower.dim)
    assert found.about["competitors"] == list(found.names)
    assert rivals_of(taxonomy_from_phrases(["maize", "wheat"]), tower) is None


def test_chosen_phrases_compete_even_if_they_are_near(tower: GroundTower, tmp_path: Path) -> None:
    assert rivals(tower, "wheat", ["barley", "Wheat"]).names == ("barley",)
    file = tmp_path / "list.yaml"
    file.write_text("name: mine\nclasses:\n  - name: wheat field\n  - name: lake\n")
    assert rivals(tower, "wheat", file).names == ("lake",)
    assert rivals(tower, "wheat", "worldcover").background == "worldcover"


def test_a_background_without_a_competitor_or_beside_several_classes_is_refused(tower: GroundTower) -> None:
    with pytest.raises(InputError, match="No phrase of the background 'phrases' competes with 'wheat'"):
        rivals(tower, "wheat", ["wheat"])
    with pytest.raises(InputError, match=r"\(--against\) with 2 classes"):
        rivals_of(taxonomy_from_phrases(["a lake", "maize"]), tower, against=["wheat"])


def test_a_phrase_fits_where_it_is_better_than_the_others() -> None:
    scores = np.array([[0.4, 0.1, 0.0], [0.1, 0.4, 0.0], [np.nan] * 3], dtype=np.float32)
    probability, fits = judge(scores, Calibration(temperature=0.04))
    assert fits.tolist() == [True, False, False]
    assert probability[0] > 0.9 > 0.1 > probability[1]
    assert np.isnan(probability[2])


def test_a_cosine_that_is_given_takes_the_place_of_the_probability() -> None:
    scores = np.array([[0.4, 0.1], [0.1, 0.4]], dtype=np.float32)
    for limit, expected in ((-1.0, [True, True]), (0.3, [True, False]), (0.9, [False, False])):
        probability, fits = judge(scores, Calibration(temperature=0.04), limit)
        assert fits.tolist() == expected
        assert probability[0] > 0.9
