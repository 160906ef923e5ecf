"""The one loader of JSON and YAML: what is refused, in one line, before it costs anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from timesenclip.errors import CheckpointError, DataNotFoundError, InputError
from timesenclip.read_files import YAML_BYTES, parse_json, parse_yaml, read_json, read_yaml


def test_files_are_read_with_and_without_byte_order_mark(tmp_path: Path) -> None:
    for mark in ("", "\ufeff"):
        file = tmp_path / "x"
        file.write_text(mark + '{"é": [1, 2.5]}', encoding="utf-8")
        assert read_json(file, what="mapping") == read_yaml(file, what="mapping") == {"é": [1, 2.5]}
    assert parse_json(b"[1]", name="x") == parse_yaml(b"[1]", name="x") == [1]


@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_what_is_no_regular_file_is_refused_at_once(read, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "a pipe"), (tmp_path, "a folder"), ("/dev/zero", "a device")):
        with pytest.raises(CheckpointError, match=f"is {kind}, not a file; give the head as a file"):
            read(path, what="head", error=CheckpointError)
    with pytest.raises(DataNotFoundError, match="No head at"):
        read(tmp_path / "none", what="head")
    with pytest.raises(InputError, match="cannot be read"):
        read("a\0b", what="head")


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.touch()
    os.truncate(file, 10**12)
    for read in (read_json, read_yaml):
        with pytest.raises(InputError, match="too large: at most"):
            read(file, what="x")
    with pytest.raises(InputError, match="too large"):
        parse_yaml("a" * (YAML_BYTES + 1), name="x")
    with pytest.raises(InputError, match="at most 1e-05 MB"):
        parse_json("[1,2,3,4,5,6]", name="x", most_bytes=10)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: é\n".encode("latin-1"), "line 1: byte 0xe9 is not UTF-8; the file seems to be Latin-1"),
        ('{"a": 1}'.encode("utf-16"), "seems to be UTF-16, not UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "seems to be UTF-16LE, not UTF-8"),
        ('{"a": 1}'.encode("utf-16-be"), "iconv -f UTF-16BE -t UTF-8"),
        ('{"a": 1}'.encode("utf-32"), "seems to be UTF-32"),
        (b"\0\0\0\0\0", "holds NUL characters"),
    ],
)
@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_the_encoding_is_named(parse, content: bytes, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(content, name="'x'")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[NaN]", "NaN is no number of JSON"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[" * 1_000_000, "64 deep"),
        ("[" * 65 + "]" * 65, "64 deep"),
        ('{"a":' * 65 + "1" + "}" * 65, "64 deep"),
        ('{"a": 1, "b": 1, "a": 2}', "'a' is given twice"),
        (r'["\ud800"]', "lone surrogate"),
        ("[1e999]", "'1e999' is too large"),
        (f"[{'9' * 5000}]", "5,000 digits"),
        ("[1,\n2", "line 2: Expecting"),
        ("", "line 1: Expecting value"),
        ('["\x1b"]', "Invalid control character"),
    ],
)
def test_json_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_json(text, name="'x.json'", fix="mend it")
    message = str(caught.value)
    assert said in message
    assert message.startswith("'x.json' is not readable as JSON (")
    assert message.endswith("; mend it.")


def test_brackets_within_text_and_wide_lists_are_not_deep() -> None:
    assert parse_json('["' + "[" * 500 + '\\"[", {}]', name="x") == ["[" * 500 + '"[', {}]
    assert len(parse_json("[" + "[],{}," * 500 + "[]]", name="x")) == 1001
    assert parse_json("[" * 64 + "]" * 64, name="x")
    assert parse_json(r'["\ud83d\udc4d"]', name="x") == ["👍"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: *x", "line 2: anchors"),
        ("a: [", "did not find expected node|expected the node"),
        ("a: \x1b", "not allowed"),
        ('a: "\\ud800"', "surrogate|escape"),
    ],
)
def test_yaml_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        parse_yaml(text, name="'x.yaml'", error=CheckpointError)
    assert "\n" not in str(caught.value)
