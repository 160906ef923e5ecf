"""A file or folder is whole under its name, or not there; JSON is JSON; a lock is held once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import timesenclip
from timesenclip.files import (
    TEMPORARY_SUFFIX,
    atomic_file,
    file_lock,
    json_text,
    remove_temporary_files,
    temporary_path,
    write_json,
    write_text,
)


def strict(text: str) -> Any:
    """What a parser reads that knows no NaN, as RFC 8259 does not."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_has_null_for_what_is_not_finite(tmp_path: Path) -> None:
    content = {
        "nan": float("nan"),
        1: (np.float32("inf"), np.int16(3)),
        "array": np.array([1.0, -np.inf]),
        "path": Path("a"),
        "day": np.datetime64("2021-03-04"),
        "é": [None, True, "text"],
    }
    text = write_json(tmp_path / "new" / "a.json", content).read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "é" in text
    assert strict(text) == {
        "nan": None,
        "1": [None, 3],
        "array": [1.0, None],
        "path": "a",
        "day": "2021-03-04",
        "é": [None, True, "text"],
    }


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_that_cannot_be_finished_leaves_the_one_before(tmp_path: Path, shared: bool) -> None:
    target = write_text(tmp_path / "a.txt", "old\n")

    def half() -> None:
        with atomic_file(target, shared=shared) as file:
            file.write(b"new")
            temporary = [path for path in tmp_path.iterdir() if path != target]
            assert [path.name.startswith(".a.txt.") for path in temporary] == [True]
            assert temporary[0].name.endswith(TEMPORARY_SUFFIX)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert target.read_bytes() == b"old\n"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_is_replaced_or_removed(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    temporary_path(target).write_text("torn")
    write_text(target, "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    temporary_path(target, shared=True).write_text("torn")
    assert len(list(tmp_path.iterdir())) == 2
    remove_temporary_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_killed_process_left_beside_a_shared_file_goes_a_minute_later(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    old, new = temporary_path(target, shared=True), temporary_path(target, shared=True)
    other = temporary_path(tmp_path / "a.txt.b", shared=True)
    for file in (old, new, other):
        file.write_text("torn")
        if file != new:
            os.utime(file, (0, 0))
    write_text(target, "whole", shared=True)
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", new.name, other.name}


def test_writers_of_a_shared_file_do_not_meet(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a", shared=True) as one, atomic_file(tmp_path / "a", shared=True) as other:
        one.write(b"one")
        other.write(b"other")
    assert (tmp_path / "a").read_bytes() == b"one"  # the last to be finished
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


HOLD = """
import sys
from pathlib import Path
from timesenclip.files import file_lock
with file_lock(Path(sys.argv[1])) as free:
    print(free, flush=True)
    sys.stdin.readline()
"""


def test_a_lock_is_held_by_one_process_and_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with file_lock(path) as free:
            assert not free
        holder.kill()
    with file_lock(path) as free:
        assert free
        with file_lock(path) as again:
            assert not again
    assert not path.exists()


def test_nothing_needs_fcntl_which_windows_lacks() -> None:
    modules = "timesenclip.files, timesenclip.manifest, timesenclip.train.state"
    code = f"import sys; sys.modules['fcntl'] = None; import {modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_these_modules_name_temporary_files_and_locks() -> None:
    package = Path(timesenclip.__file__).parent
    own = [package / "files.py", package / "owned.py"]
    pattern = re.compile(r"\bfcntl\b|os\.replace\(|\bmkdtemp\b|\.part\b[\"']|\.tmp\b[\"']")
    assert pattern.search("tempfile.mkdtemp(dir=folder)")
    others = [path for path in package.rglob("*.py") if path not in own]
    found = [path.name for path in others if pattern.search(path.read_text(encoding="utf-8"))]
    assert not found


def test_credentials_are_written_into_no_record_and_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "CANARY/1")
    inner = {"a": ("key CANARY/1", 1.5), "path": Path("CANARY/1")}
    for file in (
        write_json(tmp_path / "a.json", {"https://h/x?sig=CANARY": ["https://u:CANARY@h/x", inner]}),
        write_text(tmp_path / "a.html", "<a href='https://h/x?token=CANARY'>CANARY/1</a>"),
    ):
        assert "CANARY" not in file.read_text()
    assert json.loads(json_text({"a": "https://h/x"})) == {"a": "https://h/x"}
