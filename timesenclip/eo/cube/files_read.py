"""The files that a cube is read from: whether they can be opened, and their state, by which a change is noticed.

The state is names, sizes and times of change, not contents: a cube of a country has terabytes. A file that is written
again with the same size and the same time in nanoseconds is not noticed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from timesenclip.errors import DataNotFoundError, InputError
from timesenclip.files import require_regular_file
from timesenclip.messages import shorten_error

__all__ = ["check_regular", "file_states", "zarr_entries"]

_ZARR_FILE = re.compile(r"zarr\.json|\.z(array|attrs|group|metadata)|c?[./]?\d+(\.\d+)*|c")
"""Names of the files in a Zarr store: metadata, and chunks `0.0.0` or, in folders of numbers, `0`."""
_SIDECARS = (".aux.xml", ".ovr", ".msk")
"""What GDAL reads beside an image, as endings of the whole name."""


def check_regular(file: Path) -> None:
    """Refuse what is no regular file: opening a pipe or a device would wait for ever.

    Raises:
        DataNotFoundError: it is not there, or its name cannot be used.
        InputError: it is a folder, a pipe, a socket or a device.
    """
    try:
        file.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise DataNotFoundError(f"Cannot read '{file}' ({shorten_error(error)}); remove it or repair it.") from error
    require_regular_file(file, give="files with pixels")


def zarr_entries(folder: str, *, deep: bool = True) -> Iterator[os.DirEntry[str]]:
    """The files of a Zarr store or array that can be read from it, in no order; other files are left out.

    Args:
        folder: the folder.
        deep: whether folders in it are looked at, too.

    Raises:
        InputError: one is a symbolic link or no regular file.
        OSError: a folder cannot be listed.
    """
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if not _ZARR_FILE.fullmatch(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting += [entry.path] if deep else []
                elif entry.is_file(follow_symlinks=False):
                    yield entry
                else:
                    raise InputError(
                        f"'{entry.path}' in a Zarr store is a symbolic link, pipe, socket or device; expected plain "
                        "files only. Copy the store with its links resolved: cp -rL."
                    )


def file_states(root: Path, places: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Name, size in bytes and time of change in nanoseconds of everything that a cube is read from, sorted by name.

    Args:
        root: the cube; names are relative to it, so that it may be moved as a whole.
        places: files, with what GDAL reads beside them, and folders of Zarr arrays, with all of their chunks.

    Raises:
        DataNotFoundError: a file is not there any more.
        InputError: as `zarr_entries`.
    """
    base = root if root.is_dir() else root.parent
    try:
        return sorted(_states(base, places))
    except OSError as error:
        raise DataNotFoundError(f"'{root}' changed while it was used ({shorten_error(error)}); run again.") from error


def _states(base: Path, places: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    prefix = len(os.path.join(base, ""))
    for place in places:
        if place.is_dir():
            for entry in zarr_entries(str(place), deep=place != base):
                found = entry.stat(follow_symlinks=False)
                yield entry.path[prefix:].replace(os.sep, "/"), found.st_size, found.st_mtime_ns
            continue
        found = place.stat()
        yield place.relative_to(base).as_posix(), found.st_size, found.st_mtime_ns
        for beside in (place.with_name(place.name + ending) for ending in _SIDECARS):
            if beside.is_file():
                found = beside.stat()
                yield beside.relative_to(base).as_posix(), found.st_size, found.st_mtime_ns
