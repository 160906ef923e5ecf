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
