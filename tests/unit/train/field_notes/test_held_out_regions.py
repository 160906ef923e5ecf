"""What is measured on regions that folds left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.train.field_notes.small_world import random_model, real_set, write_fold
from timesenclip.errors import CheckpointError, InputError
from timesenclip.model.checkpoint import save
from timesenclip.train.field_notes import forests
from timesenclip.train.field_notes import held_out_regions as module
from timesenclip.train.field_notes.conditions import NO_PLACES, SENSOR_TITLES
from timesenclip.train.field_notes.held_out_regions import (
    FINER,
    LAND_COVER_TASK,
    Fold,
    HowGood,
    load_folds,
    measure_regions,
)
from timesenclip.train.field_notes.questions import PLAIN, WORDINGS

LABELS = {"pasture": ("tropical pasture", 12), "forest": ("tropical rainforest", 12)}


def folds() -> tuple[Fold, ...]:
    return (
        Fold("one", random_model(leave_out=("rondonia",), seed=1), ("rondonia",)),
        Fold("two", random_model(leave_out=("roraima", "korea"), seed=2), ("roraima", "korea")),
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> HowGood:
    sets = [
        real_set("rondonia", LABELS, seed=1),
        real_set("roraima", LABELS, seed=2),
        real_set("amazonia", LABELS, seed=3),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_real_sets", lambda *_, **__: sets)
        patch.setattr(forests, "_TREES", 5)
        return measure_regions(folds(), tmp_path_factory.mktemp("no-patch"))


def test_each_region_is_asked_of_the_fold_that_has_not_seen_it(found: HowGood) -> None:
    assert [(row.region, row.task) for row in found.tasks] == [
        ("rondonia", LAND_COVER_TASK),
        ("rondonia", FINER),
        ("roraima", LAND_COVER_TASK),
        ("roraima", FINER),
    ]
    assert {row.region for row in found.calibration} == {"rondonia", "roraima"}
    assert {row.wording for row in found.calibration} == set(WORDINGS)
    assert found.not_measured == ("amazonia",)
    assert found.patch is None


def test_forests_stand_beside_the_answers(found: HowGood) -> None:
    (cover,) = [row for row in found.of(LAND_COVER_TASK) if row.region == "rondonia"]
    assert cover.elsewhere is not None
    assert cover.elsewhere > 0.9  # simulated places of two kinds that differ much
    assert cover.same is not None
    assert cover.notes[0].startswith("Forest with labels from elsewhere: 48 places")  # roraima and amazonia
    assert (cover.asked, cover.places) == (8, 24)


def test_bands_and_clouds_are_compared_in_each_region(found: HowGood) -> None:
    assert [condition.title for condition in found.bands] == list(SENSOR_TITLES.values())
    assert len(found.clouds) == 3
    first = {row.region: row.balanced for row in found.of(LAND_COVER_TASK)}
    assert found.bands[0].regions == found.clouds[0].regions == pytest.approx(first)
    assert found.bands[0].mean == pytest.approx(sum(first.values()) / 2)
    assert set(found.nothing) == set(NO_PLACES)
    assert set(found.pooled) == set(WORDINGS)


def test_what_ships_is_fitted_on_all_regions(found: HowGood) -> None:
    by_region = {row.region: row.fitted for row in found.calibration if row.wording == PLAIN}
    assert found.fitted.fitted
    assert found.fitted.unknown_score == min(fitted.unknown_score or 0 for fitted in by_region.values())


def test_no_region_to_measure_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "read_real_sets", lambda *_, **__: [real_set("amazonia", LABELS)])
    with pytest.raises(InputError, match="left out"):
        measure_regions(folds(), tmp_path)


def test_folds_say_what_they_have_not_seen(tmp_path: Path) -> None:
    fold = write_fold(tmp_path / "a", "korea", "corsica")
    (read,) = load_folds([fold])
    assert read.leave_out == ("korea", "corsica")
    assert read.name.startswith("fold 1 (")


@pytest.mark.parametrize(("leave_out", "said"), [((), "names no region"), (("atlantis",), "left out 'atlantis'")])
def test_a_fold_that_left_out_nothing_is_refused(tmp_path: Path, leave_out: tuple[str, ...], said: str) -> None:
    fold = write_fold(tmp_path / "a", *leave_out)
    with pytest.raises(InputError, match=said):
        load_folds([fold])


def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path) -> None:
    model: Any = random_model()
    model.config = model.config.model_copy(update={"training": {}})
    save(model, tmp_path / "a")
    with pytest.raises(InputError, match="names no region"):
        load_folds([tmp_path / "a"])
    with pytest.raises(CheckpointError):
        load_folds([tmp_path / "none"])
