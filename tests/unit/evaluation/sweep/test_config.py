"""The typed form of a sweep file."""

from __future__ import annotations

from pathlib import Path

import pytest

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.evaluation.sweep.config import read_sweep

TEXT = """
name: months
data: [points.parquet]
labels: kind
prompts: [maize, grassland]
composites: [month, quarter]
months_kept: [12, 2]
seeds: [0, 1]
"""


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    (tmp_path / "sweep.yaml").write_text(TEXT)
    return tmp_path / "sweep.yaml"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("bands: [rgb]", "put it under `train`"),
        ("patch: [1, 5]", "cannot be changed after training"),
        ("monhts: [3]", "monhts"),
        ("taxonomy: eurosat", "either `taxonomy` or `prompts`"),
        ("months_kept: [0]", "from 1 on"),
        ("composites: [week]", "composites"),
        ("a: [", "not readable as YAML"),
    ],
)
def test_what_a_sweep_cannot_do_is_said(change: str, said: str, sweep_file: Path) -> None:
    key = change.split(":")[0]
    kept = [line for line in TEXT.splitlines() if not line.startswith(f"{key}:")]
    sweep_file.write_text("\n".join([*kept, change]))
    with pytest.raises(InputError, match=said):
        read_sweep(sweep_file)
    with pytest.raises(DataNotFoundError):
        read_sweep(sweep_file.with_name("none.yaml"))


def test_paths_are_relative_to_the_file_and_defaults_are_filled_in(sweep_file: Path) -> None:
    config = read_sweep(sweep_file)
    assert config.data == (str(sweep_file.parent / "points.parquet"),)
    assert config.checkpoints == ("default",)
    assert (config.templates, config.months_kept, config.seeds) == (("default",), (12, 2), (0, 1))
    absolute = sweep_file.parent / "elsewhere" / "a.parquet"
    sweep_file.write_text(TEXT.replace("[points.parquet]", f"[{absolute}]") + "train: {recipe: r.yaml, bands: [rgb]}\n")
    trained = read_sweep(sweep_file)
    assert trained.data == (str(absolute),)
    assert trained.checkpoints == ()  # a sweep that trains adds no other checkpoint
    assert trained.train is not None
    assert (trained.train.recipe, trained.train.bands) == (str(sweep_file.parent / "r.yaml"), ("rgb",))


def test_a_file_without_settings_is_refused(sweep_file: Path) -> None:
    sweep_file.write_text("- a list\n")
    with pytest.raises(InputError, match="holds no settings"):
        read_sweep(sweep_file)


def test_a_negative_seed_is_refused(sweep_file: Path) -> None:
    sweep_file.write_text(sweep_file.read_text().replace("seeds: [0, 1]", "seeds: [-5]"))
    with pytest.raises(InputError, match="seeds"):
        read_sweep(sweep_file)
