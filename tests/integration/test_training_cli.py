"""From files in the authors' formats to answers, through the command line alone."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from pytest_httpserver import HTTPServer
from typer.testing import CliRunner
from werkzeug import Request, Response

from tests.unit.ground.tiny_models import save_tiny_clip
from timesenclip.cli.commands import app
from timesenclip.model.checkpoint import load
from timesenclip.testing import random_series, write_wide_table
from timesenclip.testing.training import write_lucas_photos, write_sen4map

IDS = [f"4686{i:04d}" for i in range(24)]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Lightning's and TensorBoard's own deprecations are not ours to fail on."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


def timesenclip(*arguments: object, code: int = 0) -> Any:
    found = CliRunner().invoke(app, [str(a) for a in arguments])
    assert found.exit_code == code, found.output
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    series = random_series(len(IDS), year=2018)
    object.__setattr__(series, "lon_deg", rng.uniform(0, 20, len(IDS)))
    object.__setattr__(series, "lat_deg", rng.uniform(40, 60, len(IDS)))
    labels = [{"lc1": "B11", "nuts0": "BE"}] * len(IDS)
    write_sen4map(root / "train.h5", IDS, series=series, labels=labels, side=12, acquisitions=30)
    with h5py.File(root / "train.h5", "a") as file:
        del file[f"Lucas_Point_{IDS[0]}/SCL"]
    views = {f"{point}{view}": rng.integers(0, 255, (20, 30, 3), dtype=np.uint8) for point in IDS for view in "NESW"}
    del views[f"{IDS[1]}S"]
    write_lucas_photos(root / "photos", views)
    (root / "photos" / "BE" / f"{IDS[2]}P.jpg").write_bytes(b"\xff\xd8 no photograph")
    save_tiny_clip(root / "clip")
    return root


@pytest.fixture(scope="module")
def run(files: Path) -> Path:
    """Convert, embed, train."""
    found = CliRunner().invoke(app, ["data", "sen4map", str(files / "train.h5"), "-o", str(files / "s.zarr")])
    assert found.exit_code == 1
    assert "no dataset SCL" in found.output
    assert "the rest is kept" in found.output
    embedded = ["ground", "embed", str(files / "photos"), "--tower", str(files / "clip"), "-o", str(files / "ground")]
    found = CliRunner().invoke(app, embedded)
    assert found.exit_code == 1
    assert f"{IDS[2]}P.jpg" in found.output
    recipe = {
        "recipe": "photos",
        "name": "small",
        "encoder": "tiny",
        "encoder_options": {"dim": 16, "depth": 1, "heads": 2, "ffn_dim": 16},
        "data": {"series": str(files / "s.zarr"), "ground": str(files / "ground")},
        "split": {"block_deg": 2.0, "validation": 0.2, "test": 0.1},
        "objective": {"in_batch": True, "bank_size": 8},
        "epochs": 2,
        "batch_size": 4,
        "precision": "32-true",
    }
    (files / "r.yaml").write_text(yaml.safe_dump(recipe))
    return files / "run"


def test_photographs_and_pixels_become_a_checkpoint_that_answers(files: Path, run: Path, tmp_path: Path) -> None:
    plan = timesenclip("train", files / "r.yaml", "--dry-run").stdout
    assert "hours on this CPU" in plan
    done = timesenclip("train", files / "r.yaml", "-o", run, "--accelerator", "cpu")
    assert "best held-out retrieval" in done.stdout
    table = write_wide_table(random_series(5), tmp_path / "points.parquet")
    asked = timesenclip("classify", table, "--checkpoint", run / "best", "-p", "a", "-p", "b", "--json")
    assert json.loads(asked.stdout)["count"] == 5
    again = timesenclip("train", files / "r.yaml", "-o", run, "--accelerator", "cpu", "--json")
    facts = json.loads(again.stdout)
    assert facts["resumed_from"] == facts["steps"]
    timesenclip("train", files / "r.yaml", "-o", run, "--set", "seed=4", "--accelerator", "cpu", code=2)


def test_pairs_and_splits_are_written(files: Path, run: Path, tmp_path: Path) -> None:
    from timesenclip.data.store import SeriesStore

    index = SeriesStore.open(files / "s.zarr").index
    index[["sample_id", "lon", "lat"]].rename(columns={"sample_id": "photo_id"}).to_csv(tmp_path / "p.csv", index=False)
    pairs = timesenclip("data", "pair", files / "s.zarr", tmp_path / "p.csv", "-o", tmp_path / "pairs.csv", "--json")
    assert json.loads(pairs.stdout)["pairs"] == 23
    options = ["--split-block-deg", "3", "--validation", "0.3", "--test", "0.2"]
    split = timesenclip("data", "split", files / "s.zarr", "-o", tmp_path / "split", *options, "--json")
    parts = json.loads(split.stdout)
    assert sum(parts["places"].values()) == 23
    assert parts["nearest_m"] > 2000
    lines = [(tmp_path / "split" / f"{name}.txt").read_text().split() for name in parts["places"]]
    assert sorted(name for part in lines for name in part) == sorted(index["sample_id"])


def test_points_become_a_store(tmp_path: Path) -> None:
    table = write_wide_table(random_series(6, year=2021), tmp_path / "points.parquet")
    timesenclip("data", "points", table, "--year", 2021, "-o", tmp_path / "store")
    again = timesenclip("data", "points", table, "--year", 2021, "-o", tmp_path / "store", code=2)
    assert "exists already" in again.output
    assert "needs one period" in timesenclip("data", "points", table, "-o", tmp_path / "x", code=2).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "none.yaml"], "No training recipe"),
        (["data", "sen4map", "none.h5", "-o", "x"], "No Sen4Map file"),
        (["ground", "embed", "none", "-o", "x"], "No photographs"),
        (["import", "official", "none.pt", "-o", "x"], "No weights"),
        (["export", "official", "default", "-o", "x.pt"], "cannot be written in the authors' layout"),
        (["data", "pair", "none", "none.csv", "-o", "x"], "No table"),
        (["data", "split", "none", "-o", "x"], "No training store"),
        (["hub", "push", "none", "me/it"], "HF_HUB_OFFLINE is set"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = timesenclip(*arguments, code=2)
    assert message in found.output
    assert found.stderr.strip().count("\n") == 0
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_pushed_to_a_hub(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that speaks as much of the hub's protocol as an upload needs receives the three files whole."""
    import huggingface_hub.constants as constants
    from huggingface_hub import hf_api

    from timesenclip.model.checkpoint import save

    folder = save(load("default"), tmp_path / "mine", card="---\nlicense: apache-2.0\n---\n# mine\n")
    received: dict[str, bytes] = {}

    def preupload(request: Request) -> Response:
        files = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in request.json["files"]]
        return Response(json.dumps({"files": files}), content_type="application/json")

    def commit(request: Request) -> Response:
        for line in request.get_data().splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                received[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        address = "https://huggingface.co/me/mine/commit/" + "1" * 40
        answer = {"success": True, "commitOid": "1" * 40, "commitUrl": address}
        return Response(json.dumps(answer), content_type="application/json")

    address = httpserver.url_for("").rstrip("/")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(hf_api, "ENDPOINT", address, raising=False)
    made = {"url": f"{address}/me/mine", "id": "me/mine", "name": "mine"}
    httpserver.expect_request("/api/repos/create").respond_with_json(made)
    httpserver.expect_request("/api/validate-yaml").respond_with_json({"errors": [], "warnings": []})
    httpserver.expect_request(re.compile(r"/api/models/me/mine/preupload/.*")).respond_with_handler(preupload)
    httpserver.expect_request(re.compile(r"/api/models/me/mine/commit/.*")).respond_with_handler(commit)
    info = {"_id": "1", "id": "me/mine", "sha": "0" * 40, "siblings": []}
    httpserver.expect_request(re.compile(r"/api/models/me/mine(/revision/.*)?")).respond_with_json(info)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    from timesenclip.model.hub import push

    assert push(folder, "me/mine").endswith("/me/mine/commit/" + "1" * 40)
    assert received.keys() == {"model.safetensors", "config.json", "README.md"}
    assert received["model.safetensors"] == (folder / "model.safetensors").read_bytes()


def test_only_whole_checkpoints_with_a_card_are_pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from timesenclip.errors import CheckpointError, InputError
    from timesenclip.model.checkpoint import save
    from timesenclip.model.hub import push

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    folder = save(load("default"), tmp_path / "mine")
    with pytest.raises(CheckpointError, match=r"no README\.md"):
        push(folder, "me/mine")
    with pytest.raises(InputError, match="expected OWNER/NAME"):
        push(folder, "mine")
