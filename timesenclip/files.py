"""Files and folders that appear under their name when they are complete, and the one form in which JSON is written.

The functions here write under a temporary name beside the target (`.NAME.timesenclip-part`), sync it and
rename it. A killed process can leave such a file behind; the next write to the same target replaces it. Targets that
several processes may write at once (`shared`) have unique temporary names; those that are left behind are removed by a
write that comes a minute later. A job that can be resumed keeps its finished parts elsewhere, in a folder that it names
itself (`STORE.partial`, `.map.partial`).
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from timesenclip.credentials import redact, secret_values
from timesenclip.errors import InputError

__all__ = [
    "TEMPORARY_SUFFIX",
    "atomic_file",
    "atomic_path",
    "file_lock",
    "json_text",
    "naming",
    "plain",
    "publish",
    "remove_temporary_files",
    "require_regular_file",
    "sync_file",
    "temporary_path",
    "write_bytes",
    "write_json",
    "write_text",
]

TEMPORARY_SUFFIX = ".timesenclip-part"
"""How the name of every temporary file and folder of ours ends; it begins with a dot."""
_LEFT_S = 60.0
"""A temporary file that `write_bytes` has not touched for this long was left by a killed process: it writes at once."""


def temporary_path(target: Path, *, shared: bool = False) -> Path:
    """The name under which `target` is written before it is renamed, in the same folder.

    Args:
        target: final name.
        shared: other processes may write the same target at the same time; the name is then unique to this call.
    """
    own = f".{uuid4().hex[:12]}" if shared else ""
    return target.with_name(f".{target.name}{own}{TEMPORARY_SUFFIX}")


def remove_temporary_files(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder in which nobody writes at the moment."""
    for file in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        file.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name a file in errors of the system that name none, as those of writing to a full disk."""
    try:
        yield
    except OSError as error:
        if type(error) is OSError and error.errno is not None and error.strerror and error.filename is None:
            error.filename = str(path)
        raise


def _remove_left(target: Path) -> None:
    """Remove the unique temporary files that killed processes left beside a target."""
    own = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}{re.escape(TEMPORARY_SUFFIX)}")
    with suppress(OSError):  # no such folder yet, or another process removes them, too
        for name in filter(own.fullmatch, os.listdir(target.parent)):
            file = target.with_name(name)
            if time.time() - file.stat().st_mtime > _LEFT_S:
                file.unlink(missing_ok=True)


def publish(scratch: Path, target: Path) -> None:
    """Bring a complete temporary file to the disk and give it its final name, in place of an older file."""
    sync_file(scratch)
    scratch.replace(target)


@contextmanager
def atomic_path(target: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary path for a library to write to; without an error the file is flushed to disk and renamed.

    Args:
        target: final name; its parents are made. After an error nothing is left but what stood there before.
        shared: as for `temporary_path`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = temporary_path(target, shared=shared)
    try:
        with naming(target):
            yield scratch
            publish(scratch, target)
    except BaseException:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_file(target: Path, *, shared: bool = False) -> Iterator[BinaryIO]:
    """Yield a binary file that takes the name `target` when it is complete; arguments as `atomic_path`."""
    with atomic_path(target, shared=shared) as scratch, scratch.open("wb") as file:
        yield file


def write_bytes(path: Path, content: bytes, *, shared: bool = False) -> Path:
    """Write a file; arguments as `atomic_path`. Returns its path."""
    if shared:
        _remove_left(path)
    with atomic_file(path, shared=shared) as file:
        file.write(content)
    return path


def write_text(path: Path, text: str, *, shared: bool = False) -> Path:
    """Write text without credentials, as UTF-8 with its line ends; arguments as `atomic_path`. Returns its path."""
    return write_bytes(path, redact(text).encode("utf-8"), shared=shared)


def write_json(path: Path, content: Any, *, shared: bool = False) -> Path:
    """Write `plain(content)` as indented JSON with a final line feed; arguments as `atomic_path`. Returns its path."""
    return write_text(path, json_text(content, indent=2) + "\n", shared=shared)


def json_text(content: Any, *, indent: int | None = None) -> str:
    """`plain(content)` as JSON text that every parser accepts: NaN and infinities are null."""
    return json.dumps(plain(content), indent=indent, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """The value in JSON's types, without credentials.

    NumPy values become numbers and lists, NaN and infinities null, the rest text. Every record that is written goes
    through here, so that two runs with different tokens write the same and the second continues the first.
    """
    return _plain(value, secret_values())


def _plain(value: Any, secrets: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {redact(str(key), secrets=secrets): _plain(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item, secrets) for item in value]
    if hasattr(value, "tolist"):  # a NumPy scalar or array; NumPy itself would make `--help` slow
        return _plain(value.tolist(), secrets)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | None) else redact(str(value), secrets=secrets)


def sync_file(file: Path) -> None:
    """Bring the content of a file to the disk."""
    with file.open("r+b") as handle:  # Windows flushes only what is open for writing
        os.fsync(handle.fileno())


@contextmanager
def file_lock(path: Path) -> Iterator[bool]:
    """Hold a lock that the system gives up when the process ends, however it ends; yields whether it was free.

    Where the file system has no locks (some network drives) every caller is told that it was free.

    Args:
        path: the lock file, not the file that it protects; it and its parents are made, and it is removed at the end.
    """
    from filelock import FileLock, Timeout  # here, for its import takes a tenth of the time that `--help` may take

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError:  # some network drives have no locks
        yield True
        return
    try:
        yield True
    finally:
        with suppress(OSError):  # Windows removes it on release
            path.unlink(missing_ok=True)
        lock.release()


def require_regular_file(path: Path, *, give: str = "a file") -> None:
    """Check, before it is opened, that a path is a regular file; one that does not exist is left to the reader.

    Args:
        path: the file, or a link to it.
        give: what the user is asked for, at the end of the message.

    Raises:
        InputError: it is a pipe or device, for which a reader would wait for ever, or a socket or folder.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a NUL character in the name
        return
    if not stat.S_ISREG(mode):
        raise InputError(f"'{path}' is no regular file but a folder, pipe, socket or device; give {give}.")
