"""What a teacher says, put together with what is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.train.field_notes.presto_file import write_presto
from timesenclip.ground.load import load_tower
from timesenclip.testing import random_series
from timesenclip.train.field_notes.lessons import (
    kinds_of_classes,
    restricted,
    teach_real,
    teach_simulated,
    with_votes,
)
from timesenclip.train.field_notes.notes import ClassList, FieldNotes, kinds_of_place
from timesenclip.train.field_notes.places import exact_mixture
from timesenclip.train.field_notes.real_sets import RealSet
from timesenclip.train.field_notes.teacher import CLASSES, load_teacher


@pytest.fixture(scope="module")
def dynamic_world() -> ClassList:
    notes = FieldNotes(load_tower("compact"))
    return next(listed for listed in notes.class_lists if listed.name == "dynamic-world")


def _set(count: int) -> RealSet:
    nothing = np.zeros((count, len(kinds_of_place())), dtype=np.float32)
    return RealSet("korea", "t", random_series(count), ("",) * count, nothing)


def test_a_class_of_the_teacher_speaks_of_a_group() -> None:
    kinds = kinds_of_classes()
    assert (kinds.sum(axis=1) == 1).all()
    names = [kinds_of_place()[i] for i in kinds.argmax(axis=1)]
    assert dict(zip(CLASSES, names, strict=True))["Flooded vegetation"] == "any wetland"


def test_a_label_leaves_only_what_may_be_true(dynamic_world: ClassList) -> None:
    told = np.full((3, 9), 1 / 9, dtype=np.float32)
    mixture = exact_mixture(["oak and beech forest", "any permanent crops", "maize"])
    mixture[2] = 0  # no label: the teacher is believed
    found = restricted(told, mixture, dynamic_world)
    assert found[0, CLASSES.index("Trees")] == pytest.approx(1)
    assert {CLASSES[i] for i in np.flatnonzero(found[1] > 0.01)} == {"Crops", "Trees", "Shrub and scrub"}
    assert np.allclose(found[2], told[2])


def test_votes_and_teacher_are_multiplied() -> None:
    told = np.array([[0.5, 0.5, 0, 0, 0, 0, 0, 0, 0]], dtype=np.float32)
    votes = np.array([[0.0, 1.0, 0, 0, 0, 0, 0, 0, 0]], dtype=np.float32)
    assert with_votes(told, None) is told
    assert with_votes(told, votes)[0, :2] == pytest.approx([0.05 / 1.1, 1.05 / 1.1])


def test_priors_are_those_of_all_sets_together(tmp_path: Path) -> None:
    teacher, sets = load_teacher(write_presto(tmp_path / "presto.pt")), [_set(6), _set(4)]
    plain = teach_real(teacher, sets, balance=0.0)
    even = teach_real(teacher, sets, balance=1.0)
    assert np.allclose(plain[0].probabilities, teacher.teach(sets[0].series).probabilities, atol=1e-6)

    def spread(lessons: list[object]) -> float:
        logs = np.stack([np.log(told.probabilities).mean(axis=0) for told in lessons]).mean(axis=0)  # type: ignore[attr-defined]
        common = np.delete(logs, [CLASSES.index("Flooded vegetation"), CLASSES.index("Snow and ice")])
        return float(np.ptp(common))

    assert spread(list(even)) < 0.01 < spread(list(plain))


def test_simulated_places_are_taught_at_a_place_that_is_drawn(tmp_path: Path) -> None:
    teacher, series = load_teacher(write_presto(tmp_path / "presto.pt")), random_series(3)
    drawn = {
        teach_simulated(teacher, series, rng=np.random.default_rng(seed)).probabilities.tobytes() for seed in range(8)
    }
    assert 1 < len(drawn) <= 4
