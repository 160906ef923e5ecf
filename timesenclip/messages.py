"""Parts of error messages: values and errors cut short, credentials out, control characters shown as text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from reprlib import Repr
from textwrap import shorten
from typing import TYPE_CHECKING, get_args

from timesenclip.credentials import redact

if TYPE_CHECKING:  # pydantic is slow to import, and `--help` needs this module
    from pydantic import BaseModel, ValidationError

__all__ = [
    "LONGEST_LINE",
    "cut_middle",
    "first_validation_error",
    "list_some",
    "one_line",
    "redact",
    "shorten_error",
    "show_value",
    "visible",
]

LONGEST_LINE = 400
"""Characters of the longest line that the command line prints: a value of 80 and what there is to say about it."""

_LONGEST_VALUE = 80
_CUT = " ... "
_BREAKS = re.compile(r"[ \t\r\n\f\v]+")


def visible(text: str) -> str:
    r"""The text with what a terminal obeys, or does not show, as its escape: `\x1b`, `\n`, `\u202e`, `\udcff`.

    Letters, marks, signs and spaces of every script stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\xa0\u202f\u3000" else repr(c)[1:-1] for c in text)


def cut_middle(text: str, most: int) -> str:
    """A text of at most `most` characters: of a longer one the beginning and the end stay, which says what to do."""
    if len(text) <= most:
        return text
    end = (most - len(_CUT)) // 2
    return text[: most - len(_CUT) - end] + _CUT + text[len(text) - end :]


def show_value(value: object, most: int = _LONGEST_VALUE) -> str:
    """A value for a message: its `repr` without credentials, of at most `most` characters, all of them visible.

    Args:
        value: anything; a long text, list or table is not turned into a long text first.
        most: largest number of characters.
    """
    short = Repr()
    short.maxstring = short.maxother = 4 * most
    try:
        shown = repr(redact(value[: 4 * most])) if isinstance(value, str) else redact(short.repr(value))
    except ValueError:  # Python writes no number of more than 4300 digits
        shown = "a number of thousands of digits"
    return cut_middle(visible(shown), most)


def one_line(text: str, most: int = LONGEST_LINE) -> str:
    """A message as the command line prints it: one line without credentials, visible, of at most `most` characters."""
    return cut_middle(visible(_BREAKS.sub(" ", redact(text)).strip()), most)


def shorten_error(error: BaseException, most: int = 160) -> str:
    """The message of an error in one line of limited length; the name of its class if the message is empty.

    Args:
        error: the error.
        most: largest number of characters; a longer message is cut at a word and ends in ` ...`.
    """
    return shorten(redact(str(error)), most, placeholder=" ...") or type(error).__name__


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
