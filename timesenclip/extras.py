"""Packages that only some commands need: imported when they are needed, with one message where they are absent.

A module of its own, so that `errors.py` stays a list of classes.
"""

from __future__ import annotations

import importlib
from typing import Any

from timesenclip.errors import MissingExtraError
from timesenclip.messages import shorten_error

__all__ = ["require"]


def require(extra: str, *modules: str, needed_by: str) -> Any:
    """Import optional packages.

    Args:
        extra: the extra in pyproject.toml that brings them.
        modules: names as they are imported.
        needed_by: what needs them, the first words of the message.

    Returns:
        The first of the modules.

    Raises:
        MissingExtraError: one of them is not installed, or cannot be imported.
    """
    found = []
    for module in modules:
        try:
            found.append(importlib.import_module(module))
        except ImportError as error:
            raise MissingExtraError(
                f"{needed_by}: the package {module} cannot be imported ({shorten_error(error)}); install it with "
                f"pip install 'timesenclip[{extra}]', or in a clone with pip install '.[{extra}]'."
            ) from error
    return found[0]
