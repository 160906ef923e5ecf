"""What Tab offers, and that it comes without loading a model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from timesenclip.cli.completion import complete_checkpoint, complete_taxonomy
from timesenclip.ground.taxonomy import list_taxonomies
from timesenclip.model.checkpoint import shipped_names


def test_every_shipped_taxonomy_is_offered() -> None:
    assert set(list_taxonomies()) <= set(complete_taxonomy(""))
    offered = complete_taxonomy("lucas-land")
    assert "lucas-land-cover" in offered
    assert all(name.startswith("lucas-land") for name in offered)


def test_every_shipped_checkpoint_is_offered_and_no_tower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert tuple(complete_checkpoint("")) == shipped_names()
    assert complete_checkpoint("compact") == []


def test_paths_are_offered_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "better").mkdir(parents=True)
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "mine.txt").touch()
    (tmp_path / ".hidden").mkdir()
    assert complete_checkpoint("ru") == ["runs"]
    assert complete_checkpoint("runs/") == ["runs/better"]
    assert complete_checkpoint(f"{tmp_path}/ru") == [f"{tmp_path}/runs"]
    assert complete_taxonomy("mi") == ["mine.yaml"]
    assert ".hidden" not in complete_checkpoint("")
    assert complete_checkpoint("nowhere/") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("timesenclip map --taxonomy lucas-land-u", ["lucas-land-use"]),
        ("timesenclip classify --checkpoint defa", ["default"]),
        ("timesenclip info defa", ["default"]),
        ("timesenclip evaluate sui", ["suite"]),
    ],
)
def test_the_shell_is_answered_without_heavy_libraries(words: str, expected: list[str], tmp_path: Path) -> None:
    script = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps([n for n in ('torch', 'rasterio', 'pandas') if n in sys.modules])))\n"
        "sys.argv[0] = 'timesenclip'\n"
        "from timesenclip.cli import app\n"
        "app(prog_name='timesenclip')\n"
    )
    asked = {"_TIMESENCLIP_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **asked}, cwd=tmp_path
    )
    *offered, heavy = done.stdout.splitlines()
    assert offered == expected, done.stderr
    assert json.loads(heavy) == []


def test_completion_can_be_installed() -> None:
    shown = subprocess.run([sys.executable, "-m", "timesenclip", "--help"], capture_output=True, text=True, check=True)
    assert "--install-completion" in shown.stdout
    assert "--show-completion" in shown.stdout
