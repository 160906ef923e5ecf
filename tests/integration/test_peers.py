"""What a user would otherwise have taken, as commands: imported CLIP weights on patches, Presto with a linear probe."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import xarray as xr

from timesenclip.model.presto import PrestoEncoder

from .conftest import cube_dataset, maize_dn, wide_frame

TESTS = Path(__file__).parents[1]


def _module(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_presto_is_a_row_of_the_suite(run, tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = PrestoEncoder()
    torch.nn.init.normal_(encoder.pos_embed, std=0.3)
    state = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
    torch.save(state | {"decoder.mask_token": torch.zeros(128)}, tmp_path / "default_model.pt")
    count = 24
    water = np.random.default_rng(0).normal(300, 20, (count // 2, 12, 10)).astype(np.uint16)
    frame = wide_frame(np.concatenate([maize_dn(count // 2), water]))
    kind = ["maize field"] * (count // 2) + ["deep lake"] * (count // 2)
    frame.assign(kind=kind, lat=50 + 0.3 * (np.arange(count) % 8), lon=3.0).to_parquet(tmp_path / "points.parquet")
    base = ["evaluate", "suite", "default", "--data", tmp_path / "points.parquet", "--labels", "kind", "--draws", "20"]
    base += ["-p", "maize field", "-p", "deep lake", "-o", tmp_path / "report"]
    said = run(*base, "--presto", tmp_path / "default_model.pt", "--json")
    assert said.exit_code == 0, said.stderr
    methods = json.loads(said.stdout)["methods"]
    names = list(methods)
    row = "Presto probe (with labels)"
    assert names.index("random forest (with labels)") < names.index(row) < names.index("linear probe on embeddings")
    # Even random weights tell maize from a lake, if bands and months arrive where they should.
    assert methods[row]["accuracy"] > 0.9
    page = (tmp_path / "report" / "report.html").read_text()
    assert row in page
    assert "default_model.pt, decoder (1 tensors) left out" in page
    assert f"{row}," in (tmp_path / "report" / "tables" / "methods.csv").read_text()
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pt")
    refused = run(*base, "--presto", tmp_path / "other.pt")
    assert refused.exit_code == 2
    assert "holds no Presto" in refused.stderr


@pytest.mark.filterwarnings("ignore::timesenclip.errors.DegradedInputWarning")
def test_imported_weights_answer_for_patches(run, tmp_path: Path) -> None:
    tiny = _module(TESTS / "unit" / "ground" / "tiny_models.py").save_tiny_clip(tmp_path / "clip")
    theirs = _module(TESTS / "parity" / "test_clip_import.py")
    torch.save({"state_dict": theirs._theirs(tiny).state_dict()}, tmp_path / "epoch_20.pt")
    said = run("import", "clip", tmp_path / "epoch_20.pt", "-o", tmp_path / "sky", "--tokenizer", tiny)
    assert said.exit_code == 0, said.stderr
    assert f"Use it: timesenclip evaluate rgb CUBE --tower {tmp_path / 'sky'}" in said.stdout
    cube = cube_dataset()
    side = cube.sizes["y"], cube.sizes["x"]
    labels = np.where(np.arange(side[1]) < side[1] // 2, 1, 2)[None].repeat(side[0], axis=0)
    cube.to_netcdf(tmp_path / "cube.nc")
    xr.Dataset({"lc": (("y", "x"), labels.astype(np.int16))}, {"y": cube["y"], "x": cube["x"]}).to_netcdf(
        tmp_path / "labels.nc"
    )
    said = run(
        *("evaluate", "rgb", tmp_path / "cube.nc", "--labels", f"{tmp_path / 'labels.nc'}:lc", "--json"),
        *("--tower", tmp_path / "sky", "--mapping", "1=maize,2=lake", "-p", "maize", "-p", "lake"),
        *("--size-px", "4", "--most", "20"),
    )
    assert said.exit_code == 0, said.stderr
    facts = json.loads(said.stdout)
    assert facts["tower"] == str(tmp_path / "sky")
    assert facts["size_px"] == 4
