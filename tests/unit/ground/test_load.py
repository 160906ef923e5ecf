from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from timesenclip.errors import InputError, TowerError
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


BAD_HUB_NAMES = [
    *("", "/", "a/", "/b", "a/b/c", "../x", "a/..", "a/b..c", "a/b:c"),
    *("a b/c", "a\x1b[31m/b", "a\n/b", "\ud800/b", "x" * 300),
]


@pytest.mark.parametrize("name", BAD_HUB_NAMES)
def test_a_name_that_no_hub_has_is_refused_without_the_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timesenclip.ground.load._clip", lambda *_: pytest.fail("asked"))
    with pytest.raises(InputError, match="no name on the hub") as caught:
        load_tower(f"hf-hub:{name}")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("revision", ["", "../x", "a b", "a\x1b", "-x", "a..b"])
def test_a_revision_that_is_none_is_refused(revision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timesenclip.ground.load._clip", lambda *_: pytest.fail("asked"))
    with pytest.raises(InputError, match="is no revision"):
        load_tower("hf-hub:me/it", revision=revision)


@pytest.mark.parametrize("name", [" ", "local-dir:", "local-dir:a\0b", "~nobody-of-this-name/x"])
def test_a_name_of_no_folder_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="names no folder"):
        load_tower(name)
