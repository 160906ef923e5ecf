"""What a user would otherwise have taken, as commands: imported CLIP weights on patches, Presto with a linear probe."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image

from timesenclip.eo.cube.open import read_cube
from timesenclip.errors import InputError
from timesenclip.evaluation.baselines.external import TRUE_COLOUR, ExternalModels, predict_external
from timesenclip.evaluation.baselines.presto import PrestoEncoder
from timesenclip.evaluation.baselines.rgb_clip import labelled_patches, patches, rgb_baseline, true_colour
from timesenclip.evaluation.labels.labelled import labelled_cube, read_labels
from timesenclip.ground.load import load_tower
from timesenclip.ground.taxonomy import taxonomy_from_phrases

from .conftest import as_json, cube_dataset, maize_dn, wide_frame

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
    base = ["evaluate", "suite", tmp_path / "points.parquet", "--labels", "kind", "--draws", "20"]
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
    assert f"Use it: timesenclip evaluate suite CUBE --rgb {tmp_path / 'sky'}" in said.stdout
    cube = cube_dataset()
    side = cube.sizes["y"], cube.sizes["x"]
    labels = np.where(np.arange(side[1]) < side[1] // 2, 1, 2)[None].repeat(side[0], axis=0)
    cube.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    xr.Dataset({"lc": (("y", "x"), labels.astype(np.int16))}, {"y": cube["y"], "x": cube["x"]}).to_netcdf(
        tmp_path / "labels.nc", engine="h5netcdf"
    )
    said = run(
        *("evaluate", "suite", tmp_path / "cube.nc", "--labels", f"{tmp_path / 'labels.nc'}:lc", "--json"),
        *("--rgb", tmp_path / "sky", "--mapping", "1=maize,2=lake", "-p", "maize", "-p", "lake"),
        *("--size-px", "4", "--most", "12"),
    )
    assert said.exit_code == 0, said.stderr
    facts = json.loads(said.stdout)
    assert any("4 x 4 pixels" in note and str(tmp_path / "sky") in note for note in facts["notes"])
    # The rows are those of the library's baseline on the same draw.
    asked = labelled_patches(
        read_cube(tmp_path / "cube.nc"),
        read_labels(f"{tmp_path / 'labels.nc'}:lc"),
        taxonomy=taxonomy_from_phrases(["maize", "lake"]),
        mapping={"1": "maize", "2": "lake"},
        size_px=4,
        most=12,
    )
    found = rgb_baseline(asked, load_tower(str(tmp_path / "sky")))
    assert facts["methods"]["true-colour patches, words"] == as_json(found.raw.to_dict())
    assert facts["methods"]["true-colour patches, words, prior-corrected"] == as_json(found.corrected.to_dict())
    assert facts["methods"]["zero-shot"]["count"] == found.raw.count == 12
    words = ("--mapping", "1=maize,2=lake", "-p", "maize", "-p", "lake", "--rgb", tmp_path / "sky")
    suite = ("evaluate", "suite", tmp_path / "cube.nc", "--draws", "10", *words)
    suite += ("--labels", f"{tmp_path / 'labels.nc'}:lc", "-o", tmp_path / "report", "--json")
    said = run(*suite, "--size-px", "4")
    assert said.exit_code == 0, said.stderr
    methods = json.loads(said.stdout)["methods"]
    assert methods["true-colour patches, words"]["count"] == side[0] * side[1]
    assert "true-colour patches, probe (with labels)" in methods
    assert "4 x 4 pixels, median of the clear steps" in (tmp_path / "report" / "report.html").read_text()
    refused = run(*suite, "--size-px", "40")
    assert refused.exit_code == 2
    assert "Patches of 40 pixels in an area of 4 x 4" in refused.stderr


def test_a_patch_under_cloud_counts_the_steps_of_its_middle(tmp_path: Path) -> None:
    cube_dataset(6).to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    cube = read_cube(tmp_path / "cube.nc")
    valid = cube.valid.copy()
    valid[:, 0, 0] = False  # no patch with this corner was ever clear
    cube = replace(cube, valid=valid)
    tower = _Recorder()
    labels = np.tile([1, 1, 1, 2, 2, 2], (6, 1))
    classes, codes = taxonomy_from_phrases(["maize", "lake"]), {"1": "maize", "2": "lake"}
    data = labelled_cube(cube, labels, taxonomy=classes, mapping=codes, title="cube.nc")
    found = predict_external(data, ExternalModels(tower=tower, cube=cube, size_px=3))
    assert found.scores[TRUE_COLOUR].shape == (len(data), 2)
    assert "were never clear as a whole" in found.notes[0]
    # The picture of a pixel is cut around it; at the edge the patch is moved inside.
    row = data.series.sample_id.index("14")  # row 2, column 2
    wanted = true_colour(patches(cube, np.array([2]), np.array([2]), size_px=3))[0]
    assert np.array_equal(np.asarray(tower.seen[row]), np.asarray(wanted))
    assert {image.size for image in tower.seen} == {(3, 3)}
    with pytest.raises(InputError, match="holds single pixels"):
        predict_external(data, ExternalModels(tower=tower))


class _Recorder:
    """A tower that keeps what it was shown: three numbers, the mean colour."""

    name, dim = "recorder", 3

    def __init__(self) -> None:
        self.seen: list[Image.Image] = []

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(3, dtype=np.float32)[: len(texts)]

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        self.seen += images
        means = np.array([np.asarray(image).mean(axis=(0, 1)) for image in images], dtype=np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)
