"""Training on photographs: batches, loss over processes, resume, and what goes wrong."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from timesenclip.data.pairs import pair_by_id
from timesenclip.data.sen4map import convert_sen4map
from timesenclip.data.store import SeriesStore
from timesenclip.data.store_writer import store_points
from timesenclip.errors import InputError, RunStoppedError, TrainingDivergedError
from timesenclip.files import TEMPORARY_SUFFIX
from timesenclip.model.augment import RandomTS
from timesenclip.model.checkpoint import load
from timesenclip.model.encoder import PRESETS
from timesenclip.testing import random_series
from timesenclip.testing.training import write_lucas_embeddings, write_sen4map_crops
from timesenclip.train.batches import Batches
from timesenclip.train.held_out import instance_recall
from timesenclip.train.learner import Learner, learning_rate_factor
from timesenclip.train.recipe import ObjectiveConfig, Recipe, read_recipe, recipe_digest
from timesenclip.train.run_state import locked, save_state

COUNT, DIM = 60, 16
CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sen4Map crops and published embeddings of the same points, spread over Europe."""
    root = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    ids = [f"4100{i:04d}" for i in range(COUNT)]
    series = random_series(COUNT, year=2018)
    object.__setattr__(series, "lon_deg", rng.uniform(0, 20, COUNT))
    object.__setattr__(series, "lat_deg", rng.uniform(40, 60, COUNT))
    convert_sen4map([write_sen4map_crops(root / "c.h5", ids, series=series)], root / "series.zarr")
    vectors = {f"BE_{point}{view}": rng.normal(size=DIM) for point in ids for view in "WENS"}
    write_lucas_embeddings(root / "ground.pt", vectors)
    return root


def recipe_of(world: Path, **changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "recipe": "photos",
        "name": "tiny",
        "tower": "compact",
        "encoder": "tiny",
        "encoder_options": {"dim": 32, "heads": 2, "depth": 2, "ffn_dim": 32},
        "data": {"series": str(world / "series.zarr"), "ground": str(world / "ground.pt")},
        "split": {"block_deg": 2.0, "validation": 0.2, "test": 0.1},
        "augment": [{"name": "month-dropout"}],
        "objective": {"bank_size": 32, "in_batch": True, "symmetric": True, "ignore_same_place": True},
        "optimiser": {"learning_rate": 1e-3},
        "epochs": 3,
        "batch_size": 8,
        "precision": "32-true",
        "ema": 0.9,
    }
    return Recipe.model_validate(content | changes)


def write_recipe(path: Path, recipe: Recipe) -> Path:
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")), encoding="utf-8")
    return path


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
    with pytest.raises(InputError, match=r"python -m timesenclip\.train"):
        read_recipe(CONFIGS / "default.yaml")


def test_the_digest_changes_with_what_decides_the_weights(world: Path) -> None:
    first = recipe_digest(recipe_of(world))
    assert recipe_digest(recipe_of(world, save_every_steps=7)) == first
    assert recipe_digest(recipe_of(world, seed=1)) != first


def _batches(root: Path, **options: Any) -> Batches:
    from timesenclip.data.ground_views import read_ground_views

    store = SeriesStore.open(root / "series.zarr")
    places = pair_by_id(store, read_ground_views(root / "ground.pt"))
    return Batches(store, places, **{"batch_size": 8, "normalisation": "sqrt", "seed": 3} | options)


def test_batches_are_what_embed_sees(world: Path) -> None:
    from timesenclip.bands import NORMALISATIONS

    for normalisation in ("sqrt", "sen4map"):
        batches = _batches(world, normalisation=normalisation)
        batch = batches.get(np.arange(10))
        series = SeriesStore.open(world / "series.zarr").series(batches.places.rows[:10])
        expected = NORMALISATIONS[normalisation](series.reflectance) * series.valid[..., None]
        assert np.array_equal(batch.x.numpy(), expected)
        assert np.array_equal(batch.calendar.numpy(), series.calendar())
        assert np.array_equal(batch.valid.numpy(), series.valid)
    assert torch.allclose(batch.views.norm(dim=-1), torch.ones(10, 4), atol=1e-3)


def test_an_epoch_shows_every_place_once_and_ranks_share_it(world: Path) -> None:
    batches = _batches(world)
    stream = batches.stream(0)
    seen = np.concatenate([next(stream).place.numpy() for _ in range(len(batches))])
    assert len(set(seen)) == len(seen) == len(batches) * 8
    halves = [next(_batches(world, rank=rank, world=2).stream(4)).place for rank in (0, 1)]
    whole = next(_batches(world).stream(4)).place
    assert torch.equal(torch.cat(halves), whole)
    with pytest.raises(InputError, match="cannot be shared by 3"):
        _batches(world, world=3)
    with pytest.raises(InputError, match="do not fill one batch of 100"):
        _batches(world, batch_size=100)


def test_a_stream_can_be_entered_anywhere(world: Path) -> None:
    whole = _batches(world, augmentation=RandomTS(p=1.0)).stream(0)
    wanted = [next(whole) for _ in range(12)][9]
    found = next(_batches(world, augmentation=RandomTS(p=1.0)).stream(9))
    assert torch.equal(found.valid, wanted.valid)
    assert torch.equal(found.place, wanted.place)


def test_southern_places_get_the_season(world: Path, tmp_path: Path) -> None:
    series = random_series(8, year=2018)
    object.__setattr__(series, "lat_deg", np.array([-30.0] * 4 + [30.0] * 4))
    store = store_points([series], tmp_path / "s", source="x")
    views = pair_by_id(store, _ground(series.sample_id))
    batch = Batches(store, views, batch_size=8, normalisation="sqrt", seed=0, hemisphere_shift=True).get(np.arange(8))
    assert torch.allclose(batch.calendar[0], batch.calendar[4] + 0.5)


def _ground(points: tuple[str, ...]) -> Any:
    from timesenclip.data.ground_views import GroundViews

    vectors = np.random.default_rng(0).normal(size=(len(points), DIM)).astype(np.float16)
    return GroundViews(np.array(points), np.array(points), np.array(["N"] * len(points)), vectors, "t")


def test_recall_counts_ties_as_misses() -> None:
    assert instance_recall(torch.eye(20), torch.eye(20)) == {1: 1.0, 5: 1.0, 10: 1.0}
    assert instance_recall(torch.ones(20, 3), torch.ones(20, 3)) == {1: 0.0, 5: 0.0, 10: 0.0}
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(300, 8, generator=rng), torch.randn(300, 8, generator=rng)
    rank = [(a[i] @ b.T > a[i] @ b[i]).sum() for i in range(300)]
    assert instance_recall(a, b, block=7)[5] == pytest.approx(np.mean([r < 5 for r in rank]))


def test_the_authors_schedule_goes_down_and_up_again() -> None:
    def factor(step: int) -> float:
        return learning_rate_factor(step, steps=400, per_epoch=10, schedule="cosine-cycle", period=10, warmup=0)

    assert [round(factor(s), 3) for s in (0, 9, 50, 100, 150, 200)] == [1.0, 1.0, 0.5, 0.0, 0.5, 1.0]


# --- one process and two give the same -------------------------------------------------------------------------------


def _loss_and_gradients(rank: int, world_size: int, file: str, bank: bool) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    config = PRESETS["tiny"].__class__(**{**PRESETS["tiny"].to_dict(), "dim": 16, "heads": 2, "embed_dim": DIM})
    objective = ObjectiveConfig(bank_size=16, in_batch=True, symmetric=True, ignore_same_place=True)
    learner = Learner(config, objective).eval()  # no dropout: the draws of two processes cannot be those of one
    rng = torch.Generator().manual_seed(1)
    x, views = torch.rand(8, 12, 10, generator=rng), torch.randn(8, 4, DIM, generator=rng)
    start = torch.arange(12) / 12
    calendar = torch.stack([start, start + 1 / 12], dim=-1).expand(8, -1, -1)
    valid = torch.rand(8, 12, generator=rng) < 0.8
    valid[:, 0] = True
    has_view = torch.ones(8, 4, dtype=torch.bool)
    place = torch.tensor([0, 1, 2, 3, 3, 5, 6, 7])
    if bank:
        learner.bank.push(torch.randn(16, DIM, generator=rng), place=torch.arange(16))
    share = slice(rank * 8 // world_size, (rank + 1) * 8 // world_size)
    model: torch.nn.Module = learner
    if world_size > 1:
        torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=world_size)
        model = torch.nn.parallel.DistributedDataParallel(learner)
    loss, keys, places = model(x[share], calendar[share], valid[share], views[share], has_view[share], place[share])
    loss.backward()
    learner.bank.push(keys, place=places)
    out = {name: p.grad.clone() for name, p in learner.named_parameters() if p.grad is not None}
    out |= {"loss": loss.detach(), "bank": learner.bank.keys.clone(), "bank_place": learner.bank.place.clone()}
    if world_size > 1:
        torch.distributed.destroy_process_group()
    return out


def _process(rank: int, world_size: int, file: str, bank: bool, out: str) -> None:
    torch.set_num_threads(1)
    torch.save(_loss_and_gradients(rank, world_size, file, bank), f"{out}-{rank}.pt")


@pytest.mark.parametrize("bank", [False, True])
def test_two_processes_have_the_loss_the_gradient_and_the_bank_of_one(tmp_path: Path, bank: bool) -> None:
    torch.multiprocessing.spawn(_process, args=(2, str(tmp_path / "meet"), bank, str(tmp_path / "got")), nprocs=2)
    alone = _loss_and_gradients(0, 1, "", bank)
    for rank in (0, 1):
        got = torch.load(tmp_path / f"got-{rank}.pt", weights_only=True)
        assert got.keys() == alone.keys()
        for name, expected in alone.items():
            assert torch.allclose(got[name], expected, atol=1e-5, rtol=1e-4), name
    assert alone["encoder.spectral_embedding.1.weight"].abs().max() > 1e-4


def test_accumulated_gradients_are_those_of_the_whole_batch_when_the_bank_gives_the_negatives() -> None:
    torch.manual_seed(0)
    config = PRESETS["tiny"].__class__(**{**PRESETS["tiny"].to_dict(), "dim": 16, "heads": 2, "embed_dim": DIM})
    learner = Learner(config, ObjectiveConfig(bank_size=32)).eval()
    learner.bank.push(torch.randn(32, DIM))
    start = torch.arange(12) / 12
    inputs = [
        torch.rand(8, 12, 10),
        torch.stack([start, start + 1 / 12], dim=-1).expand(8, -1, -1),
        torch.ones(8, 12, dtype=torch.bool),
        torch.randn(8, 4, DIM),
        torch.ones(8, 4, dtype=torch.bool),
        torch.arange(8),
    ]
    learner(*inputs)[0].backward()
    whole = learner.encoder.spectral_embedding[1].weight.grad.clone()
    learner.zero_grad()
    for half in (slice(0, 4), slice(4, 8)):
        (learner(*(part[half] for part in inputs))[0] / 2).backward()
    assert torch.allclose(learner.encoder.spectral_embedding[1].weight.grad, whole, atol=1e-6)


# --- runs ------------------------------------------------------------------------------------------------------------


def run(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "timesenclip", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, **options)


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


@pytest.fixture
def quiet() -> Any:
    """Lightning's and TensorBoard's own deprecations are not ours to fail on."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def pretrain(quiet: None) -> Any:
    from timesenclip.train.pretrain import pretrain

    def on_cpu(recipe: Recipe, out: Path, **options: Any) -> Any:
        return pretrain(recipe, out, accelerator="cpu", **options)

    return on_cpu


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
        loss, keys, place = forward(self, *arguments)
        return (loss * float("nan") if done == 8 else loss), keys, place

    monkeypatch.setattr(Learner, "forward", breaks)
    with pytest.raises(TrainingDivergedError, match=r"nan at step 8 \(epoch 2, micro-batch 1 of 1\); the last good"):
        pretrain(recipe_of(world), tmp_path / "run")
    load(tmp_path / "run" / "best")


def test_a_run_of_another_recipe_is_not_continued(world: Path, tmp_path: Path, pretrain: Any) -> None:
    pretrain(recipe_of(world, epochs=1), tmp_path / "run")
    with pytest.raises(InputError, match="holds a run of another recipe"):
        pretrain(recipe_of(world, epochs=1, seed=9), tmp_path / "run")


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()}"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


HOLD = """
import sys
from pathlib import Path
from timesenclip.train.run_state import locked
with locked(Path(sys.argv[1])):
    print("begun", flush=True)
    sys.stdin.readline()
"""


def test_a_run_of_another_process_is_refused_until_that_process_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "begun\n"
        with pytest.raises(InputError, match=rf"process {run.pid}\) trains"), locked(tmp_path):
            pass
        run.kill()
    with locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_the_state_before(tmp_path: Path) -> None:
    save_state(tmp_path, {"step": 1, "x": torch.ones(3)})
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    (tmp_path / f".state.pt{TEMPORARY_SUFFIX}").symlink_to("/dev/full")
    with pytest.raises(RunStoppedError, match=r"Cannot save step 2 .*the state saved before is kept"):
        save_state(tmp_path, {"step": 2, "x": torch.ones(100_000)})
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


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


def test_the_plan_is_printed_and_nothing_is_written(world: Path, tmp_path: Path) -> None:
    file = write_recipe(tmp_path / "r.yaml", recipe_of(world))
    done = run(["train", str(file), "-o", str(tmp_path / "run"), "--dry-run", "--json"])
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["parameters"] > 1000
    assert plan["parts"]["train"] > 8
    assert not (tmp_path / "run").exists()


def test_mixed_precision_trains(world: Path, tmp_path: Path, pretrain: Any) -> None:
    done = pretrain(recipe_of(world, epochs=1, precision="bf16-mixed"), tmp_path / "run")
    assert np.isfinite(done.best)
