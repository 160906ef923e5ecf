"""What is wrong in a file that a person wrote, in one sentence: which key, what was found, what may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import get_args

from pydantic import BaseModel, ValidationError

__all__ = ["first_mistake", "reason_of", "some_of"]


def reason_of(error: BaseException, most: int = 160) -> str:
    """What somebody else's error says, in one line of at most so many characters, cut at a word."""
    return shorten(str(error), most, placeholder=" ...") or type(error).__name__


def some_of(names: Sequence[str], most: int = 3) -> str:
    """The first of what a message names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def first_mistake(error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing that pydantic found, with its full stop.

    Args:
        error: of `model.model_validate`.
        model: what the file should have held; its keys are offered where one is misspelt.
    """
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(first["loc"][-1]), sorted(set(_keys(model))), n=1)
        return f"`{where}` is no setting; " + (f"did you mean `{near[0]}`?" if near else "remove it.")
    text = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"`{where}` is missing; add it."
    if where and not isinstance(first["input"], Mapping):
        text = f"{text} (given: {first['input']!r})"
    return f"`{where}`: {text}." if where else f"{text}."


def _keys(model: type[BaseModel]) -> Iterator[str]:
    """Names of the settings of a model and of those within it."""
    for name, field in model.model_fields.items():
        yield name
        for part in _parts(field.annotation):
            yield from _keys(part)


def _parts(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _parts(inner)
