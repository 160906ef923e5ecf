"""Parts of messages: another library's reason in one line, a list cut short, the first error in a settings file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:  # pydantic is slow to import, and `--help` needs this module
    from pydantic import BaseModel, ValidationError

__all__ = ["first_validation_error", "list_some", "shorten_error"]


def shorten_error(error: BaseException, most: int = 160) -> str:
    """The message of another library's error in one line, or the error's class where it has none.

    Args:
        error: the error.
        most: characters; a longer message is cut at a word and ends in ` ...`.
    """
    return shorten(str(error), most, placeholder=" ...") or type(error).__name__


def list_some(names: Sequence[str], most: int = 3, *, separator: str = "; ") -> str:
    """The first `most` names with `separator` between them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


def first_validation_error(error: ValidationError, model: type[BaseModel]) -> str:
    """The first error that pydantic found: the key, the value and, for a misspelt key, the one that may be meant.

    A sentence with its full stop.

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
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _parts(inner)
