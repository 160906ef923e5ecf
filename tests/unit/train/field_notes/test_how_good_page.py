"""The page docs/how-good.md."""

from __future__ import annotations

import datetime

from tests.unit.train.field_notes.small_world import how_good, random_model
from timesenclip.train.field_notes.held_out_regions import FINER
from timesenclip.train.field_notes.how_good_page import how_good_page, versions

TODAY = datetime.date(2026, 1, 2)


def test_the_page_holds_every_part() -> None:
    page = how_good_page(how_good(), final=random_model(), today=TODAY)
    assert "$" not in page
    for part in (
        "- fold 1 (abc) has not seen rondonia, korea.\n",
        "**maize** in rondonia",
        "| rondonia | 100 | 2 of 8 |",
        "**korea** (the set of korea)",
        "- how the forest was made.",
        "4 pixels of parcels; asked: maize, grassland, forest, houses and roads.",
        "a temperature of 0.062",
        "they have no labels: amazonia.",
        f"on 2026-01-02 with {versions()}.",
    ):
        assert part in page


def test_what_was_not_measured_is_said() -> None:
    found = how_good(patch=None, not_measured=(), tasks=tuple(r for r in how_good().tasks if r.task != FINER))
    page = how_good_page(found, final=None, today=TODAY)
    assert "Not measured: the patch is not there" in page
    assert "No region has two finer kinds" in page
    assert "they have no labels: none." in page


def test_a_fold_that_was_trained_otherwise_is_said() -> None:
    final = random_model()
    recipe = final.config.training["recipe"] | {"seed": 2, "world": {"leave_out": [], "real": "other", "l1c": 0.1}}
    final.config = final.config.model_copy(update={"training": {"recipe": recipe}})
    page = how_good_page(how_good(), final=final, today=TODAY)
    assert "differs from the shipped one: seed is 1 instead of 2, world.l1c is None instead of 0.1." in page


def test_versions_name_what_figures_depend_on() -> None:
    for name in ("timesenclip", "torch", "numpy", "scikit-learn", "Python"):
        assert name in versions()
