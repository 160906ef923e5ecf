"""What a run would do."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.train.photo_world import recipe_of, run, write_recipe

CONFIGS = Path(__file__).parents[3] / "configs"


def test_the_plan_is_printed_and_nothing_is_written(world: Path, tmp_path: Path) -> None:
    file = write_recipe(tmp_path / "r.yaml", recipe_of(world))
    done = run(["train", str(file), "-o", str(tmp_path / "run"), "--dry-run", "--json"])
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["parameters"] > 1000
    assert plan["parts"]["train"] > 8
    assert not (tmp_path / "run").exists()


def test_field_notes_have_a_plan_too() -> None:
    done = run(
        ["train", str(CONFIGS / "default.yaml"), "--dry-run", "--json", "--set", "steps=30", "--set", "batch_size=64"]
    )
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["steps"] == 30
    assert plan["parameters"] > 500_000
    assert plan["parts"] == {"simulated, held at a time": 24_000}
    assert plan["nearest_m"] is None
