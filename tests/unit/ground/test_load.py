from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from timesenclip.errors import TowerError
from timesenclip.ground.clip.tower import ClipTower
from timesenclip.ground.compact import CompactTextTower
from timesenclip.ground.load import load_tower
from timesenclip.ground.tower import COMPACT_FOLDER, GroundTower


@pytest.mark.parametrize("name", ["compact", "compact-text-v1", COMPACT_FOLDER, f"local-dir:{COMPACT_FOLDER}"])
def test_the_compact_tower_is_found_by_name_and_by_folder(name: str | Path) -> None:
    tower = load_tower(name)
    assert isinstance(tower, CompactTextTower)
    assert isinstance(tower, GroundTower)


def test_a_compact_folder_elsewhere_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(COMPACT_FOLDER, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert load_tower("mine").name == "compact-text-v1"


def test_a_clip_folder_is_recognised(tiny_clip: Path) -> None:
    assert isinstance(load_tower(tiny_clip), ClipTower)


@pytest.mark.parametrize("name", ["compct", "./nowhere/here", "local-dir:a/b", Path("a/b"), ""])
def test_an_unknown_name_says_what_may_be_given(name: str | Path) -> None:
    with pytest.raises(TowerError, match="neither 'compact', nor a folder, nor a hub id"):
        load_tower(name)
