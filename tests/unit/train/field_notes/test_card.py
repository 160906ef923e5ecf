"""The model card of a checkpoint trained on field notes."""

from __future__ import annotations

from typing import Any

from tests.unit.train.field_notes.small_world import how_good, random_model
from timesenclip.model.checkpoint import Model
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.train.field_notes.card import card_text, measured_card, regions_seen
from timesenclip.train.field_notes.real_sets import REGIONS


def changed(model: Model, **world: Any) -> Model:
    recipe = dict(model.config.training["recipe"])
    recipe["world"] = recipe["world"] | world
    config = model.config.model_copy(update={"training": {"recipe": recipe}})
    return Model(model.encoder, config)


def test_the_card_says_what_the_checkpoint_is() -> None:
    model = random_model(leave_out=("korea",))
    card = card_text(model, measured="the tables", calibrated="fitted on something")
    assert "$" not in card
    assert "# small\n" in card
    assert f"({sum(p.numel() for p in model.encoder.parameters()):,} parameters, preset `tiny`)" in card
    assert "the tables" in card
    assert "temperature 0.050; `unknown` never; fitted on something" in card
    assert "rondonia" in card
    assert "korea" not in card


def test_the_threshold_of_unknown_is_stated() -> None:
    model = random_model()
    config = model.config.model_copy(update={"calibration": Calibration(temperature=0.04, unknown_score=0.1)})
    card = card_text(Model(model.encoder, config), measured="", calibrated="x")
    assert "`unknown` below a cosine of 0.100" in card


def test_a_teacher_is_named_where_there_was_one() -> None:
    model = random_model()
    assert "Presto" not in card_text(model, measured="", calibrated="")
    taught = card_text(changed(model, teacher="presto.pt"), measured="", calibrated="")
    assert "Presto (nasaharvest/presto, MIT" in taught


def test_regions_seen_are_those_that_were_not_left_out() -> None:
    assert regions_seen(random_model()) == REGIONS
    assert "korea" not in regions_seen(random_model(leave_out=("korea",)))
    assert regions_seen(random_model(real=False)) == ()
    assert "No real series." in card_text(random_model(real=False), measured="", calibrated="")


def test_the_measured_card_shows_every_region() -> None:
    card = measured_card(random_model(), how_good())
    for part in (
        "| rondonia | 100 | 2 of 8 |",
        "### Crops and finer kinds",
        "### Maize and grassland parcels",
        "| Amazonia, Landsat | amazonia | 2,000 | 1,900 | yes | not measured |",
        "**maize** in korea",
        "fitted on the left-out regions",
    ):
        assert part in card
    assert "Maize and grassland parcels" not in measured_card(random_model(), how_good(patch=None))
