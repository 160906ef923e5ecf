"""Parts of error messages: errors of other libraries and lists cut short, and the first error in a settings file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:  # pydantic is slow to import, and `--help` needs this module
    from pydantic import BaseModel, ValidationError

__all__ = ["first_validation_error", "list_some", "shorten_error"]


def shorten_error(error: BaseException, most: int = 160) -> str:
    """The message of an error in one line of limited length; the name of its class if the message is empty.

    Args:
        error: the error.
        most: largest number of characters; a longer message is cut at a word and ends in ` ...`.
    """
    return shorten(str(error), most, placeholder=" ...") or type(error).__name__


def list_some(names: Sequence[str], most: int = 3, *, separator: str = "; ") -> str:
    """Join the first `most` names with `separator`, and add how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


def first_validation_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe the first error that pydantic found: the key, the value and, for an unknown key, a similar known one.

    The text is a complete sentence.

    Args:
        error: of `model.model_validate`.
        model: the expected settings; its keys are compared with an unknown key.
    """
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(first["loc"][-1]), sorted(set(_keys(model))), n=1)
        return f"`{key}` is no setting; " + (f"did you mean `{near[0]}`?" if near else "remove it.")
    text = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"`{key}` is missing; add it."
    if key and not isinstance(first["input"], Mapping):
        text = f"{text} (given: {first['input']!r})"
    return f"`{key}`: {text}." if key else f"{text}."


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
