from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from timesenclip.errors import MissingExtraError, TowerError
from timesenclip.ground.clip.tower import ClipTower
from timesenclip.ground.clip.transformers_package import broken_torchvision


def test_a_broken_torchvision_is_named_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    assert broken_torchvision() is None
    monkeypatch.syspath_prepend(tmp_path)
    assert broken_torchvision() == "operator torchvision::nms does not exist"
    with pytest.raises(TowerError, match="pip uninstall torchvision"):
        ClipTower("openai/clip-vit-base-patch32")


def test_transformers_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def without(name: str, *args: Any) -> Any:
        if name == "transformers":
            raise ImportError("No module named 'transformers'")
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'timesenclip\[clip\]'"):
        ClipTower("openai/clip-vit-base-patch32")
