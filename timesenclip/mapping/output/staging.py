"""Files of a map are completed in a folder of their own, and then take their names one after the other.

No system renames several files in one step. After an error, a full disk or a kill before the first rename, the older
map is whole; a kill between two renames, which take about a millisecond, leaves files of both. The provenance is
renamed last: where it is new, all other files are. The same command then writes all files again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from timesenclip.errors import InputError
from timesenclip.files import TEMPORARY_SUFFIX, sync_file, temporary_path
from timesenclip.mapping.output.layers import MAP_LAYERS
from timesenclip.owned import claimed, remove_known, require_own_names

__all__ = ["CHANGE_FILES", "MAP_FILES", "check_map_folder", "map_folder", "raster_files", "staged"]


def raster_files(name: str) -> tuple[str, ...]:
    """Names of a raster of classes and of the files beside it; other rasters have the first only."""
    return (f"{name}.tif", f"{name}.tif.aux.xml", f"{name}.qml")


MAP_FILES = (
    *raster_files("classes"),
    *(f"{name}.tif" for name in MAP_LAYERS[1:]),
    *("zones.parquet", "zones.csv", "map.png", "map.html", "provenance.json"),
)
"""Every file that a map of classes can have, in the order in which they take their names."""

CHANGE_FILES = (
    "distance.tif",
    *raster_files("before"),
    *raster_files("after"),
    "changed.tif",
    "month.tif",
    "change.json",
)
"""Every file that a map of changes can have, in the order in which they take their names."""


def check_map_folder(path: str | Path, kind: str, names: Collection[str]) -> None:
    """Check, before any work, that a map can be written into a folder.

    Args:
        path: the folder; it need not exist.
        kind: kind of map, as for `timesenclip.owned.claimed`.
        names: what may be written.

    Raises:
        InputError: it is a Zarr store, or a name is taken by a file that is not ours.
    """
    if any((Path(path) / name).is_file() for name in ("zarr.json", ".zgroup")):
        raise InputError(f"'{path}' is a Zarr store, and maps must not be written into it; give another output.")
    require_own_names(path, kind, names)


@contextmanager
def map_folder(path: str | Path, kind: str, names: Collection[str]) -> Iterator[Path]:
    """Make the folder of a map and keep it for this process while the map is made.

    Args:
        path, kind, names: as `check_map_folder`.

    Raises:
        InputError: as `check_map_folder`; or another process writes there, or nothing can be written there.
    """
    check_map_folder(path, kind, names)
    with claimed(path, kind, names) as folder:
        yield folder


@contextmanager
def staged(folder: Path, kind: str, names: Collection[str]) -> Iterator[Path]:
    """Yield an empty folder for the files of a map; without an error they are moved into `folder`.

    Files of `names` that an older map has and this one has not are removed.

    Args:
        folder: a folder that `map_folder` gave.
        kind: kind of map.
        names: what may be written, in the order in which files take their names.

    Raises:
        InputError: a file of such a name is not ours, or was made by someone else in the meantime; the older map is
            whole.
        OSError: a file cannot be moved.
    """
    require_own_names(folder, kind, names)
    stage = temporary_path(folder / "new")
    _remove(stage, names)
    stage.mkdir(parents=True, exist_ok=True)
    absent = [name for name in names if not os.path.lexists(folder / name)]
    try:
        yield stage
        for name in absent:
            if os.path.lexists(folder / name):
                raise InputError(f"'{folder / name}' was made by another program in the meantime; move it.")
        made = [name for name in names if (stage / name).exists()]
        for name in made:
            sync_file(stage / name)
        for name in made:
            (stage / name).replace(folder / name)
        for name in (name for name in names if name not in made):
            with suppress(FileNotFoundError):
                os.unlink(folder / name)
    finally:
        _remove(stage, names)


def _remove(stage: Path, names: Collection[str]) -> None:
    """Remove a stage, such as one that a killed process left."""
    remove_known(stage, lambda name: name in names or name.endswith(TEMPORARY_SUFFIX))
