"""`train`: the recipe, its changes and where it runs reach the trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.train.plan import TrainPlan
from timesenclip.train.recipe import PhotoRecipe
from timesenclip.train.trainer import Trained

RECIPE = Path(__file__).parents[3] / "configs" / "paper.yaml"


def trained(**changes: Any) -> Trained:
    facts: dict[str, Any] = {
        "folder": Path("run"),
        "checkpoint": Path("run/best"),
        "steps": 1200,
        "resumed_from": 0,
        "best": 0.25,
        "stopped_early": False,
    }
    return Trained(**(facts | changes))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["none.yaml"], "No training recipe"),
        ([RECIPE, "--set", "seed"], "expected key=value"),
        ([RECIPE, "--set", "encoder=huge"], "unknown encoder 'huge'"),
        ([RECIPE, "--devices", 0], "Invalid value for '--devices'"),
        ([RECIPE, "--accelerator", "tpu"], "Invalid value for '--accelerator'"),
    ],
)
def test_a_wrong_command_line_is_one_line(args: list[Any], said: str, refused: Refused, stand_in: StandIn) -> None:
    calls = stand_in("train.trainer.pretrain", trained())
    assert said in refused("train", *args)
    assert calls == []


def test_every_option_reaches_the_trainer(run: Run, stand_in: StandIn) -> None:
    calls = stand_in("train.trainer.pretrain", trained(resumed_from=200))
    changes = ["--set", "seed=9", "--set", "objective.bank_size=64"]
    result = run("train", RECIPE, *changes, "--devices", 2, "--accelerator", "cpu", "-o", "run", "--json")
    assert result.exit_code == 0, result.output
    recipe = calls[0].pop("recipe")
    assert isinstance(recipe, PhotoRecipe)
    assert (recipe.name, recipe.seed, recipe.objective.bank_size) == ("timesenclip-paper", 9, 64)
    assert calls == [{"out": Path("run"), "accelerator": "cpu", "devices": 2, "progress": ANY}]
    assert json.loads(result.stdout) == {
        "run": "run",
        "checkpoint": "run/best",
        "steps": 1200,
        "resumed_from": 200,
        "selection": 0.25,
        "stopped_early": False,
    }


def test_the_folder_is_named_after_the_recipe_unless_it_is_given(run: Run, stand_in: StandIn) -> None:
    calls = stand_in("train.trainer.pretrain", trained(resumed_from=200, stopped_early=True))
    result = run("train", RECIPE)
    assert result.exit_code == 0, result.output
    assert calls[0]["out"] == Path("runs/timesenclip-paper")
    assert (calls[0]["accelerator"], calls[0]["devices"]) == ("auto", 1)
    assert "continued from step 200" in result.stderr
    assert result.stdout.startswith("1,200 steps (stopped early); best held-out retrieval (mean Recall@")
    assert "timesenclip classify POINTS --checkpoint run/best" in result.stdout


def test_only_the_first_process_speaks(run: Run, stand_in: StandIn) -> None:
    stand_in("train.trainer.pretrain", trained(rank=1))
    result = run("train", RECIPE, "--json")
    assert (result.exit_code, result.stdout) == (0, "")


def test_a_dry_run_plans_and_does_not_train(run: Run, stand_in: StandIn) -> None:
    calls = stand_in("train.trainer.pretrain", trained())
    plan = TrainPlan(
        parameters=10_000,
        steps=1200,
        steps_per_epoch=100,
        parts={"train": 4000, "validation": 500},
        nearest_m=2500.0,
        model_mb=1.0,
        data_mb=2.0,
        activations_mb=3.0,
        samples_per_s=50.0,
    )
    planned = stand_in("train.plan.plan_training", plan)
    answer = json.loads(run("train", RECIPE, "--set", "batch_size=100", "--dry-run", "--json").stdout)
    assert calls == []
    recipe = planned[0]["recipe"]
    assert recipe.batch_size == 100
    assert answer["hours_on_this_cpu"] == pytest.approx(1200 * 100 * recipe.accumulate / 50 / 3600)
    assert answer["parts"] == {"train": 4000, "validation": 500}
    words = run("train", RECIPE, "--dry-run").stdout
    assert "places, train" in words
    assert "4,000" in words
    assert "1,200 (12 epochs of 100" in words
