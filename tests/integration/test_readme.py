"""What the README says is run, word for word."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from timesenclip.testing import random_cube, random_series, write_netcdf_cube, write_wide_table

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_wide_table(random_series(4), tmp_path / "points.parquet")
    write_netcdf_cube(random_cube(dates=12), tmp_path / "s2-cube")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_runs(block: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "README.md", "exec"), {})
    assert "p_grassland" in capsys.readouterr().out or "confidence" in block


COMMANDS = [
    line.split("#")[0].strip().replace("--year 2018", "--year 2021")
    for block in _blocks("bash")
    for line in block.splitlines()
    if line.startswith("timesenclip ") and "evaluate" not in line
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command: str, workplace: Path, run) -> None:
    result = run(*shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    target = re.search(r"-o (\S+)", command)
    if target:
        assert (workplace / target[1]).exists()


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", TEXT):
        assert (README.parent / target).exists(), target


def test_the_figures_are_those_of_the_model_card() -> None:
    card = (README.parent / "timesenclip/weights/default/README.md").read_text(encoding="utf-8")
    row = re.search(r"\| zero-shot \| ([\d.]+) \| ([\d.]+) \| [\d.]+ \| ([\d.]+) \|", card)
    assert row is not None
    assert f"| TimeSenCLIP, words only | {row[1]} | {row[2]} | {row[3]} |" in TEXT
