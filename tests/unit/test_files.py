"""A folder is whole under its name, or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from timesenclip.files import atomic_folder


def test_it_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    with atomic_folder(target) as scratch:
        (scratch / "one").write_text("1")
        assert not target.exists()
    assert [file.name for file in target.iterdir()] == ["one"]
    assert [entry.name for entry in target.parent.iterdir()] == ["b"]
    with atomic_folder(target) as scratch:
        (scratch / "two").write_text("2")
        assert (target / "one").is_file()
    assert [file.name for file in target.iterdir()] == ["two"]
    assert [entry.name for entry in target.parent.iterdir()] == ["b"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "b"

    def half() -> None:
        with atomic_folder(target) as scratch:
            (scratch / "one").write_text("1")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        half()
    assert not list(tmp_path.iterdir())
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(ValueError, match="half way"):
        half()
    assert [entry.name for entry in tmp_path.iterdir()] == ["b"]
    assert [file.name for file in target.iterdir()] == ["kept"]
