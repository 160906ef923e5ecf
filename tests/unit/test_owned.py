"""Only what timesenclip wrote is replaced, and a folder or file of anybody else is refused by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from timesenclip.errors import InputError
from timesenclip.owned import (
    MARK,
    atomic_folder,
    claimed,
    remove_known,
    require_own_file,
    require_own_names,
    require_replaceable,
)


def write(target: Path, kind: str = "checkpoint", name: str = "one", *, overwrite: bool = False) -> None:
    with atomic_folder(target, kind, overwrite=overwrite) as scratch:
        (scratch / name).write_text(name)


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    with atomic_folder(target, "checkpoint") as scratch:
        (scratch / "one").write_text("1")
        assert not target.exists()
    assert names_in(target) == [MARK, "one"]
    assert json.loads((target / MARK).read_text())["outputs"] == {"checkpoint": ["one"]}
    with atomic_folder(target, "checkpoint") as scratch:
        (scratch / "two").write_text("2")
        assert (target / "one").is_file()
    assert names_in(target) == [MARK, "two"]
    assert names_in(target.parent) == ["b"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "b"

    def half() -> None:
        with atomic_folder(target, "checkpoint") as scratch:
            (scratch / "two").write_text("1")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        half()
    assert not list(tmp_path.iterdir())
    write(target)
    with pytest.raises(ValueError, match="half way"):
        half()
    assert names_in(tmp_path) == ["b"]
    assert names_in(target) == [MARK, "one"]


KILLED = """
import os, sys
from pathlib import Path
from timesenclip.owned import atomic_folder
moment, rename = sys.argv[2], Path.rename
def dies(self, target):
    if moment == "before" or Path(target).name == "b":
        os._exit(9)
    return rename(self, target)
Path.rename = dies
with atomic_folder(Path(sys.argv[1]), "checkpoint") as scratch:
    (scratch / "two").touch()
    if moment == "while":
        os._exit(9)
"""


@pytest.mark.parametrize("moment", ["while", "before", "between"])
def test_what_a_killed_process_left_is_removed_by_the_next_run(moment: str, tmp_path: Path) -> None:
    target = tmp_path / "b"
    write(target)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(target), moment], check=False)
    assert killed.returncode == 9
    assert target.exists() == (moment != "between")  # in between, the old folder has no name
    with pytest.raises(ValueError, match="no"), atomic_folder(target, "checkpoint"):
        raise ValueError("no")
    assert names_in(target) == [MARK, "one"]
    assert names_in(tmp_path) == ["b"]
    write(target, name="three")
    assert names_in(target) == [MARK, "three"]
    assert names_in(tmp_path) == ["b"]


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    with (
        atomic_folder(tmp_path / "b", "checkpoint"),
        pytest.raises(InputError, match="Another process is writing"),
        atomic_folder(tmp_path / "b", "checkpoint"),
    ):
        pass
    assert names_in(tmp_path) == ["b"]


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=r"not written by timesenclip as a checkpoint \(it holds 'thesis.tex'\)"):
        write(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


@pytest.mark.parametrize("place", ["notes.txt", "sub/notes.txt", ".hidden", "empty/"])
def test_what_a_user_put_into_a_folder_of_ours_keeps_it(place: str, tmp_path: Path) -> None:
    target = tmp_path / "a"
    write(target)
    if place.endswith("/"):
        (target / place).mkdir()
    else:
        (target / place).parent.mkdir(exist_ok=True)
        (target / place).write_text("mine")
    with pytest.raises(InputError, match=place.strip("/")):
        write(target, overwrite=True)
    assert (target / place).exists()
    assert (target / "one").is_file()


def test_a_file_that_appears_while_the_new_folder_is_written_keeps_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a"
    write(target)

    def intrude() -> None:
        with atomic_folder(target, "checkpoint") as scratch:
            (scratch / "two").touch()
            (target / "notes.txt").write_text("mine")

    with pytest.raises(InputError, match=r"notes\.txt"):
        intrude()
    assert names_in(target) == [MARK, "notes.txt", "one"]
    assert names_in(tmp_path) == ["a"]


def test_another_kind_of_ours_needs_overwrite(tmp_path: Path) -> None:
    target = tmp_path / "a"
    write(target, "head")
    with pytest.raises(InputError, match=r"is a head, and a checkpoint would replace it; .* or --overwrite"):
        write(target, "checkpoint")
    write(target, "checkpoint", "two", overwrite=True)
    assert names_in(target) == [MARK, "two"]


def test_a_link_is_judged_by_what_it_leads_to(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    (real / "thesis.tex").write_text("precious")
    link.symlink_to(real)
    with pytest.raises(InputError, match=r"thesis\.tex"):
        write(link, overwrite=True)
    (real / "thesis.tex").unlink()
    write(link)
    assert link.is_symlink()
    assert names_in(real) == [MARK, "one"]
    gone = tmp_path / "gone"
    gone.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="leads nowhere"):
        write(gone)
    (real / "weights").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="weights"):
        write(real)


@pytest.mark.parametrize("place", ["/", "~", "."])
def test_roots_homes_and_the_working_folder_are_not_replaced(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match="was not written by timesenclip"):
        write(Path(place).expanduser(), overwrite=True)
    assert names_in(tmp_path) == ["thesis.tex"]


def test_older_checkpoints_and_heads_are_known_by_their_content(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.mkdir()
    config = {"format_version": 1, "encoder": {}, "tower": {}, "calibration": {}}
    (target / "config.json").write_text(json.dumps(config))
    (target / "model.safetensors").touch()
    require_replaceable(target, "checkpoint")
    (target / "README.md").write_text("my own words")
    with pytest.raises(InputError, match=r"README\.md"):
        require_replaceable(target, "checkpoint")
    (target / "README.md").write_text("---\nlibrary_name: timesenclip\n---\n")
    require_replaceable(target, "checkpoint")
    (target / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(InputError, match="not written by timesenclip"):
        require_replaceable(target, "checkpoint")


def test_added_files_are_ours_from_their_claim_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "out").mkdir()
    (out / "notes.txt").write_text("mine")
    with claimed(out, "map", ["a.tif", "b.tif"]) as folder:
        (folder / "a.tif").touch()
    assert json.loads((out / MARK).read_text())["outputs"] == {"map": ["a.tif"]}
    require_own_names(out, "map", ["a.tif", "b.tif"])
    (out / "b.tif").write_text("mine")
    with (
        pytest.raises(InputError, match=r"b\.tif' was not written by timesenclip"),
        claimed(out, "map", ["a.tif", "b.tif"]),
    ):
        pass
    assert names_in(out) == [MARK, "a.tif", "b.tif", "notes.txt"]


def test_a_claim_that_fails_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="half way"), claimed(out, "map", ["a.tif"]):
        raise ValueError("half way")
    assert not out.exists()


def test_a_folder_is_written_by_one_process_at_a_time(tmp_path: Path) -> None:
    with claimed(tmp_path, "map", ["a.tif"]):
        with pytest.raises(InputError, match="Another process is writing into"), claimed(tmp_path, "map", ["a.tif"]):
            pass
        with claimed(tmp_path, "sweep", ["b.csv"], exclusive=False):
            (tmp_path / "b.csv").touch()
    assert json.loads((tmp_path / MARK).read_text())["outputs"] == {"sweep": ["b.csv"]}


def test_outputs_of_older_versions_are_known_by_a_file_of_theirs(tmp_path: Path) -> None:
    (tmp_path / "classes.tif").touch()
    with pytest.raises(InputError, match=r"classes\.tif"):
        require_own_names(tmp_path, "map", ["classes.tif"])
    about = {"timesenclip": "0.9", "areas": [], "checkpoint": {}, "prompts": {}}
    (tmp_path / "provenance.json").write_text(json.dumps(about))
    require_own_names(tmp_path, "map", ["classes.tif", "provenance.json"])
    with pytest.raises(InputError, match=r"classes\.tif"):
        require_own_names(tmp_path, "change map", ["classes.tif"])


@pytest.mark.parametrize("mark", ["", "no JSON", "[]", "{}", '{"outputs": {"map": ["a"]}}', '{"timesenclip": 1}'])
def test_a_broken_mark_makes_nothing_ours(mark: str, tmp_path: Path) -> None:
    (tmp_path / MARK).write_text(mark)
    (tmp_path / "a").write_text("mine")
    with pytest.raises(InputError, match="'a'"):
        require_replaceable(tmp_path, "map", overwrite=True)
    with pytest.raises(InputError, match="was not written by timesenclip"):
        require_own_names(tmp_path, "map", ["a"])


def test_a_single_file_is_replaced_only_if_it_is_ours(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    require_own_file(file, lambda _: False, what="table")
    file.write_text("mine")
    require_own_file(file, lambda _: True, what="table")
    with pytest.raises(InputError, match=r"a\.csv' was not written by timesenclip, and would be replaced by a table"):
        require_own_file(file, lambda _: False, what="table")
    os.link(file, tmp_path / "input.csv")
    with pytest.raises(InputError, match="is also an input"):
        require_own_file(file, lambda _: True, what="table", inputs=[None, tmp_path / "input.csv"])
    with pytest.raises(InputError, match="is a folder"):
        require_own_file(tmp_path, lambda _: True, what="table")


def test_only_known_files_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    (folder / "sub").mkdir(parents=True)
    for name in ("1.npz", "sub/2.npz", "notes.txt"):
        (folder / name).touch()
    remove_known(folder, lambda name: name.endswith(".npz"))
    assert names_in(folder) == ["notes.txt"]
    (folder / "notes.txt").unlink()
    link = tmp_path / "link"
    link.symlink_to(folder)
    remove_known(link, lambda _: True)
    assert folder.is_dir()
    remove_known(folder, lambda _: True)
    assert not folder.exists()


def test_a_folder_below_a_file_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file' is no folder, so '.*/out' cannot be written"):
        require_own_names(tmp_path / "file" / "a" / "out", "map", ["classes.tif"])
