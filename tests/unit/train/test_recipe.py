"""Recipes: what is read, what is refused, and what counts as the same run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.train.photo_world import recipe_of, write_recipe
from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.train.recipe import FieldNotesRecipe, read_recipe, recipe_digest

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.parametrize("name", ["paper", "better"])
def test_the_shipped_recipes_are_read(name: str) -> None:
    recipe = read_recipe(CONFIGS / f"{name}.yaml")
    assert recipe.name == f"timesenclip-{name}"
    assert recipe.encoder == "paper"


def test_recipes_say_what_is_wrong(tmp_path: Path, world: Path) -> None:
    file = write_recipe(tmp_path / "r.yaml", recipe_of(world))
    for change, message in (
        ("objective.bank_sise=3", "objective.bank_sise"),
        ("batch_size=many", "batch_size.*given: 'many'"),
        ("encoder=huge", "unknown encoder 'huge'"),
        ("objective.in_batch=false", "symmetric loss needs in_batch"),
        ("nothing", "expected key=value"),
        ("name.x=1", "'name' has no settings below it"),
    ):
        with pytest.raises(InputError, match=message):
            read_recipe(file, changes=[change])
    assert read_recipe(file, changes=["data.exclude=['7']", "seed=5"]).seed == 5


def test_the_kind_of_a_recipe_decides_what_it_may_say(tmp_path: Path) -> None:
    shipped = read_recipe(CONFIGS / "default.yaml")
    assert isinstance(shipped, FieldNotesRecipe)
    assert shipped.name == "timesenclip-default"
    assert shipped.objective.in_batch
    assert read_recipe(CONFIGS / "default.yaml", changes=["world.real=tables"]).world.real == "tables"
    with pytest.raises(InputError, match=r"`objective\.question_weigt` is no setting; did you mean `question_weight`"):
        read_recipe(CONFIGS / "default.yaml", changes=["objective.question_weigt=0"])
    with pytest.raises(InputError, match="`recipe` is 'photo'; expected one of photos, field-notes"):
        read_recipe(CONFIGS / "default.yaml", changes=["recipe=photo"])
    file = tmp_path / "old.yaml"
    file.write_text("name: x\nworld: {simulated: 100}\n")
    with pytest.raises(InputError, match="add `recipe: field-notes`"):
        read_recipe(file)
    file.write_text("name: x\n")
    with pytest.raises(InputError, match="`recipe` is missing"):
        read_recipe(file)
    with pytest.raises(DataNotFoundError, match="No training recipe"):
        read_recipe(tmp_path / "none.yaml")


def test_the_digest_changes_with_what_decides_the_weights(world: Path) -> None:
    first = recipe_digest(recipe_of(world))
    assert recipe_digest(recipe_of(world, save_every_steps=7)) == first
    assert recipe_digest(recipe_of(world, seed=1)) != first


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("encoder_options={colour: red}", "Unknown field 'colour' of the encoder"),
        ("encoder_options={depth: -1}", "depth is -1; expected a whole number"),
        ("encoder_options={depth: 1000000}", "depth is 1000000"),
        ("encoder_options={depth: 2.5}", "depth is 2.5"),
        ("encoder_options={depth: true}", "depth is True"),
        ("encoder_options={dim: '64'}", "dim is '64'"),
        ("encoder_options={dropout: .nan}", "'.nan' is not a finite number"),
        ("encoder_options={dropout: .inf}", "'.inf' is not a finite number"),
        ("encoder_options={positions: [1]}", "Unknown positions"),
        ("encoder_options=[1]", "encoder_options"),
        ("epochs=true", "epochs"),
        ("epochs=.nan", "epochs"),
        ("epochs=1.0e+30", "epochs"),
        ("epochs=-1", "epochs"),
        ("seed=-1", "seed"),
        ("optimiser.learning_rate=.nan", "learning_rate"),
        ("optimiser.learning_rate=.inf", "learning_rate"),
        ("objective.temperature=.inf", "temperature"),
        ("objective.bank_size=1000000000000", "bank_size"),
        ("split.gap_m=.nan", "gap_m"),
        ("split.block_deg=1.0e-300", "block_deg"),
        ("name=../../elsewhere", "no slash"),
        ("name=.hidden", "no dot first"),
    ],
)
def test_a_number_that_is_none_is_one_line(change: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_recipe(Path(__file__).parents[3] / "configs" / "paper.yaml", changes=[change])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
