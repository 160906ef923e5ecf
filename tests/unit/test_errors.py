from __future__ import annotations

import ast
import builtins
import re
from pathlib import Path

import pytest

from timesenclip import errors


def test_public_names_are_exactly_these():
    assert errors.__all__ == [
        "BandError",
        "BrokenItemError",
        "CalibrationWarning",
        "CheckpointError",
        "DataNotFoundError",
        "DegradedInputWarning",
        "GridError",
        "InputError",
        "LeakageError",
        "MissingExtraError",
        "NoClearObservationError",
        "PartialFailureError",
        "PromptError",
        "RunStoppedError",
        "TaxonomyError",
        "TimeError",
        "TimeSenCLIPError",
        "TimeSenCLIPWarning",
        "TowerError",
        "TrainingDivergedError",
        "UnitsError",
    ]
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined == set(errors.__all__)


def exceptions_in(tree: ast.Module) -> list[str]:
    """Names of the exception and warning classes of a module, without the private ones that it catches itself."""
    kinds = ("Error", "Warning", "Exception")
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = [c.name for c in classes if any(n.endswith(kinds) for n in (c.name, *map(ast.unparse, c.bases)))]
    handlers = [node.type for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.type]
    caught = {name.id for kind in handlers for name in ast.walk(kind) if isinstance(name, ast.Name)}
    return [name for name in found if not (name.startswith("_") and name in caught)]


def test_no_error_or_warning_is_defined_elsewhere():
    package = Path(errors.__file__).parent
    elsewhere = {
        str(file.relative_to(package)): found
        for file in sorted(package.rglob("*.py"))
        if file != Path(errors.__file__) and (found := exceptions_in(ast.parse(file.read_text(encoding="utf-8"))))
    }
    assert not elsewhere, "define these in errors.py and draw them in its tree"


@pytest.mark.parametrize(
    "source",
    [
        "class OddError: ...",
        "class Odd(ValueError): ...",
        "class _Odd(errors.InputError): ...",
        "class Odd(UserWarning): ...",
    ],
)
def test_an_error_defined_elsewhere_would_be_found(source: str):
    assert exceptions_in(ast.parse(source))


def drawn_tree() -> dict[str, tuple[str | None, str | None]]:
    """Class name -> (parent class, builtin in brackets), as the module's docstring draws them."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([ |'-]*)(\w+(?:Error|Warning))\b(?: \((\w+)\))?", line)
        if found:
            depth = len(found[1])
            while path and path[-1][0] >= depth:
                path.pop()
            tree[found[2]] = (path[-1][1] if path else None, found[3])
            path.append((depth, found[2]))
    return tree


def test_the_drawn_tree_names_every_class():
    assert sorted(drawn_tree()) == errors.__all__


@pytest.mark.parametrize(("name", "parent", "builtin"), [(name, *rest) for name, rest in drawn_tree().items()])
def test_the_drawn_tree_is_the_real_one(name: str, parent: str | None, builtin: str | None):
    cls = getattr(errors, name)
    if parent:
        assert cls.__bases__[0].__name__ == parent
    if builtin:
        assert issubclass(cls, getattr(builtins, builtin))
