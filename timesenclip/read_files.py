"""The one loader of JSON and YAML that a user, a catalogue or another program gives.

Checked before anything is parsed: that it is a regular file (a pipe would wait for ever), its size, and that it is
UTF-8. Checked while it is parsed: the depth (`DEEPEST`), names given twice, numbers that are too long or not finite,
and in YAML anchors, aliases, merge keys and tags, with which a few lines become gigabytes or objects.

Largest files: YAML 1 MB (`YAML_BYTES`), JSON 64 MB (`JSON_BYTES`; a caller may allow more).
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from timesenclip.errors import DataNotFoundError, InputError, TimeSenCLIPError
from timesenclip.messages import show_value

__all__ = ["DEEPEST", "JSON_BYTES", "YAML_BYTES", "parse_json", "parse_yaml", "read_json", "read_text", "read_yaml"]

YAML_BYTES = 1_000_000
"""Largest YAML file, in bytes."""
JSON_BYTES = 64_000_000
"""Largest JSON file, in bytes, unless the caller allows more."""
DEEPEST = 64
"""How many lists and mappings may lie within each other."""
_LONGEST_NUMBER = 100
"""Most digits of a number: it then fits a float."""

_BYTE_ORDER = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.S)
_NO_BRACKET = re.compile(r"[^\[\]{}]+")
_INNERMOST = re.compile(r"\[\]|\{\}")
_ODD_NUMBER = re.compile(r"[eE]\+?\d{3}|\d{100}")


def read_json(
    path: str | Path,
    *,
    what: str,
    error: type[TimeSenCLIPError] = InputError,
    fix: str = "correct the file",
    most_bytes: int = JSON_BYTES,
) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        what: what it should be, for messages, such as `catalogue`.
        error: class of the error that is raised for a file that cannot be used.
        fix: what the user can do about it, at the end of the message.
        most_bytes: a larger file is refused.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: or `error`; it is no regular file, too large, not UTF-8, or not JSON; the message names the line.
    """
    text = read_text(path, what=what, most_bytes=most_bytes, error=error, fix=fix)
    return parse_json(text, name=f"'{path}'", error=error, fix=fix, most_bytes=most_bytes)


def read_yaml(
    path: str | Path, *, what: str, error: type[TimeSenCLIPError] = InputError, fix: str = "correct the file"
) -> Any:
    """Read a YAML file; arguments and errors as `read_json`, of at most `YAML_BYTES`."""
    text = read_text(path, what=what, most_bytes=YAML_BYTES, error=error, fix=fix)
    return parse_yaml(text, name=f"'{path}'", error=error, fix=fix)


def parse_json(
    content: str | bytes,
    *,
    name: str,
    error: type[TimeSenCLIPError] = InputError,
    fix: str = "correct it",
    most_bytes: int = JSON_BYTES,
) -> Any:
    """Parse JSON that was read elsewhere, such as the answer of a server.

    Args:
        content: text, or bytes in UTF-8.
        name: what it is, for messages, such as `'items.json'` or `the answer of https://...`.
        error, fix, most_bytes: as for `read_json`.

    Raises:
        InputError: or `error`; it cannot be used.
    """
    text = _checked_text(content, name, most_bytes, error, fix)
    odd = _ODD_NUMBER.search(text) is not None
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite if odd else None,
            parse_int=_whole if odd else None,
            object_pairs_hook=_mapping,
        )
    except RecursionError:
        problem: str | None = _too_deep()
    except json.JSONDecodeError as caught:
        problem = f"line {caught.lineno}: {caught.msg}"
    except ValueError as caught:  # raised by the functions above
        problem = str(caught)
    else:
        problem = _too_deep() if _deeper_than(DEEPEST, text) else _lone_surrogate(value, text)
    if problem is not None:
        raise error(f"{name} is not readable as JSON ({problem}); {fix}.")
    return value


def parse_yaml(
    content: str | bytes, *, name: str, error: type[TimeSenCLIPError] = InputError, fix: str = "correct it"
) -> Any:
    """Parse YAML that was read elsewhere, such as the value of an option; as `parse_json`, at most `YAML_BYTES`."""
    import yaml

    from timesenclip.yaml_loader import LimitedLoader

    text = _checked_text(content, name, YAML_BYTES, error, fix)
    loader: Any = LimitedLoader  # its base depends on how PyYAML was built
    try:
        value = yaml.load(text, Loader=loader)
    except yaml.MarkedYAMLError as caught:
        mark = caught.problem_mark or caught.context_mark
        where = "" if mark is None else f"line {mark.line + 1}: "
        problem: str | None = f"{where}{caught.problem or caught.context}"
    except (yaml.YAMLError, ValueError, RecursionError) as caught:
        problem = " ".join(str(caught).split())
    else:
        problem = _lone_surrogate(value, text)
    if problem is not None:
        raise error(f"{name} is not readable as YAML ({problem}); {fix}.")
    return value


def read_text(
    path: str | Path, *, what: str, most_bytes: int, error: type[TimeSenCLIPError] = InputError, fix: str
) -> str:
    """Read a text file in UTF-8, with or without a byte-order mark; arguments and errors as `read_json`."""
    content = _read_bytes(Path(path), what, most_bytes, error)
    return _checked_text(content, f"'{path}'", most_bytes, error, fix)


def _read_bytes(path: Path, what: str, most_bytes: int, error: type[TimeSenCLIPError]) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise error(f"'{path}' is {_kind(mode)}, not a file; give the {what} as a file.")
        with path.open("rb") as file:
            return file.read(most_bytes + 1)
    except (FileNotFoundError, NotADirectoryError) as caught:
        raise DataNotFoundError(f"No {what} at '{path}'; correct the path.") from caught
    except TimeSenCLIPError:
        raise
    except (OSError, ValueError) as caught:  # ValueError: a NUL character in the path
        reason = getattr(caught, "strerror", None) or str(caught)
        raise error(f"'{path}' cannot be read ({reason}); give a {what} that can be.") from caught


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")


def _checked_text(content: str | bytes, name: str, most_bytes: int, error: type[TimeSenCLIPError], fix: str) -> str:
    if len(content) > most_bytes:
        raise error(f"{name} is too large: at most {most_bytes / 1e6:,g} MB are read; {fix}.")
    if isinstance(content, bytes):
        content = _decoded(content, name, error)
    if "\0" in content:
        raise error(f"{name} holds NUL characters, so it is no text; {fix}.")
    return content.removeprefix("\ufeff")


def _decoded(content: bytes, name: str, error: type[TimeSenCLIPError]) -> str:
    encoding = _wide_encoding(content)
    if encoding is None:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as caught:
            line = content.count(b"\n", 0, caught.start) + 1
            raise error(
                f"{name}, line {line}: byte 0x{content[caught.start]:02x} is not UTF-8; the file seems to be Latin-1 "
                "(Windows-1252). Save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW."
            ) from caught
    raise error(f"{name} seems to be {encoding}, not UTF-8. Save it as UTF-8: iconv -f {encoding} -t UTF-8 OLD > NEW.")


def _wide_encoding(content: bytes) -> str | None:
    """UTF-16 or UTF-32 by the byte-order mark, or UTF-16 by the zeros in every second byte; None for other text."""
    for mark, encoding in _BYTE_ORDER:
        if content.startswith(mark):
            return encoding
    start = content[:200]
    for first, encoding in ((0, "UTF-16BE"), (1, "UTF-16LE")):
        zeros, others = start[first::2], start[1 - first :: 2]
        if len(start) >= 4 and zeros.count(0) > 0.7 * len(zeros) and 0 not in others:
            return encoding
    return None


def _too_deep() -> str:
    return f"lists and mappings lie more than {DEEPEST} deep"


def _deeper_than(most: int, text: str) -> bool:
    """Whether brackets of valid JSON lie deeper than `most`; each pass removes the innermost."""
    if text.count("[") + text.count("{") <= most:
        return False
    brackets = _NO_BRACKET.sub("", _STRING.sub("", text))
    for _ in range(most):
        brackets = _INNERMOST.sub("", brackets)
        if not brackets:
            return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {show_value(digits, 40)} is too large")
    return value


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits):,} digits; at most {_LONGEST_NUMBER} are read")
    return int(digits)


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{show_value(double)} is given twice")
    return found


def _lone_surrogate(value: Any, text: str) -> str | None:
    """What is wrong with text that cannot be written as UTF-8; only escapes such as `\\ud800` can bring it in."""
    if "\\u" not in text and "\\U" not in text:
        return None
    for part in _texts(value):
        try:
            part.encode("utf-8")
        except UnicodeEncodeError:
            return f"{show_value(part)} holds half a character (a lone surrogate)"
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
