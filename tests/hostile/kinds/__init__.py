"""The cases, a module for each kind of input."""

from __future__ import annotations

import importlib
import pkgutil

from ..case import Case

__all__ = ["all_cases"]


def all_cases() -> list[Case]:
    """Every case of every kind, in a fixed order.

    Raises:
        ValueError: two cases have one name.
    """
    found: list[Case] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        found += importlib.import_module(f"{__name__}.{module.name}").cases()
    names = [case.name for case in found]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ValueError(f"cases with one name: {double}")
    return found
