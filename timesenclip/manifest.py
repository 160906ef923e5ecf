"""An append-only record of a long job and its finished pieces, from which a second run continues.

The file holds one JSON object a line; the first line describes the job. A line is flushed to the disk before the next
piece begins. An incomplete last line, left by a killed process, is cut off when the file is opened again, so that a
piece is recorded completely or not at all.
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
from timesenclip.files import file_lock, naming, plain

__all__ = ["Manifest", "ManifestEntry", "is_manifest", "read_manifest"]

FORMAT_VERSION = 1
_LONGEST_LINE = 4_000_000
"""Bytes of the longest line that is read: a file of another kind may be a single line of gigabytes."""


class ManifestEntry(BaseModel):
    """One line of a manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["job", "done", "failed"]
    """`job` is the first line."""
    key: str
    """Name of the piece; in the first line, the kind of job."""
    facts: dict[str, Any] = {}
    """Times, sizes, provenance, or the error of a failed piece."""


class Manifest:
    """A manifest open for writing; one process at a time."""

    def __init__(
        self, path: Path, kind: str, job: Mapping[str, Any], *, fresh: bool = False, restart: bool = False
    ) -> None:
        """Open or begin a manifest.

        Args:
            path: the file; its folder is created.
            kind: kind of job, such as `embed-area`.
            job: what identifies the job; a manifest that exists must be of the same one.
            fresh: discard the content of an existing manifest.
            restart: discard it if it is of another job of the same kind.

        Raises:
            InputError: the file is of another job, is being written by another process, or is not a manifest.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open = ExitStack()
        # Without a buffer: what a full disk refused would be written again, and refused again, when the file is closed.
        self._file = self._open.enter_context(path.open("a+b", buffering=0))
        try:
            if not self._open.enter_context(file_lock(path.with_name(f".{path.name}.lock"))):
                raise InputError(f"Another process is writing '{path}'; wait for it, or give another output.")
            if fresh:
                self._file.truncate(0)
            with path.open("rb") as reader:  # with a buffer, which reads lines many times faster
                entries, size = _parse(path, reader)
            self._file.truncate(size)  # without an incomplete last line
            mine = {"format_version": FORMAT_VERSION, **plain(job)}
            if restart and entries and entries[0].key == kind and entries[0].facts != mine:
                self._file.truncate(0)
                entries = []
            if not entries:
                self._append(ManifestEntry(kind="job", key=kind, facts=mine))
            else:
                _check_same(path, entries[0], kind, mine)
        except BaseException:
            self.close()
            raise
        self.done: dict[str, dict[str, Any]] = _done(entries)
        """Facts of every finished piece."""

    def add(self, key: str, facts: Mapping[str, Any] | None = None) -> None:
        """Record that a piece is done; its files must have their final names already."""
        kept: dict[str, Any] = plain(facts or {})
        self._append(ManifestEntry(kind="done", key=key, facts=kept))
        self.done[key] = kept

    def fail(self, key: str, error: BaseException) -> None:
        """Record that a piece failed; a later run tries it again."""
        self._append(ManifestEntry(kind="failed", key=key, facts=plain({"error": f"{type(error).__name__}: {error}"})))
        self.done.pop(key, None)

    def close(self) -> None:
        """Close the file and release its lock."""
        self._open.close()

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, entry: ManifestEntry) -> None:
        line = memoryview(entry.model_dump_json().encode("utf-8") + b"\n")
        with naming(self.path):
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())


def read_manifest(path: Path) -> list[ManifestEntry]:
    """The entries of a manifest, the job first; an incomplete last line is left out, and the file is not changed.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is not a manifest.
    """
    try:
        with path.open("rb") as file:
            return _parse(path, file)[0]
    except FileNotFoundError as error:
        raise DataNotFoundError(f"No manifest '{path}'; give the one beside the store.") from error


def is_manifest(path: Path, kind: str, **facts: Any) -> bool:
    """Whether a file is a manifest of a kind of job, with some facts of the job, by its first line."""
    try:
        with path.open("rb") as file:
            first = ManifestEntry.model_validate_json(file.readline(_LONGEST_LINE))
    except (OSError, ValidationError):
        return False
    return (first.kind, first.key) == ("job", kind) and facts.items() <= first.facts.items()


def _done(entries: list[ManifestEntry]) -> dict[str, dict[str, Any]]:
    done: dict[str, dict[str, Any]] = {}
    for entry in entries[1:]:
        if entry.kind == "done":
            done[entry.key] = entry.facts
        else:
            done.pop(entry.key, None)
    return done


def _parse(path: Path, file: BinaryIO) -> tuple[list[ManifestEntry], int]:
    """The entries, and the number of bytes that they take; an incomplete last line is left out.

    Raises:
        InputError: a line is no entry, or too long for one.
    """
    entries: list[ManifestEntry] = []
    size = 0
    while line := file.readline(_LONGEST_LINE):
        if not line.endswith(b"\n"):
            if len(line) < _LONGEST_LINE:
                break
            raise InputError(
                f"{path}, line {len(entries) + 1}: longer than {_LONGEST_LINE / 1e6:g} MB, so it is no entry of a "
                "manifest; give another output."
            )
        try:
            entries.append(ManifestEntry.model_validate_json(line))
        except ValidationError as error:
            raise InputError(
                f"{path}, line {len(entries) + 1}: not an entry of a manifest ({error.errors()[0]['msg']}); remove the "
                "file to begin again."
            ) from error
        size += len(line)
    if entries and entries[0].kind != "job":
        raise InputError(f"{path}: its first line names no job; remove the file to begin again.")
    return entries, size


def _check_same(path: Path, first: ManifestEntry, kind: str, mine: Mapping[str, Any]) -> None:
    if first.key != kind:
        raise InputError(f"{path} records the job '{first.key}', this one is '{kind}'; give another output.")
    for key in [*mine, *(key for key in first.facts if key not in mine)]:
        if first.facts.get(key) != mine.get(key):
            raise InputError(
                f"{path} records a job with {key} {first.facts.get(key)!r}, this one has {mine.get(key)!r}; give "
                "another output, or remove the old one."
            )
