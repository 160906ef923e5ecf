"""The version is written in one place."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import timesenclip
from timesenclip._version import __version__

ROOT = Path(__file__).resolve().parents[2]


def test_version_is_that_of_the_installed_distribution():
    assert importlib.metadata.version("timesenclip") == timesenclip.__version__


def test_the_build_reads_the_version_from_its_module() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    file = ROOT / project["tool"]["hatch"]["version"]["path"]
    assert re.findall(r'^__version__ = "(.+)"$', file.read_text(encoding="utf-8"), flags=re.MULTILINE) == [__version__]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
