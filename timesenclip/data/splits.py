"""Parts of the places by lists of ids, and a check of the distance between training and held-out places."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.data.places import POINT_PREFIX
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, InputError, LeakageError
from timesenclip.messages import shorten_error
from timesenclip.read_files import JSON_BYTES, read_json, read_text
from timesenclip.spatial import nearest_m

__all__ = ["check_apart", "named_split", "read_ids"]

PARTS = ("train", "validation", "test")
"""Names of the parts."""


def named_split(sample_id: Sequence[str], lists: Mapping[str, Sequence[str]]) -> NDArray[np.str_]:
    """Assign places to parts by lists of ids.

    Args:
        sample_id: ids of N places.
        lists: ids by part; the prefix `Lucas_Point_` is ignored.

    Returns:
        (N,) name of the part, "unused" for places in no list.

    Raises:
        InputError: an id is in two lists, or no id of a list is among the places.
    """
    part = {str(name): "" for name in sample_id}
    for label, names in lists.items():
        met = 0
        for name in map(str, names):
            name = name.removeprefix(POINT_PREFIX)
            if part.get(name):
                raise InputError(f"Place '{name}' is in the lists '{part[name]}' and '{label}'; keep it in one.")
            if name in part:
                part[name], met = label, met + 1
        if not met:
            raise InputError(
                f"None of the {len(names)} ids of the list '{label}' is in the store; is it of another data set?"
            )
    return np.array([part[str(name)] or "unused" for name in sample_id], dtype="U10")


def check_apart(
    part: NDArray[np.str_],
    *,
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    min_distance_m: float,
    refuse: bool = True,
) -> float:
    """Check that no training place is too close to a held-out one.

    Args:
        part: (N,) names; "unused" does not count.
        lat_deg, lon_deg: (N,) degrees; places without coordinates are not checked.
        min_distance_m: smallest distance allowed, in metres.
        refuse: raise an error; otherwise warn.

    Returns:
        The smallest distance in metres, infinity where there is nothing to compare.

    Raises:
        LeakageError: they are too close and `refuse` is set.

    Warns:
        DegradedInputWarning: they are too close and `refuse` is not set.
    """
    known = np.isfinite(lon_deg) & np.isfinite(lat_deg)
    train, held = known & (part == "train"), known & np.isin(part, PARTS[1:])
    if not train.any() or not held.any():
        return float("inf")
    distance, _ = nearest_m(
        lat_deg=lat_deg[held], lon_deg=lon_deg[held], to_lat_deg=lat_deg[train], to_lon_deg=lon_deg[train]
    )
    close = int((distance < min_distance_m).sum())
    if close:
        message = (
            f"{close:,} of {int(held.sum()):,} held-out places are closer than {min_distance_m:g} m to a training one, "
            f"the nearest {distance.min():,.0f} m, so figures there flatter; use blocks with a gap, or allow it."
        )
        if refuse:
            raise LeakageError(message)
        warnings.warn(message, DegradedInputWarning, stacklevel=2)
    return float(distance.min())


def read_ids(path: str | Path) -> list[str]:
    """Read a list of ids: `.npy` of text or numbers (never pickled), `.json`, or text with one a line.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it cannot be read as a list.
    """
    file = Path(path)
    if not file.is_file():
        raise DataNotFoundError(f"No list of ids at '{file}'; correct the path.")
    try:
        if file.suffix == ".npy":
            if file.stat().st_size > JSON_BYTES:
                raise ValueError(f"it has {file.stat().st_size:,} bytes, and at most {JSON_BYTES:,} are read")
            # Mapped, so that the file must be as long as its header says before anything is allocated.
            ids = np.load(file, mmap_mode="r", allow_pickle=False).ravel().tolist()
        elif file.suffix == ".json":
            ids = list(read_json(file, what="list of ids"))
        else:
            ids = read_text(file, what="list of ids", most_bytes=JSON_BYTES, fix="give one id a line").split()
    except (ValueError, TypeError, EOFError) as error:
        pickled = "pickle" in str(error) or "Python objects" in str(error)
        hint = " It holds pickled objects, which are never read: save it as text." if pickled else ""
        raise InputError(f"'{file}' is not a list of ids ({shorten_error(error)}).{hint}") from error
    names = [parse_point_id(name.decode() if isinstance(name, bytes) else str(name)) for name in ids]
    return [name for name in names if name]


def parse_point_id(text: str) -> str:
    """The id of the point in a name or path such as `Lucas_Point_46862690` or `.../46862690.npy`."""
    stem = text.strip().rsplit("/", 1)[-1].split(".", 1)[0]
    return stem.removeprefix(POINT_PREFIX)
