"""The documents name files and commands that exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import typer.main

from timesenclip.cli.commands import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PATH = re.compile(r"(?<![\w./*-])((?:\w[\w-]*/)*[\w-]+\.(?:py|yaml|md|npz)|(?:scripts|benchmarks)/[\w-]+)\b(?!/)")
COMMAND = re.compile(r"(?m)(?:^|[`|(])\s*timesenclip ([a-z][^`\n]*)")
OTHER_FILES = {"this.yaml", "FILE.yaml", "recipe.yaml", "utils.py"}
"""Examples, files that commands write, and a name that is not allowed."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_and_command_of_a_document_exists(document: Path) -> None:
    text = document.read_text()
    gone = [path for path in PATH.findall(text) if path not in OTHER_FILES and not _exists(path, document)]
    assert not gone
    unknown = [line for line in COMMAND.findall(text) if not _is_command(line)]
    assert not unknown


@cache
def _names() -> frozenset[str]:
    folders = ("timesenclip", "tests", "docs", "configs", "benchmarks")
    return frozenset(path.name for folder in folders for path in (ROOT / folder).rglob("*.*"))


def _exists(path: str, document: Path) -> bool:
    """Whether a path is there: from the root, the document or the package, or the name of one file of the package."""
    places = (ROOT, document.parent, ROOT / "timesenclip")
    return any((place / path).exists() for place in places) or ("/" not in path and path in _names())


def _is_command(line: str) -> bool:
    command = typer.main.get_command(app)
    words = re.split(r"[\s,]+", line.partition("#")[0].strip())
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    alone = not words or words[0].startswith("-")
    return not hasattr(command, "commands") or (alone and command.invoke_without_command)


def test_a_missing_path_and_an_unknown_command_are_found() -> None:
    assert _is_command("evaluate suite FILE")
    assert not _is_command("evaluate points FILE")
    assert not _is_command("tell me")
    assert _exists("eo/masking.py", ROOT / "README.md")
    assert not _exists("eo/simulate.py", ROOT / "README.md")
