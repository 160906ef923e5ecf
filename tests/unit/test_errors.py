from __future__ import annotations

import builtins
import re

import pytest

from timesenclip import errors


def test_public_names_are_exactly_these():
    assert errors.__all__ == [
        "BandError",
        "CalibrationWarning",
        "CheckpointError",
        "DataNotFoundError",
        "DegradedInputWarning",
        "GridError",
        "InputError",
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


def test_a_foreign_reason_is_one_line_cut_at_a_word():
    assert errors.reason_of(ValueError("no\n  such   file")) == "no such file"
    assert errors.reason_of(ValueError("one two three four"), 13) == "one two ..."
    assert errors.reason_of(KeyError()) == "KeyError"


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
