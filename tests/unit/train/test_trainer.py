"""Runs on photographs: what they leave, resume, and what goes wrong."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.unit.train.photo_world import DIM, recipe_of, run, write_recipe
from timesenclip.data.store import SeriesStore
from timesenclip.data.store_writer import store_points
from timesenclip.errors import InputError, TrainingDivergedError
from timesenclip.files import TEMPORARY_SUFFIX
from timesenclip.model.checkpoint import load
from timesenclip.testing import random_series
from timesenclip.train.learner import Learner
from timesenclip.train.recipe import read_recipe, recipe_digest
from timesenclip.train.source import open_source
from timesenclip.train.state import load_state
from timesenclip.train.trainer import _Run


@pytest.mark.slow
def test_a_run_killed_anywhere_and_resumed_ends_with_the_same_weights(world: Path, tmp_path: Path) -> None:
    options = {"dim": 32, "heads": 2, "depth": 2, "dropout": 0.1}
    recipe = recipe_of(world, epochs=14, save_every_steps=3, encoder_options=options)
    file = write_recipe(tmp_path / "r.yaml", recipe)
    whole = run(["train", str(file), "-o", str(tmp_path / "whole"), "--accelerator", "cpu", "--json"])
    assert whole.returncode == 0, whole.stderr
    facts = json.loads(whole.stdout)
    arguments = ["train", str(file), "-o", str(tmp_path / "cut"), "--accelerator", "cpu"]
    command = [sys.executable, "-m", "timesenclip", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "cut" / "state.pt").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.05 + np.random.default_rng().uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
    again = run([*arguments, "--json"])
    assert again.returncode == 0, again.stderr
    resumed = json.loads(again.stdout)
    assert resumed["steps"] == facts["steps"]
    for name in ("last", "best"):
        mine, theirs = ((tmp_path / r / name / "model.safetensors").read_bytes() for r in ("cut", "whole"))
        assert mine == theirs
    with (tmp_path / "cut" / "metrics.csv").open(newline="") as log:
        steps = [int(row["step"]) for row in csv.DictReader(log)]
    assert steps == sorted(set(steps))


def test_a_run_leaves_what_it_promises(world: Path, tmp_path: Path, pretrain: Any) -> None:
    recipe = recipe_of(world, accumulate=2)
    done = pretrain(recipe, tmp_path / "run")
    assert done.steps == recipe.epochs * 5 // 2 or done.steps > 1
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"recipe.yaml", "run.json", "metrics.csv", "state.pt", "best", "last", "tensorboard"} <= names
    assert not [name for name in names if name.endswith(TEMPORARY_SUFFIX)]
    assert read_recipe(tmp_path / "run" / "recipe.yaml") == recipe
    model = load(done.checkpoint)
    assert model.config.tower.dim == DIM
    assert model.config.calibration.fitted is False
    card = (done.checkpoint / "README.md").read_text()
    assert "Recall@10" in card
    assert "No caption and no label" in card
    assert pretrain(recipe, tmp_path / "run").resumed_from == done.steps  # nothing left to do


def test_training_learns_pairs_that_belong_together(tmp_path: Path, pretrain: Any) -> None:
    """Ground vectors that are a hidden linear function of the spectrum are found again on held-out places."""
    rng = np.random.default_rng(0)
    count = 400
    series = random_series(count, year=2018, missing=0.1)
    scaled = (series.reflectance * rng.uniform(0.3, 2, (count, 1, 10))).astype(np.float32)
    object.__setattr__(series, "reflectance", scaled)
    object.__setattr__(series, "lon_deg", rng.uniform(0, 20, count))
    object.__setattr__(series, "lat_deg", rng.uniform(40, 60, count))
    store_points([series], tmp_path / "series.zarr", source="x")
    spectra = np.log(series.reflectance.sum(axis=1) / series.valid.sum(axis=1)[:, None])
    hidden = (spectra - spectra.mean(axis=0)) @ rng.normal(size=(10, DIM))
    index = SeriesStore.open(tmp_path / "series.zarr").index
    pairs = index[["sample_id"]].rename(columns={"sample_id": "series_id"})
    pairs["embedding"] = list(hidden.astype(np.float32))
    pairs.to_parquet(tmp_path / "pairs.parquet")
    changes = {"data": {"series": str(tmp_path / "series.zarr"), "pairs": str(tmp_path / "pairs.parquet")}}
    objective = {"in_batch": True, "symmetric": True, "bank_size": 0}
    options = {"epochs": 30, "batch_size": 64, "augment": [], "optimiser": {"learning_rate": 3e-3}}
    best = pretrain(recipe_of(tmp_path, **changes, **options, objective=objective), tmp_path / "run").best
    places = json.loads((tmp_path / "run" / "run.json").read_text())["places"]["validation"]
    assert best > 3 * 10 / places


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(
    world: Path, tmp_path: Path, pretrain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = 0
    forward = Learner.forward

    def breaks(self: Learner, *arguments: Any) -> Any:
        nonlocal done
        done += 1
        loss, *others = forward(self, *arguments)
        return (loss * float("nan") if done == 8 else loss), *others

    monkeypatch.setattr(Learner, "forward", breaks)
    with pytest.raises(TrainingDivergedError, match=r"nan at step 8 \(epoch 2, micro-batch 1 of 1\); the last good"):
        pretrain(recipe_of(world), tmp_path / "run")
    load(tmp_path / "run" / "best")


def test_a_run_of_another_recipe_is_not_continued(world: Path, tmp_path: Path, pretrain: Any) -> None:
    pretrain(recipe_of(world, epochs=1), tmp_path / "run")
    with pytest.raises(InputError, match="holds a run of another recipe"):
        pretrain(recipe_of(world, epochs=1, seed=9), tmp_path / "run")


def test_early_stopping(world: Path, tmp_path: Path, pretrain: Any) -> None:
    recipe = recipe_of(world, epochs=40, selection={"patience": 1}, optimiser={"learning_rate": 1e-9})
    done = pretrain(recipe, tmp_path / "run")
    assert done.stopped_early
    assert done.steps < 40 * 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"series": "{w}/none", "ground": "{w}/ground.pt"}}, "No training store"),
        ({"data": {"series": "{w}/series.zarr", "ground": "{w}/none.pt"}}, "No ground embeddings"),
        ({"data": {"series": "{w}/series.zarr"}}, "neither data.ground nor data.pairs"),
        ({"tower": None}, "do not say which tower"),
        ({"data": {"series": "{w}/series.zarr", "ground": "{w}/ground.pt", "least_views": 5}}, "fewer than 5 ground"),
        ({"split": {"min_distance_m": 1e6, "gap_m": 0}}, "closer than 1e\\+06 m"),
        ({"encoder_options": {"heads": 7}}, "not a multiple of heads 7"),
        ({"batch_size": 512}, "do not fill one batch"),
    ],
)
def test_what_does_not_fit_is_said_before_training(
    world: Path, tmp_path: Path, changes: Any, message: str, pretrain: Any
) -> None:
    changed = json.loads(json.dumps(changes).replace("{w}", str(world)))
    with pytest.raises(Exception, match=message) as caught:
        pretrain(recipe_of(world, **changed), tmp_path / "run")
    assert isinstance(caught.value, ValueError | FileNotFoundError)
    assert not (tmp_path / "run" / "best").exists()


def test_mixed_precision_trains(world: Path, tmp_path: Path, pretrain: Any) -> None:
    done = pretrain(recipe_of(world, epochs=1, precision="bf16-mixed"), tmp_path / "run")
    assert np.isfinite(done.best)


def _everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_finished_run_is_left_as_it_is(world: Path, tmp_path: Path, pretrain: Any) -> None:
    recipe = recipe_of(world, objective={"bank_size": 32, "in_batch": True}, optimiser={"learning_rate": 0.01})
    pretrain(recipe, tmp_path / "run")
    before = _everything(tmp_path / "run")
    again = pretrain(recipe, tmp_path / "run")
    assert again.resumed_from == again.steps
    assert _everything(tmp_path / "run") == before


@pytest.mark.parametrize("lost", ["last", "last/README.md"])
def test_what_a_kill_after_the_last_state_left_out_is_written_as_it_would_have_been(
    world: Path, tmp_path: Path, pretrain: Any, lost: str
) -> None:
    recipe = recipe_of(world, optimiser={"learning_rate": 0.01})
    pretrain(recipe, tmp_path / "run")
    before = {name: content for name, (content, _) in _everything(tmp_path / "run" / "last").items()}
    gone = tmp_path / "run" / lost
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    pretrain(recipe, tmp_path / "run")
    assert {name: content for name, (content, _) in _everything(tmp_path / "run" / "last").items()} == before


class _OtherPlace:
    """What the trainer uses of Fabric. Its `setup` changes the parameters in place, as a move to a GPU does.

    It changes their type of number, because a CPU has no second device; AdamW puts its moments where, and as what, its
    parameters are when it loads them.
    """

    device = torch.device("cpu")
    global_rank, world_size = 0, 1
    strategy = SimpleNamespace(precision=SimpleNamespace(precision="32-true", load_state_dict=None))

    def setup(self, learner: Any, optimiser: Any) -> tuple[Any, Any]:
        return learner.double(), optimiser


def test_the_state_of_the_optimiser_is_put_where_the_parameters_are(world: Path, tmp_path: Path, pretrain: Any) -> None:
    """A run that is resumed on a GPU: `setup` moves the parameters there, and AdamW's moments must follow."""
    recipe = recipe_of(world, epochs=1, ema=0.9)
    pretrain(recipe, tmp_path / "run")
    state = load_state(tmp_path / "run", digest=recipe_digest(recipe))
    resumed = _Run(_OtherPlace(), recipe, open_source(recipe), tmp_path / "run", state)
    moments = [values[name] for values in resumed.optimiser.state.values() for name in ("exp_avg", "exp_avg_sq")]
    assert len(moments) == 2 * sum(p.requires_grad for p in resumed.learner.parameters())
    assert {p.dtype for p in resumed.learner.encoder.parameters()} == {torch.float64}
    assert {moment.dtype for moment in moments} == {torch.float64}
