"""An append-only record of a long job: what it is, and which of its pieces are done. A second run reads it and goes on.

One JSON object a line; the first says which job this is. A line is written whole and brought to the disk before the
next piece begins. What a killed process left of a last line is cut off when the file is opened again, so a piece is
recorded completely or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.files import file_lock, plain

__all__ = ["Entry", "Manifest", "read_manifest"]

FORMAT_VERSION = 1


class Entry(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["job", "done", "failed"]
    """`job` is the first line."""
    key: str
    """Name of the piece; for the job, of the kind of job."""
    facts: dict[str, Any] = {}
    """What is worth knowing: times, sizes, provenance, the error of a failed piece."""


class Manifest:
    """A manifest open for writing; one process at a time."""

    def __init__(self, path: Path, kind: str, job: Mapping[str, Any], *, fresh: bool = False) -> None:
        """Open or begin a manifest.

        Args:
            path: the file; its folder is made.
            kind: kind of job, such as `embed-area`.
            job: what identifies the job; one that is there already must be the same.
            fresh: forget what is there.

        Raises:
            InputError: the file is of another job, another process is writing it, or it is no manifest.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open = ExitStack()
        self._file: BinaryIO = self._open.enter_context(path.open("a+b"))
        try:
            if not self._open.enter_context(file_lock(path.with_name(f".{path.name}.lock"))):
                raise InputError(f"Another process is writing '{path}'; wait for it, or give another output.")
            if fresh:
                self._file.truncate(0)
            entries = _parse(path, _cut_torn_line(self._file))
            mine = {"format_version": FORMAT_VERSION, **plain(job)}
            if not entries:
                self._append(Entry(kind="job", key=kind, facts=mine))
            else:
                _check_same(path, entries[0], kind, mine)
        except BaseException:
            self.close()
            raise
        self.done: dict[str, dict[str, Any]] = _done(entries)
        """Facts of every finished piece."""

    def add(self, key: str, facts: Mapping[str, Any] | None = None) -> None:
        """Record that a piece is done; its files must stand under their final names already."""
        kept: dict[str, Any] = plain(facts or {})
        self._append(Entry(kind="done", key=key, facts=kept))
        self.done[key] = kept

    def fail(self, key: str, error: BaseException) -> None:
        """Record that a piece failed; a later run tries it again."""
        self._append(Entry(kind="failed", key=key, facts={"error": f"{type(error).__name__}: {error}"}))
        self.done.pop(key, None)

    def close(self) -> None:
        """Close the file, which another process may then open."""
        self._open.close()

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, entry: Entry) -> None:
        self._file.write(entry.model_dump_json().encode("utf-8") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def read_manifest(path: Path) -> list[Entry]:
    """The entries of a manifest, the job first; a torn last line is left out, and nothing is changed.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is no manifest.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataNotFoundError(f"No manifest '{path}'; give the one beside the store.") from error
    return _parse(path, content[: content.rfind(b"\n") + 1])


def _done(entries: list[Entry]) -> dict[str, dict[str, Any]]:
    done: dict[str, dict[str, Any]] = {}
    for entry in entries[1:]:
        if entry.kind == "done":
            done[entry.key] = entry.facts
        else:
            done.pop(entry.key, None)
    return done


def _cut_torn_line(file: BinaryIO) -> bytes:
    file.seek(0)
    content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        file.truncate(len(whole))
    return whole


def _parse(path: Path, content: bytes) -> list[Entry]:
    entries = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            entries.append(Entry.model_validate_json(line))
        except ValidationError as error:
            raise InputError(
                f"{path}, line {number}: not an entry of a manifest ({error.errors()[0]['msg']}); remove the file to "
                "begin again."
            ) from error
    if entries and entries[0].kind != "job":
        raise InputError(f"{path}: its first line names no job; remove the file to begin again.")
    return entries


def _check_same(path: Path, first: Entry, kind: str, mine: Mapping[str, Any]) -> None:
    if first.key != kind:
        raise InputError(f"{path} records the job '{first.key}', this one is '{kind}'; give another output.")
    for key in [*mine, *(key for key in first.facts if key not in mine)]:
        if first.facts.get(key) != mine.get(key):
            raise InputError(
                f"{path} records a job with {key} {first.facts.get(key)!r}, this one has {mine.get(key)!r}; give "
                "another output, or remove the old one."
            )
