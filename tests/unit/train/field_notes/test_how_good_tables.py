"""Tables about left-out regions."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.train.field_notes.small_world import class_result, how_good, task_result
from timesenclip.train.field_notes.held_out_regions import LAND_COVER_TASK
from timesenclip.train.field_notes.how_good_tables import (
    calibration_table,
    class_table,
    condition_tables,
    failures,
    markdown_table,
    patch_table,
    region_table,
    sets_table,
)


def test_a_table_in_markdown() -> None:
    assert markdown_table(("a", "b"), [("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |"


def test_a_region_has_a_row_and_all_have_a_mean() -> None:
    lines = region_table(how_good(), LAND_COVER_TASK).splitlines()
    assert lines[2] == "| rondonia | 100 | 2 of 8 | 0.562 (0.500 to 0.625) | 0.500 | 12.5% | 0.400 |  | 0.125 | 0.500 |"
    assert lines[3] == "| korea | 100 | 2 of 8 | 0.562 (0.500 to 0.625) | 0.500 | 12.5% |  |  | 0.125 | 0.500 |"
    assert lines[4] == "| **mean** | 200 |  | 0.562 | 0.500 | 12.5% | 0.400 |  | 0.125 | 0.500 |"


def test_a_class_has_a_row_with_its_interval_and_what_is_said_instead() -> None:
    text = class_table(task_result("korea"))
    assert "| maize | 40 | 0.250 (0.140 to 0.400) | 0.200 | 0.300 |  | grassland (50%) |" in text
    assert text.endswith("Too few places to be measured: water (2).")


def test_the_worst_classes_are_named_first() -> None:
    worst = class_result("rice", recall=0.0, instead="", instead_share=0.0)
    found = how_good(tasks=(task_result("korea"), task_result("corsica", classes=(worst,), balanced=0.0)))
    lines = failures(found).splitlines()
    assert lines[0] == "- **rice** in corsica (land cover): 0% of 40 places (14% to 40%)."
    assert lines[1] == "- **maize** in korea (land cover): 25% of 40 places (14% to 40%); 50% are called grassland."
    assert "trees" not in "".join(lines)
    assert "In corsica (land cover) a forest with labels from elsewhere is better: 0.400 against 0.000." in lines[2]
    assert "not above chance" in lines[3]


def test_many_weak_classes_are_counted_and_none_is_said() -> None:
    many = task_result("korea", classes=tuple(class_result(f"c{i}") for i in range(15)))
    assert "- 3 more classes" in failures(how_good(tasks=(many,)))
    good = task_result("korea", classes=(class_result("maize", recall=0.9),), balanced=1.1)
    assert failures(how_good(tasks=(good,))) == "- No class is found in fewer than half of its places."


def test_the_patch_with_and_without_unknown() -> None:
    found = how_good()
    assert found.patch is not None
    assert "| as shipped | 0.750 | 1.000 | 0.500 | 25.0% |" in patch_table(found.patch)
    assert "forest" not in patch_table(found.patch)
    assert "| forest, other strips" in patch_table(replace(found.patch, forest=found.patch.answered))


def test_conditions_show_the_points_that_are_lost() -> None:
    text = condition_tables(how_good())
    assert "| few | 0.375 | 0.375 | -12.5 |" in text
    assert "| as read | 0.500 | 0.750 | 0.625 | +0.0 |" in text
    assert "Fewer bands were not measured" in condition_tables(how_good(bands=()))


def test_calibration_by_region_and_its_means() -> None:
    text = calibration_table(how_good())
    assert "| korea | 0.188 | 0.200 | 0.600 | 0.500 | 10.0% | 1.0% |" in text
    assert "worldcover: calibration error 0.125, unknown 10.0%" in text
    assert "eight plain words: 0.031; worldcover: 0.047." in text
    assert "below 0.125" in text
    assert "random numbers: 75%" in text


def test_sets_say_what_was_seen_and_who_measured() -> None:
    text = sets_table(how_good(), ["amazonia"])
    assert "| Rondonia 2018 | rondonia | 1,200 | 1,100 | no | fold 1 (abc) |" in text
    assert "| Amazonia, Landsat | amazonia | 2,000 | 1,900 | yes | not measured |" in text
