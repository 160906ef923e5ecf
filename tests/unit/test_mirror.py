"""`tests/unit` mirrors the package: `timesenclip/eo/masking.py` is tested in `tests/unit/eo/test_masking.py`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

EXCEPTIONS = {
    "timesenclip/__init__.py": "`tests/unit/test_package.py` tests the package as a whole",
}
"""Modules without a unit test of their name, and why; the same list stands in CONTRIBUTING.md."""


def defines_something(module: Path) -> bool:
    """Whether a module has functions or classes; an `__init__.py` without any only names what its folder holds."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(tree))


def modules_without_test(root: Path) -> set[str]:
    """Modules of `root/timesenclip` without a file of their name in `root/tests/unit`.

    Underscores around a name are left out: `__main__.py` is tested in `test_main.py`.
    """
    package = root / "timesenclip"
    missing = set()
    for module in package.rglob("*.py"):
        if module.name == "__init__.py" and not defines_something(module):
            continue
        folder = root / "tests" / "unit" / module.parent.relative_to(package)
        if not (folder / f"test_{module.stem.strip('_')}.py").is_file():
            missing.add(module.relative_to(root).as_posix())
    return missing


def listed_in(text: str) -> dict[str, str]:
    """The list in CONTRIBUTING.md: module and reason."""
    lines = re.findall(r"^Modules without a unit test of their name: (.+)\.$", text, flags=re.MULTILINE)
    assert len(lines) == 1, f"{len(lines)} lines begin with 'Modules without a unit test of their name:'; expected one"
    pairs = [entry.split(", because ", 1) for entry in lines[0].split("; ")]
    return {name.strip("`"): reason for name, reason in pairs}


def test_every_module_has_a_test_of_its_name() -> None:
    missing = modules_without_test(ROOT) - EXCEPTIONS.keys()
    assert not missing, f"no test file of their name: {', '.join(sorted(missing))}"


def test_what_is_excepted_is_a_module_without_a_test_and_has_a_reason() -> None:
    assert EXCEPTIONS.keys() <= modules_without_test(ROOT)
    assert all(EXCEPTIONS.values())


def test_contributing_holds_the_same_list() -> None:
    assert listed_in((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")) == EXCEPTIONS


@pytest.mark.parametrize(
    ("module", "text", "test"),
    [
        ("eo/masking.py", "", "eo/test_masking.py"),
        ("__main__.py", "", "test_main.py"),
        ("_version.py", "", "test_version.py"),
        ("testing/__init__.py", "def write(): ...\n", "testing/test_init.py"),
    ],
)
def test_a_module_without_a_test_is_found(module: str, text: str, test: str, tmp_path: Path) -> None:
    source, tested = tmp_path / "timesenclip" / module, tmp_path / "tests" / "unit" / test
    for file in (source, tested, source.with_name("__init__.py")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    source.write_text(text)
    assert modules_without_test(tmp_path) == set()
    tested.rename(tested.with_name("test_other.py"))
    assert modules_without_test(tmp_path) == {f"timesenclip/{module}"}


def test_a_list_is_read_from_one_line() -> None:
    text = "x\nModules without a unit test of their name: `a.py`, because of `b`; `c/d.py`, because it is data.\n"
    assert listed_in(text) == {"a.py": "of `b`", "c/d.py": "it is data"}
    with pytest.raises(AssertionError, match="0 lines begin"):
        listed_in("none\n")
