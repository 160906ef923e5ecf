from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from timesenclip.errors import CheckpointError
from timesenclip.model.checkpoint_config import CheckpointConfig, TowerRef, encoder_fields, read_config
from timesenclip.model.encoder import PRESETS


def _config(**changes: object) -> CheckpointConfig:
    fields = {"name": "t", "encoder": encoder_fields(PRESETS["tiny"]), "normalisation": "sqrt"} | changes
    return CheckpointConfig(tower=TowerRef(name="compact", dim=256), **fields)


def test_a_configuration_comes_back_from_its_file(tmp_path: Path) -> None:
    config = _config(hemisphere_shift=True, band_names=("B02", "B08"))
    (tmp_path / "config.json").write_text(config.model_dump_json())
    assert read_config(tmp_path) == config
    assert config.encoder_config() == PRESETS["tiny"]


def test_bands_get_their_usual_names_and_none_is_named_twice() -> None:
    assert _config(band_names=("B2", "B8A")).band_names == ("B02", "B8A")
    for names in ((), ("B02", "B2")):
        with pytest.raises(ValidationError, match="expected at least one, and none twice"):
            _config(band_names=names)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 7}, r"format_version 7; this version of timesenclip reads 1"),
        ({"colour": "red"}, r"'colour': Extra inputs"),
        ({"normalisation": "cubic"}, r"the normalisation 'cubic'; known: "),
        ({"tower": {"name": "compact", "dim": 0}}, r"'tower\.dim': Input should be greater than 0"),
    ],
)
def test_broken_configurations_are_named(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    content = json.loads(_config().model_dump_json()) | changes
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=said):
        read_config(tmp_path)


def test_files_that_are_absent_or_not_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="is not readable as JSON"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("depth", value) for value in (10**6, 0, -1, 2.0, True, "4", None, 10**30)),
        *(("dim", value) for value in (10**9, -8, 64.5)),
        *(("heads", value) for value in (0, 3)),
        *(("dropout", value) for value in (-0.1, 1, "0.1", True)),
        *(("positions", value) for value in ("sideways", ["monthly"], None)),
        ("colour", "red"),
        ("x\x1b[31m" + "y" * 500, 1),
    ],
)
def test_sizes_that_no_encoder_has_are_refused_in_one_line(tmp_path: Path, field: str, value: object) -> None:
    content = json.loads(_config().model_dump_json())
    content["encoder"][field] = value
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="does not describe an encoder") as caught:
        read_config(tmp_path)
    said = str(caught.value).replace(str(tmp_path), "")
    assert said.isprintable()
    assert len(said) < 300


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "0", "1e-300", "-1"])
def test_a_temperature_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    text = _config(calibration={"temperature": 0.125}).model_dump_json()
    (tmp_path / "config.json").write_text(text.replace("0.125", value))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        read_config(tmp_path)
