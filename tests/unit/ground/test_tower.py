from __future__ import annotations

from pathlib import Path

import pytest

from timesenclip.errors import PromptError
from timesenclip.ground.clip.tower import ClipTower
from timesenclip.ground.compact import CompactTextTower
from timesenclip.ground.load import load_tower
from timesenclip.ground.tower import COMPACT_FOLDER, GroundTower, checked_texts


def test_both_towers_keep_the_protocol(tiny_clip: Path) -> None:
    assert isinstance(CompactTextTower(), GroundTower)
    assert isinstance(ClipTower(tiny_clip), GroundTower)


def test_a_tower_without_photographs_or_a_name_is_none() -> None:
    class TextOnly:
        name, dim = "text", 3

        def encode_text(self, texts: list[str]) -> None: ...

    assert not isinstance(TextOnly(), GroundTower)


def test_the_compact_tower_is_shipped_whole() -> None:
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in COMPACT_FOLDER.iterdir()}


def test_texts_are_checked_by_every_tower() -> None:
    assert checked_texts([" maize ", "blé"]) == ["maize", "blé"]
    for text, said in (("", "is empty"), ("\ud800", "no UTF-8"), ("x" * 3000, "3,000 characters")):
        with pytest.raises(PromptError, match=f"Text 2 of 2 .*{said}"):
            load_tower("compact").encode_text(["maize", text])
