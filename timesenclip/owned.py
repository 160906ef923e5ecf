"""Which files and folders are ours: what an output may replace, and what must be left alone.

A folder that we wrote carries the file `.timesenclip.json`, which lists the files that are ours, by kind of output:

    {"timesenclip": "1.0", "outputs": {"map": ["classes.tif", "provenance.json"]}}

Three rules hold for every command that writes:

- A folder that is replaced as a whole (a checkpoint, a head, an imported tower) is replaced only if it is absent or
  empty, or if it is of the same kind and holds no file but ours: `atomic_folder`.
- Where files are added to a folder (maps, reports, runs), each of them is either absent or ours: `claimed`.
- A single file is replaced only if its content shows that we wrote it: `require_own_file`.

`overwrite` means another kind of ours, too; never what is not ours. Outputs of versions that wrote no such file are
known by a JSON file of theirs (`_SIGNS`). Zarr stores are known by their attributes, because Zarr warns of any file
that it does not know.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from timesenclip._version import __version__
from timesenclip.errors import InputError
from timesenclip.files import file_lock, sync_file, temporary_path, write_json

__all__ = [
    "MARK",
    "atomic_folder",
    "claimed",
    "remove_known",
    "require_own_file",
    "require_own_names",
    "require_replaceable",
]

MARK = ".timesenclip.json"
"""Name of the file that lists what is ours in a folder."""
_LOCK = ".timesenclip.lock"
_MOST_BYTES = 16_000_000
"""A larger JSON file is not read to find out whose it is."""

_SIGNS: dict[str, tuple[str, frozenset[str]]] = {
    "map": ("provenance.json", frozenset({"timesenclip", "areas", "checkpoint", "prompts"})),
    "change map": ("change.json", frozenset({"before", "after", "checkpoint", "threshold", "compared"})),
    "suite report": ("report.json", frozenset({"title", "about", "data", "methods"})),
    "paper report": ("report.json", frozenset({"tasks", "skipped"})),
    "comparison": ("compare.json", frozenset({"a", "b", "rows", "same_answer"})),
    "scenicness report": ("scenic.json", frozenset({"contrast", "prompts"})),
    "sweep": ("sweep.json", frozenset({"config", "entries", "cells"})),
    "training run": ("run.json", frozenset({"timesenclip", "digest", "steps", "computed_in"})),
    "checkpoint": ("config.json", frozenset({"format_version", "encoder", "tower", "calibration"})),
    "head": ("head.json", frozenset({"format_version", "checkpoint", "temperature", "taxonomy", "about"})),
}
"""By kind: a JSON file that all versions wrote, and keys that it has at least."""

_WHOLE: dict[str, frozenset[str]] = {
    "checkpoint": frozenset({"config.json", "model.safetensors"}),
    "head": frozenset({"head.json", "head.safetensors"}),
}
"""Files of folders without a mark; a README.md may be its owner's own, and counts only if it is a card of ours."""

_TOWER = frozenset(
    {
        *("config.json", "model.safetensors", "preprocessor_config.json", "README.md", "tokenizer.json"),
        *("tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "added_tokens.json"),
    }
)
"""Files of an imported tower without a mark; its card is what it is known by."""

_CARDS = ("library_name: timesenclip", "by `timesenclip import official`")
"""Texts of the model cards that we write."""


def require_own_names(folder: str | Path, kind: str, names: Iterable[str]) -> None:
    """Check that files can be written into a folder without replacing a file that is not ours.

    Args:
        folder: the folder; it need not exist.
        kind: kind of output, such as `map`.
        names: what will be written, relative to the folder, with `/` between parts.

    Raises:
        InputError: a name is taken by something that is not ours, or the folder cannot be one.
    """
    root = Path(folder)
    _require_folder(root)
    ours, older = _all_names(_marked(root)), _has_sign(root, kind)
    for name in sorted(names):
        path = root / name
        for parent in reversed(path.relative_to(root).parents[:-1]):
            if (root / parent).is_symlink() or ((root / parent).exists() and not (root / parent).is_dir()):
                raise InputError(f"'{root / parent}' is no folder of ours; move it, or give another output.")
        if not os.path.lexists(path):
            continue
        if path.is_dir() and not path.is_symlink():
            raise InputError(f"'{path}' is a folder, and a file of this name is to be written; give another output.")
        if name not in ours and not older:
            raise InputError(
                f"'{path}' was not written by timesenclip, and would be replaced by a {kind}; move it, or give another "
                "output."
            )


@contextmanager
def claimed(folder: str | Path, kind: str, names: Collection[str], *, exclusive: bool = True) -> Iterator[Path]:
    """Mark files of a folder as ours before they are written there; those that are not written are unmarked at the end.

    Args:
        folder: the folder; it is made, and removed if nothing is in it at the end.
        kind: kind of output.
        names: what may be written, as for `require_own_names`.
        exclusive: refuse a second process that writes into the folder; without it, several may write the same files.

    Yields:
        The folder.

    Raises:
        InputError: as `require_own_names`; or another process is writing there, or nothing can be written there.
    """
    root = Path(folder)
    require_own_names(root, kind, names)
    made = not root.exists()
    try:
        with ExitStack() as stack:
            _begin_claim(root, kind, names, stack if exclusive else None)
            try:
                yield root
            finally:
                if exclusive:
                    with suppress(OSError):  # on a full disk the longer list stays, which does no harm
                        _forget_absent(root)
    finally:
        if made:
            _remove_if_empty(root)


def require_replaceable(target: str | Path, kind: str, *, overwrite: bool = False) -> None:
    """Check that a folder may be replaced as a whole.

    Args:
        target: the folder; it need not exist. Of a link, the folder it leads to is meant.
        kind: kind of output that would take its place.
        overwrite: an output of ours of another kind may be replaced, too.

    Raises:
        InputError: it holds something that is not ours, or an output of another kind.
    """
    root = Path(target)
    _require_folder(root)
    if not root.exists():
        return
    entries = _entries(root)
    if not entries:
        return
    outputs = _outputs(root)
    if not outputs:
        raise InputError(
            f"'{root}' exists, is not empty, and was not written by timesenclip as a {kind} (it holds "
            f"'{_first(entries)}'); give another output."
        )
    foreign = entries - _all_names(outputs) - {MARK}
    if foreign:
        raise InputError(
            f"'{root}' holds '{_first(foreign)}', which timesenclip did not write, and would be replaced as a whole; "
            "move that file, or give another output."
        )
    others = sorted(outputs.keys() - {kind})
    if others and not overwrite:
        raise InputError(
            f"'{root}' is a {others[0]}, and a {kind} would replace it; give another output, or --overwrite."
        )


@contextmanager
def atomic_folder(target: Path, kind: str, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder to write files into; without an error it takes the name `target`, an older one is replaced.

    Args:
        target: final name; its parents are made. After an error nothing is left but what stood there before. Of a
            link, the folder it leads to is replaced.
        kind: kind of output; the folder is marked with it.
        overwrite: as for `require_replaceable`.

    Raises:
        InputError: as `require_replaceable`, before the folder is yielded and again before it is replaced; or another
            process is writing it.
    """
    place = target.resolve()
    require_replaceable(target, kind, overwrite=overwrite)
    place.parent.mkdir(parents=True, exist_ok=True)
    stage = temporary_path(place)
    scratch, old = stage / "new", stage / "old"
    with file_lock(place.with_name(f".{place.name}.lock")) as free:
        if not free:
            raise InputError(f"Another process is writing '{target}'; wait for it, or give another output.")
        _clear_stage(stage, place)
        require_replaceable(target, kind, overwrite=overwrite)  # again: an older folder may have come back
        stage.mkdir(mode=0o700)
        try:
            scratch.mkdir()
            yield scratch
            _write_mark(scratch, {kind: _entries(scratch)})
            scratch.chmod(0o755)  # what some libraries write is for its owner alone
            for file in scratch.iterdir():
                file.chmod(0o755 if file.is_dir() else 0o644)
                if file.is_file():
                    sync_file(file)
            _take_place(scratch, place, old, kind, overwrite)
        finally:
            _clear_stage(stage, place)


def require_own_file(
    path: str | Path, is_ours: Callable[[Path], bool], *, what: str, inputs: Iterable[str | Path | None] = ()
) -> None:
    """Check that a file can be written without replacing one that is not ours.

    Args:
        path: the output; it need not exist.
        is_ours: whether we wrote a file, by its content; an error of its library means no.
        what: kind of output in messages, such as `table of predictions`.
        inputs: files that are read; none of them is replaced, whoever wrote it.

    Raises:
        InputError: it exists and is not ours, is a folder, or is an input.
    """
    file = Path(path)
    if file.is_dir():
        raise InputError(f"Output '{file}' is a folder; give the name of a file.")
    if not os.path.lexists(file):
        return
    if not file.exists():
        raise InputError(f"Output '{file}' is a link that leads nowhere; remove it, or give another output.")
    for given in inputs:
        if given is not None and Path(given).exists() and file.samefile(given):
            raise InputError(f"Output '{file}' is also an input; give another output.")
    if not file.is_file() or not is_ours(file):
        raise InputError(
            f"'{file}' was not written by timesenclip, and would be replaced by a {what}; move it, or give another "
            "output."
        )


def remove_known(folder: Path, is_known: Callable[[str], bool]) -> None:
    """Remove a folder of ours with the files in it that we know; if it holds others, they and the folder stay.

    Args:
        folder: the folder; nothing happens if it is absent or a link.
        is_known: whether a file is ours, by its name relative to the folder.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files:
            file = Path(parent, name)
            if is_known(file.relative_to(folder).as_posix()):
                file.unlink(missing_ok=True)
        for name in folders:
            _remove_if_empty(Path(parent, name))
    _remove_if_empty(folder)


def _begin_claim(root: Path, kind: str, names: Collection[str], lock: ExitStack | None) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        if lock is not None and not lock.enter_context(file_lock(root / _LOCK)):
            raise InputError(f"Another process is writing into '{root}'; wait for it, or give another output.")
        require_own_names(root, kind, names)  # again: the other process may have ended in between
        _add_to_mark(root, kind, names)
    except OSError as error:
        raise InputError(
            f"Cannot write into '{root}' ({error.strerror or type(error).__name__}); give another output."
        ) from error


def _require_folder(root: Path) -> None:
    if root.is_symlink() and not root.exists():
        raise InputError(f"'{root}' is a link that leads nowhere; remove it, or give another output.")
    if root.exists() and not root.is_dir():
        raise InputError(f"'{root}' is a file, and a folder is to be written; give another output.")
    above = next((parent for parent in root.parents if os.path.lexists(parent)), None)
    if above is not None and not above.is_dir():
        raise InputError(f"'{above}' is no folder, so '{root}' cannot be written; give another output.")


def _entries(root: Path) -> set[str]:
    """Everything in a folder but folders, relative to it; an empty folder counts as an entry."""
    found = set()
    for parent, folders, files in os.walk(root):
        here = Path(parent).relative_to(root)
        links = {name for name in folders if Path(parent, name).is_symlink()}
        found |= {(here / name).as_posix() for name in {*files, *links}}
        if not files and not folders and here.parts:
            found.add(here.as_posix())
        if len(found) > 1000 and not (root / MARK).is_file():  # no folder of ours: such as a home, or /
            break
    return found


def _first(names: Collection[str]) -> str:
    return min(names, key=lambda name: (name.startswith("."), name))


def _all_names(outputs: Mapping[str, Iterable[str]]) -> set[str]:
    return {name for names in outputs.values() for name in names}


def _outputs(root: Path) -> dict[str, set[str]]:
    """Files of ours by kind: those of the mark, or of a folder that an earlier version wrote."""
    marked = _marked(root)
    if marked:
        return marked
    for kind, names in _WHOLE.items():
        if _has_sign(root, kind):
            card = any(sign in _text(root / "README.md") for sign in _CARDS)
            return {kind: {*names, *(["README.md"] if card else [])}}
    if "by `timesenclip import clip`" in _text(root / "README.md") and (root / "preprocessor_config.json").is_file():
        return {"tower": set(_TOWER)}
    return {}


def _marked(root: Path) -> dict[str, set[str]]:
    content = _json(root / MARK)
    outputs = content.get("outputs") if "timesenclip" in content else None
    if not isinstance(outputs, dict):
        return {}
    return {str(kind): {str(name) for name in names} for kind, names in outputs.items() if isinstance(names, list)}


def _has_sign(root: Path, kind: str) -> bool:
    """Whether a version that wrote no mark made an output of this kind here."""
    if kind not in _SIGNS or kind in _marked(root):
        return False
    name, keys = _SIGNS[kind]
    return keys <= _json(root / name).keys()


def _json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if it is none."""
    try:
        content = json.loads(_text(file) or "{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(file: Path) -> str:
    """The text of a small file; empty if it has none."""
    try:
        small = file.is_file() and file.stat().st_size < _MOST_BYTES
        return file.read_text(encoding="utf-8") if small else ""
    except (OSError, ValueError):
        return ""


def _add_to_mark(root: Path, kind: str, names: Collection[str]) -> None:
    outputs = _marked(root)
    merged = outputs.get(kind, set()) | set(names)
    if merged != outputs.get(kind):
        _write_mark(root, outputs | {kind: merged})


def _forget_absent(root: Path) -> None:
    outputs = _marked(root)
    there = {kind: {name for name in names if os.path.lexists(root / name)} for kind, names in outputs.items()}
    there = {kind: names for kind, names in there.items() if names}
    if not there:
        (root / MARK).unlink(missing_ok=True)
    elif there != outputs:
        _write_mark(root, there)


def _write_mark(root: Path, outputs: Mapping[str, Iterable[str]]) -> None:
    listed = {kind: sorted(names) for kind, names in sorted(outputs.items())}
    write_json(root / MARK, {"timesenclip": __version__, "outputs": listed}, shared=True)


def _take_place(scratch: Path, target: Path, old: Path, kind: str, overwrite: bool) -> None:
    """Give a complete folder its name; an older folder is set aside first, since no system replaces one in a step."""
    if target.exists():
        target.rename(old)
        require_replaceable(old, kind, overwrite=overwrite)
    scratch.rename(target)


def _clear_stage(stage: Path, target: Path) -> None:
    """Remove the folder in which another is made, also that of a killed process.

    An older folder that was set aside in it comes back, unless the new one has taken its place.
    """
    old = stage / "old"
    if not stage.is_symlink() and old.is_dir() and not os.path.lexists(target):
        old.rename(target)
    if stage.is_dir() and not stage.is_symlink():
        shutil.rmtree(stage, ignore_errors=True)
    else:
        stage.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
