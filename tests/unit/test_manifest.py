from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.manifest import Manifest, read_manifest

JOB = {"year": 2018, "shape": (3, 4)}


def test_what_was_done_is_known_to_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "new" / "job.jsonl"
    with Manifest(path, "embed", JOB) as manifest:
        assert manifest.done == {}
        manifest.add("a", {"pixels": 12})
        manifest.add("b")
        manifest.fail("b", OSError("no space left"))
        manifest.add("c")
    with Manifest(path, "embed", JOB) as manifest:
        assert manifest.done == {"a": {"pixels": 12}, "c": {}}
    kinds = [(entry.kind, entry.key) for entry in read_manifest(path)]
    assert kinds == [("job", "embed"), ("done", "a"), ("done", "b"), ("failed", "b"), ("done", "c")]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_cut_off_and_the_next_one_stands_alone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "job.jsonl"
    with Manifest(path, "embed", JOB) as manifest:
        manifest.add("a")
        manifest.add("b")
    path.write_bytes(path.read_bytes()[:-cut])
    assert [entry.key for entry in read_manifest(path)] == ["embed", "a"]
    with Manifest(path, "embed", JOB) as manifest:
        assert set(manifest.done) == {"a"}
        manifest.add("c")
    assert [entry.key for entry in read_manifest(path)] == ["embed", "a", "c"]


def test_a_manifest_torn_in_its_first_line_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    path.write_text('{"kind": "jo')
    with Manifest(path, "embed", JOB) as manifest:
        manifest.add("a")
    assert [entry.key for entry in read_manifest(path)] == ["embed", "a"]


def test_another_job_is_refused_and_says_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    Manifest(path, "embed", JOB).close()
    with pytest.raises(InputError, match="year 2018, this one has 2019"):
        Manifest(path, "embed", JOB | {"year": 2019})
    with pytest.raises(InputError, match="job 'embed', this one is 'train'"):
        Manifest(path, "train", JOB)
    with Manifest(path, "embed", {"year": 2019}, fresh=True) as manifest:
        assert manifest.done == {}


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    with Manifest(path, "embed", JOB) as manifest:
        manifest.add("a")
        with pytest.raises(InputError, match="Another process is writing"):
            Manifest(path, "embed", JOB, fresh=True)
    assert len(read_manifest(path)) == 2  # the second did not forget what the first had done


def test_a_file_that_is_no_manifest_is_named(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    path.write_text("hello\n")
    with pytest.raises(InputError, match=r"job.jsonl, line 1"):
        Manifest(path, "embed", JOB)
    path.write_text('{"kind": "done", "key": "a"}\n')
    with pytest.raises(InputError, match="names no job"):
        read_manifest(path)
    with pytest.raises(DataNotFoundError, match="No manifest"):
        read_manifest(tmp_path / "none.jsonl")


HOLD = """
import sys
import subprocess
import sys
from pathlib import Path
from timesenclip.manifest import Manifest
with Manifest(Path(sys.argv[1]), "embed", {}) as manifest:
    print("begun", flush=True)
    sys.stdin.readline()
"""


def test_the_manifest_of_another_process_is_refused_until_that_process_ends(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        with pytest.raises(InputError, match="Another process is writing"):
            Manifest(path, "embed", {})
        writer.kill()
    Manifest(path, "embed", {}).close()
    assert [file.name for file in tmp_path.iterdir()] == ["job.jsonl"]


def test_a_job_that_is_not_finite_is_the_same_job_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    for _ in range(2):
        with Manifest(path, "embed", {"threshold": float("nan")}) as manifest:
            manifest.add("a", {"seconds": float("inf")})
            assert manifest.done == {"a": {"seconds": None}}


def test_a_job_is_continued_with_another_token_and_none_is_written(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with Manifest(path, "map", {"source": "https://u:CANARY1@h/x?token=CANARY1"}) as manifest:
        manifest.add("a", {"source": "https://h/x?sig=CANARY1"})
        manifest.fail("b", OSError("https://h/y?sig=CANARY1"))
    with Manifest(path, "map", {"source": "https://u:CANARY2@h/x?token=CANARY2"}) as manifest:
        assert set(manifest.done) == {"a"}
    assert "CANARY" not in path.read_text()


def test_a_file_of_one_endless_line_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with path.open("wb") as file:
        file.truncate(3 << 30)  # a sparse file
    for begin in (read_manifest, lambda place: Manifest(place, "map", {})):
        with pytest.raises(InputError, match="line 1: longer than 4 MB"):
            begin(path)
    assert path.stat().st_size == 3 << 30
