"""Hostile pickles run nothing, change nothing and end in one line; broken and endless ones end soon."""

from __future__ import annotations

import contextlib
import io
import pickle
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.unit.pickle_payloads import FORMS, payloads, watched, write
from timesenclip.cli import app
from timesenclip.errors import CheckpointError
from timesenclip.inert_pickle import Placeholder, read_inert_pickle
from timesenclip.safe_torch_load import read_tensors

NAMES = list(payloads(Path("mark")))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_file_changes_nothing(name: str, form: str, tmp_path: Path) -> None:
    mark = tmp_path / "elsewhere" / "mark"
    mark.parent.mkdir()
    mark.write_text("as it was")
    (tmp_path / "here").mkdir()
    file = tmp_path / "here" / "x.pt"
    write(payloads(mark)[name], file, form)
    with watched(tmp_path):
        try:
            found = read_tensors(file)
        except CheckpointError as error:
            found, said = None, str(error)
    if found is None:
        assert "\n" not in said
    else:
        assert "beside" in form
        assert torch.equal(found["weight"], torch.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("kind", ["official", "clip"])
@pytest.mark.parametrize("form", ["zip", "legacy", "bare"])
@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_refuses_it_in_one_line(name: str, form: str, kind: str, tmp_path: Path) -> None:
    file, mark = tmp_path / "x.pt", tmp_path / "mark"
    write(payloads(mark)[name], file, form)
    with watched(tmp_path):
        result = CliRunner().invoke(app, ["import", kind, str(file), "-o", str(tmp_path / "out")])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pt"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("os.system by REDUCE", "names 'posix.system', which no weights need; the file is hostile"),
        ("a storage that is a file", r"names 'torch\.UntypedStorage\.from_file'"),
        ("posix.system by INST", "the step INST, which torch.save does not write"),
        ("an extension code", "the step EXT1"),
    ],
)
def test_what_is_refused_is_named(name: str, said: str, tmp_path: Path) -> None:
    write(payloads(tmp_path / "mark")[name], tmp_path / "x.pt", "zip, beside weights")
    with pytest.raises(CheckpointError, match=said):
        read_tensors(tmp_path / "x.pt")


def read(content: bytes) -> object:
    return read_inert_pickle(io.BytesIO(content))


def test_plain_values_come_back_with_every_protocol() -> None:
    content = {
        "a": [1, -2.5, None, True, "ü", b"b", 2**70],
        "t": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "d": {"e": {}},
    }
    for protocol in range(1, 6):
        found = read(pickle.dumps(content, protocol=protocol))
        assert isinstance(found, dict)
        found["a"][5] = b"b"  # protocol 1 and 2 write bytes as a call
        assert found == content
    assert read(pickle.dumps({1: "x", "y": {1, 2}})) == {"y": Placeholder("set")}
    assert read(pickle.dumps(complex(1, 2))) == Placeholder("builtins.complex")


def laughs(levels: int) -> bytes:
    """Lists of ten lists of ten lists ...: 10 ** levels items when they are counted out."""
    body = b"]q\x00"
    for level in range(levels):
        body += b"](" + b"h" + bytes([level]) + (b"h" + bytes([level])) * 9 + b"eq" + bytes([level + 1])
    return b"\x80\x02" + body + b"."


def colliding(count: int) -> bytes:
    """A dictionary whose keys all have one hash."""
    keys = (b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little") + b"N" for k in range(count))
    return b"\x80\x02}(" + b"".join(keys) + b"u."


@pytest.mark.parametrize(
    "content",
    [
        laughs(200),
        b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b".",
        b"\x80\x02" + b")" + b"\x85" * 500_000 + b".",
        b"\x80\x02}" + b")" + b"\x85" * 500_000 + b"Ns.",
        b"\x80\x02\x8b" + (8 * 2**20).to_bytes(4, "little") + b"\x7f" * 8 * 2**20 + b".",
        b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.",
        b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
        colliding(99_999),
        b"\x80\x02]r\xff\xff\xff\xff.",
        b"p99999999999999999999\n.",
        b"\x80\x02cos\x1b[31m\nsystem\n.",
        b"\x80\x02c\nname\n.",
        b"\x80\x02]",
        b"\x80\x02h\x07.",
        b"\x80\x02t.",
        b"\x80\x02a.",
        b"\x80\x02s.",
        b"\x80\x02R.",
        b"\x80\x02b.",
        b"\x80\x02\x87.",
        b"\x80\x02}(X\x01\x00\x00\x00au.",
        b"\x80\x02)Q.",
        b"\x80\x02.",
        b"",
        b"\xff" * 100,
    ],
    ids=lambda content: f"{len(content)}-{content[:12].hex()}",
)
def test_a_broken_or_endless_pickle_ends_soon(content: bytes) -> None:
    began, said = time.perf_counter(), "read"
    try:
        read(content)
    except CheckpointError as error:
        said = str(error)
    assert 0 < len(said) < 200
    assert time.perf_counter() - began < 8


def test_a_pickle_of_too_many_steps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timesenclip.inert_pickle._MOST_STEPS", 1000)
    with pytest.raises(CheckpointError, match="over 1,000 steps"):
        read(b"\x80\x02" + b"N0" * 600 + b"N.")


def test_the_watch_sees_what_a_real_unpickler_does(tmp_path: Path) -> None:
    """A payload that runs is caught: the tests above can fail."""
    content = b"\x80\x02" + payloads(tmp_path / "mark")["os.system by REDUCE"] + b"."
    with pytest.raises(AssertionError), watched(tmp_path):
        pickle.loads(content)
    torch_class = b"\x80\x02" + payloads(tmp_path)["state of a class of torch"] + b"."
    with pytest.raises(AssertionError, match="find_class"), watched(tmp_path), contextlib.suppress(Exception):
        pickle.loads(torch_class)
