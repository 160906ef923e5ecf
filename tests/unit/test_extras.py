"""An absent optional package is named with its extra; every extra that the code names brings what is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from timesenclip.errors import MissingExtraError
from timesenclip.extras import require

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
DISTRIBUTION = {"PIL": "pillow", "pystac_client": "pystac-client", "planetary_computer": "planetary-computer"}


def test_the_first_module_comes_back() -> None:
    import json

    assert require("dev", "json", "csv", needed_by="This test") is json


def test_an_absent_package_is_named_with_both_ways_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "geopandas", None)
    with pytest.raises(MissingExtraError) as caught:
        require("stac", "json", "geopandas", needed_by="Zones")
    text = str(caught.value)
    assert text.startswith("Zones: the package geopandas cannot be imported (")
    assert text.endswith("pip install 'timesenclip[stac]', or in a clone with pip install '.[stac]'.")


def distributions(extra: str) -> set[str]:
    """What an extra installs, other extras that it names included."""
    found: set[str] = set()
    for requirement in EXTRAS[extra]:
        named = re.match(r"timesenclip\[([\w,]+)\]", requirement)
        if named:
            found = found.union(*map(distributions, named[1].split(",")))
        else:
            found.add(re.match(r"[\w.-]+", requirement)[0].lower())  # type: ignore[index]
    return found


def calls() -> Iterator[tuple[str, list[str]]]:
    for path in (ROOT / "timesenclip").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "require":
                extra, *modules = [ast.literal_eval(argument) for argument in node.args]
                yield extra, modules


def test_every_extra_brings_the_modules_that_are_required_of_it() -> None:
    found = list(calls())
    assert len(found) >= 11
    for extra, modules in found:
        for module in modules:
            top = module.partition(".")[0]
            assert DISTRIBUTION.get(top, top) in distributions(extra), (extra, module)
