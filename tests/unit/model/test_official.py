"""The authors' layout in and out; tests/parity/test_official.py compares forward passes in every layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from timesenclip.errors import CheckpointError, DataNotFoundError, InputError
from timesenclip.model.checkpoint import Model, load
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields
from timesenclip.model.encoder import PRESETS, SeriesEncoder
from timesenclip.model.official import export_official, import_official


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    config = replace(PRESETS["paper"], positions="official")
    about = CheckpointConfig(
        name="paper", encoder=encoder_fields(config), normalisation="sen4map", tower=TowerRef(name="t", dim=512)
    )
    return Model(SeriesEncoder(config), about)


def test_the_temperature_is_read_and_the_rest_counted_by_part(model: Model, tmp_path: Path) -> None:
    state = {f"learner.ts_encoder.{key}": value for key, value in model.encoder.state_dict().items()}
    rest = {"learner.queue": torch.ones(3), "learner.queue_ptr": torch.ones(1), "logit_scale": torch.tensor(3.0)}
    torch.save({"state_dict": state | rest}, tmp_path / "run.ckpt")
    found = import_official(tmp_path / "run.ckpt")
    assert found.prefix == "learner.ts_encoder."
    assert found.ignored == {"learner.queue": 1, "learner.queue_ptr": 1, "logit_scale": 1}
    assert found.model.config.calibration.temperature == pytest.approx(1 / torch.tensor(3.0).exp().item())
    assert found.model.config.name == "run"
    assert len(found.used) == len(state)
    assert any("logit scale" in note for note in found.notes)


def test_only_the_papers_architecture_with_all_bands_is_exported(model: Model, tmp_path: Path) -> None:
    written = torch.load(export_official(model, tmp_path / "paper.pt"), weights_only=True)
    assert all(torch.equal(written[key], value) for key, value in model.encoder.state_dict().items())
    with pytest.raises(InputError, match="cannot be written in the authors' layout"):
        export_official(load(), tmp_path / "x.pt")
    bands = ("B02", "B03", "B04")
    config = replace(PRESETS["paper"], bands=3)
    about = model.config.model_copy(update={"band_names": bands, "encoder": encoder_fields(config)})
    with pytest.raises(InputError, match="reads only B02, B03, B04"):
        export_official(Model(SeriesEncoder(config), about), tmp_path / "x.pt")
    assert not (tmp_path / "x.pt").exists()


def test_files_without_an_encoder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="No weights"):
        import_official(tmp_path / "none.pt")
    torch.save({"fc.weight": torch.ones(2, 2)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"no TimeSenCLIP encoder.*fc\.weight"):
        import_official(tmp_path / "other.pt")
