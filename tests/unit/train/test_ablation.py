"""Sweeps that train: what is varied, that every checkpoint is what it says, and that a kill changes nothing."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tests.unit.train.ablation_world import COUNT, TRAIN, build, run
from timesenclip.data.store import SeriesStore
from timesenclip.errors import CheckpointError, InputError, TrainingDivergedError
from timesenclip.evaluation.sweep.config import read_sweep
from timesenclip.evaluation.sweep.run import SweepResult, run_sweep
from timesenclip.model.checkpoint import load
from timesenclip.train.data import read_training_data
from timesenclip.train.recipe import PhotoRecipe, read_recipe
from timesenclip.train.variations import variations

CONFIGS = Path(__file__).parents[3] / "configs"
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ablation")
    train = {key: value for key, value in TRAIN.items() if key != "augmentation"}
    build(root, train=train, checkpoints=["default"])
    return root


@pytest.fixture(scope="module")
def whole(world: Path) -> SweepResult:
    torch.set_num_threads(1)
    return run(read_sweep(world / "sweep.yaml"), world / "whole")


def recipe_of(world: Path, *changes: str) -> PhotoRecipe:
    return read_recipe(world / "recipe.yaml", changes=changes)


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def test_every_checkpoint_is_what_its_row_says(world: Path, whole: SweepResult) -> None:
    names = [entry.name for entry in whole.entries]
    assert names[0] == "base"
    assert names[-1] == "default"
    assert len(names) == 7
    assert (len(whole.cells), whole.computed) == (7, 7)
    models = {entry.name: load(str(entry.checkpoint)) for entry in whole.entries}
    assert models["base"].encoder.config.patch_size == 5
    assert models["base"].config.band_names is None
    assert models["patch_size=1"].encoder.config.patch_size == 1
    assert models["bands=rgb"].config.band_names == ("B04", "B03", "B02")
    assert models["bands=rgb"].encoder.spectral_embedding[1].in_features == 3 * 25
    assert len({cell.digest for cell in whole.cells}) == 7  # each training gave other weights

    rows = rows_of(whole.files["table"])
    assert rows[1]["checkpoint"] == "bands=rgb"
    assert (rows[1]["bands"], rows[1]["patch size"], rows[1]["pooling"]) == ("rgb", "5", "attention")
    assert rows[0]["S2G R@1"] != ""
    assert rows[-1]["S2G R@1"] == rows[-1]["bands"] == ""
    assert all(float(row["S2G R@1"]) <= float(row["S2G R@10"]) for row in rows[:-1])
    content = json.loads(whole.files["json"].read_text())
    assert [entry["changed"] for entry in content["entries"][:3]] == [[], ["bands"], ["patch_size"]]
    assert not Path(content["entries"][0]["checkpoint"]).is_absolute()
    for name in ("ablation", "ablation-retrieval", "axis-patch-size", "axis-bank-size"):
        assert whole.files[name].read_text().rstrip().endswith("</svg>")
    assert (world / "whole" / "sweep.tex").is_file()


def test_only_places_that_training_never_saw_count(world: Path, whole: SweepResult) -> None:
    data = read_training_data(recipe_of(world))
    assert 0 < len(data.test) < COUNT - len(data.train)
    assert {cell.count for cell in whole.cells} == {len(data.test)}


def test_the_recall_is_that_of_the_chosen_checkpoint(whole: SweepResult) -> None:
    base = whole.entries[0]
    held = load(str(base.checkpoint)).config.training["held_out"]
    log = rows_of(Path(str(base.checkpoint)).parent / "metrics.csv")
    best = max((row for row in log if row["selection"]), key=lambda row: float(row["selection"]))
    assert base.retrieval["S2G R@1"] == held["satellite_to_ground"]["1"] == float(best["s2g"])
    assert base.retrieval["G2S R@1"] == held["ground_to_satellite"]["1"] == float(best["g2s"])
    assert (base.retrieval["S2G R@10"] + base.retrieval["G2S R@10"]) / 2 == pytest.approx(float(best["selection"]))


class _Killed(Exception):
    pass


def test_killed_between_cells_and_inside_a_training_it_gives_the_same_table(world: Path, whole: SweepResult) -> None:
    config, out = read_sweep(world / "sweep.yaml"), world / "cut"

    @contextlib.contextmanager
    def watch(name: str, number: int, count: int) -> Iterator[Any]:
        def step(done: int, of: int, figures: dict[str, float]) -> None:
            if stop == f"in {name}" and done == of // 2:
                raise _Killed

        trained.append(name)
        yield step

    def cells(done: int, of: int) -> None:
        if stop == f"at {done}":
            raise _Killed

    stop, trained = "", []
    for moment in ("at 1", "in bands=rgb", "at 3", "in pooling=mean"):
        stop, trained = moment, []
        with pytest.raises(_Killed):
            run(config, out, watch=watch, progress=cells)
    trained, stop = [], ""
    again = run(config, out, watch=watch, progress=cells)
    assert trained == ["pooling=mean", "pooling=one-view", "bank_size=0"]
    assert again.files["table"].read_bytes() == whole.files["table"].read_bytes()
    assert again.files["json"].read_bytes() == whole.files["json"].read_bytes()
    assert again.files["ablation"].read_bytes() == whole.files["ablation"].read_bytes()

    trained = []
    next((out / "cells").glob("*.json")).write_text("{half a ce")
    last = run(config, out, watch=watch)
    assert (trained, last.computed) == ([], 1)
    best = Path(str(last.entries[1].checkpoint))
    (best / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*the sweep then trains it again"):
        run(config, out)
    shutil.rmtree(best.parent)
    assert run(config, out, watch=watch).files["table"].read_bytes() == whole.files["table"].read_bytes()
    assert trained == ["bands=rgb"]


def test_a_killed_process_goes_on(tmp_path: Path) -> None:
    file = build(tmp_path, train={"recipe": "recipe.yaml", "pooling": ["mean"], "changes": ["epochs=4"]})
    run(read_sweep(file), tmp_path / "whole")
    command = [sys.executable, "-m", "tests.unit.train.ablation_world", str(file), str(tmp_path / "cut")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    runs, limit = tmp_path / "cut" / "checkpoints", time.monotonic() + 60
    while len(list(runs.glob("*/state.pt"))) < 2 and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    output = process.communicate()[0].decode()
    assert process.returncode == -signal.SIGKILL, output
    assert len(list(runs.glob("*/done.json"))) == 1, output  # the second training was under way
    run(read_sweep(file), tmp_path / "cut")
    for name in ("sweep.csv", "sweep.json", "ablation.svg"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_training_that_diverges_leaves_a_row_without_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from timesenclip.train import ablation

    train = {"recipe": "recipe.yaml", "pooling": ["mean"], "changes": ["epochs=1"]}
    file = build(tmp_path, train=train, months_kept=[12, 3], composites=["month", "year"])
    real, called = ablation.pretrain, []

    def pretrain(recipe: PhotoRecipe, *arguments: Any, **options: Any) -> Any:
        called.append(recipe.objective.pooling)
        if recipe.objective.pooling == "mean":
            # As a training whose loss is not finite ends; a real one needs weights that overflow.
            raise TrainingDivergedError("The loss is nan at step 3.")
        return real(recipe, *arguments, **options)

    monkeypatch.setattr(ablation, "pretrain", pretrain)
    found = run(read_sweep(file), tmp_path / "out")
    assert [entry.checkpoint is None for entry in found.entries] == [False, True]
    rows = rows_of(found.files["table"])
    assert [row["accuracy"] == "" for row in rows] == [False] * 4 + [True] * 4
    for name in ("composites", "curve-recipe"):
        assert found.files[name].read_text().rstrip().endswith("</svg>")
    assert run(read_sweep(file), tmp_path / "out").computed == 0
    assert called == ["per-image", "mean"]  # it would diverge again


@pytest.mark.parametrize(
    ("train", "sweep", "said"),
    [
        ({"patch_size": [9]}, {}, "patches of 9 x 9 pixels, but .*series.zarr' has 5 x 5; convert it again"),
        ({"changes": ["tower=openai/clip-vit-base-patch32"]}, {}, "configuration cannot be loaded"),
        ({}, {"templates": ["nonsense"]}, "nonsense"),
        ({"changes": ["nothing=1"]}, {}, "nothing"),
    ],
)
def test_nothing_is_trained_where_something_is_wrong(
    train: dict[str, Any],
    sweep: dict[str, Any],
    said: str,
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    content = yaml.safe_load((world / "sweep.yaml").read_text()) | sweep
    content["train"] = {"recipe": str(world / "recipe.yaml")} | train
    content["data"] = [str(world / "series.zarr")]
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises((InputError, RuntimeError, ValueError), match=said):
        run(read_sweep(tmp_path / "sweep.yaml"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_points_are_no_data_for_patches(world: Path, tmp_path: Path) -> None:
    from timesenclip.testing import write_wide_table

    store = SeriesStore.open(world / "series.zarr").series(np.arange(6))
    object.__setattr__(store, "reflectance", np.ascontiguousarray(store.reflectance[..., 2, 2]))
    write_wide_table(store, tmp_path / "points.parquet")
    content = {"name": "x", "train": {"recipe": str(world / "recipe.yaml")}, "labels": "kind", "prompts": ["maize"]}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content | {"data": ["points.parquet"]}))
    with pytest.raises(InputError, match=r"the labelled data '.*points\.parquet' have 1 x 1"):
        run(read_sweep(tmp_path / "sweep.yaml"), tmp_path / "out")


def test_a_sweep_that_trains_needs_a_trainer(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run_ablation"):
        run_sweep(read_sweep(world / "sweep.yaml"), tmp_path)


def test_a_run_out_of_patience_stays_where_it_is(world: Path, tmp_path: Path) -> None:
    import warnings

    from timesenclip.train.trainer import pretrain

    recipe = recipe_of(world, "epochs=20", "selection.patience=1", "optimiser.learning_rate=1e-9")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(lightning|torch|tensorboard)\.")
        first = pretrain(recipe, tmp_path / "run", accelerator="cpu")
        again = pretrain(recipe, tmp_path / "run", accelerator="cpu")
    assert first.stopped_early
    assert again.stopped_early
    assert (again.steps, again.resumed_from) == (first.steps, first.steps)


def test_the_shipped_example_is_read() -> None:
    config = read_sweep(CONFIGS / "ablations.yaml")
    assert config.train is not None
    recipe = read_recipe(config.train.recipe, changes=config.train.changes)
    found = variations(config.train, recipe, store_patch=9)
    changed = {axis for variation in found for axis in variation.changed}
    assert changed == {"bands", "patch_size", "augmentation", "pooling", "bank_size"}
    assert config.composites == ("month", "quarter", "year")
    assert sorted(config.months_kept) == list(range(1, 13))


def test_the_command_trains_and_says_what_diverged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from timesenclip.cli.commands import app
    from timesenclip.train import ablation

    train = {"recipe": "recipe.yaml", "bands": ["10m"], "changes": ["epochs=1"]}
    file = build(tmp_path, train=train)
    command = ["evaluate", "sweep", str(file), "-o", str(tmp_path / "out"), "--accelerator", "cpu"]
    first = CliRunner().invoke(app, [*command, "--json"])
    assert first.exit_code == 0, first.output
    assert "training 2 of 2: bands=10m" in first.stderr
    answer = json.loads(first.stdout)
    assert [entry["changed"] for entry in answer["entries"]] == [[], ["bands"]]
    assert answer["computed"] == 2
    again = CliRunner().invoke(app, command)
    assert "2 cells, 0 of them now" in again.stdout
    assert "training" not in again.stderr

    def diverges(*arguments: Any, **options: Any) -> Any:
        raise TrainingDivergedError("The loss is nan at step 3.")

    monkeypatch.setattr(ablation, "pretrain", diverges)
    shutil.rmtree(Path(answer["entries"][1]["checkpoint"]).parent)
    cut = CliRunner().invoke(app, command)
    assert cut.exit_code == 1
    assert "error: Training diverged for bands=10m; the other rows are complete." in cut.stderr
