"""What is promised of the package as a whole: light to import, quick to help, honest about what it depends on."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import timesenclip

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "timesenclip"

HEAVY = ("torch", "rasterio", "xarray", "pandas", "pyarrow", "matplotlib", "sklearn", "transformers", "model2vec")


def modules_after(code: str) -> set[str]:
    """Top-level modules that are loaded in a fresh interpreter after `code`."""
    script = f"{code}\nimport sys, json; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("code", ["import timesenclip", "import timesenclip.cli"])
def test_import_is_light(code: str):
    assert not modules_after(code) & set(HEAVY)


def test_public_names_exist_and_others_do_not():
    for name in timesenclip.__all__:
        assert getattr(timesenclip, name) is not None
    assert set(timesenclip.__all__) == set(timesenclip._HOMES) | {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        timesenclip.nonsense  # noqa: B018


def test_help_is_quick():
    """Under 0.5 s on an idle machine; the median of five leaves out a hiccup, the slack is for busy test runners."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "timesenclip", "--help"], capture_output=True, check=True, cwd=ROOT)
        seconds.append(time.perf_counter() - start)
    assert statistics.median(seconds) < 1.0, seconds


def imported_modules(path: Path) -> set[str]:
    """Top-level names of every absolute import in a file, at module level or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def declared_modules() -> set[str]:
    """Modules of the distributions that core and the user-facing extras name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: deps for name, deps in project["optional-dependencies"].items() if name != "dev"}
    wanted = {
        re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")  # type: ignore[index]
        for requirement in [*project["dependencies"], *(dep for deps in extras.values() for dep in deps)]
    }
    modules = importlib.metadata.packages_distributions()
    found = {
        module
        for module, distributions in modules.items()
        if wanted & {name.lower().replace("_", "-") for name in distributions}
    }
    # An extra that is not installed here has no metadata; its module is named like the distribution.
    return found | {name.replace("-", "_") for name in wanted}


def test_everything_imported_is_declared():
    imported = {name: path for path in PACKAGE.rglob("*.py") for name in imported_modules(path)}
    foreign = set(imported) - set(sys.stdlib_module_names) - {"timesenclip", "torchvision"}
    undeclared = foreign - declared_modules()
    assert not undeclared, {name: str(imported[name]) for name in undeclared}


def test_everything_declared_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for line in re.findall(r'^    "[\w\[\],.-]+[<>=~!].*$', text, flags=re.MULTILINE):
        assert re.search(r"# \S+", line), f"a bound without its reason: {line}"
