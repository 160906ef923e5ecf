"""Training, validation and test places: the data set's own lists or spatial blocks, and a check that they are apart."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.data.places import nearest_m
from timesenclip.errors import DataNotFoundError, DegradedInputWarning, InputError
from timesenclip.messages import reason_of

__all__ = ["LeakageError", "check_apart", "named_split", "read_ids", "spatial_blocks"]

PARTS = ("train", "validation", "test")
"""Names of the parts."""


class LeakageError(InputError):
    """Training and held-out places are closer than they may be."""


def spatial_blocks(
    lon_deg: NDArray[np.float64],
    lat_deg: NDArray[np.float64],
    *,
    block_deg: float = 0.5,
    shares: Mapping[str, float] | None = None,
    seed: int = 0,
    gap_m: float = 0.0,
) -> NDArray[np.str_]:
    """Give whole blocks of the globe to one part each.

    Args:
        lon_deg, lat_deg: (N,) EPSG:4326.
        block_deg: side of a block in degrees.
        shares: share of the blocks by part; default: 90 % train, 5 % validation, 5 % test.
        seed: which block falls where; the same place always falls into the same part, whatever else is in the table.
        gap_m: training places nearer than this to a held-out one become "unused".

    Returns:
        (N,) names of parts.

    Raises:
        InputError: a place has no coordinates, or shares do not sum to 1.
    """
    wanted = {"train": 0.9, "validation": 0.05, "test": 0.05} if shares is None else dict(shares)
    if abs(sum(wanted.values()) - 1) > 1e-6 or min(wanted.values()) < 0:
        raise InputError(f"Shares {wanted} sum to {sum(wanted.values()):g}; expected shares of 0..1 that sum to 1.")
    if block_deg <= 0:
        raise InputError(f"block_deg is {block_deg:g}; expected a positive number of degrees.")
    known = np.isfinite(lon_deg) & np.isfinite(lat_deg)
    if not known.all():
        raise InputError(
            f"{int((~known).sum())} places have no coordinates (the first is number {int((~known).argmax()) + 1}); "
            "spatial blocks need them. Split by lists of ids instead."
        )
    blocks = np.stack([np.floor(lat_deg / block_deg), np.floor(lon_deg / block_deg)], axis=1).astype(np.int64)
    unique, inverse = np.unique(blocks, axis=0, return_inverse=True)
    edges = np.cumsum(list(wanted.values()))
    draw = [_uniform(f"{seed}:{block_deg:g}:{y}:{x}") for y, x in unique]
    names = np.array(list(wanted), dtype="U10")
    part = names[np.minimum(np.searchsorted(edges, draw, side="right"), len(names) - 1)][inverse.reshape(-1)]
    if gap_m > 0:
        held = part != "train"
        if held.any() and (~held).any():
            distance, _ = nearest_m(lon_deg[~held], lat_deg[~held], lon_deg[held], lat_deg[held])
            part[np.flatnonzero(~held)[distance < gap_m]] = "unused"
    return part


def _uniform(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def named_split(sample_id: Sequence[str], lists: Mapping[str, Sequence[str]]) -> NDArray[np.str_]:
    """Parts by lists of ids; places in no list are "unused".

    Raises:
        InputError: an id is in two lists, or a list meets no place.
    """
    part = {str(name): "" for name in sample_id}
    for label, names in lists.items():
        met = 0
        for name in map(str, names):
            name = name.removeprefix("Lucas_Point_")
            if part.get(name):
                raise InputError(f"Place '{name}' is in the lists '{part[name]}' and '{label}'; keep it in one.")
            if name in part:
                part[name], met = label, met + 1
        if not met:
            raise InputError(f"None of the {len(names)} ids of the list '{label}' is in the store; is it its own?")
    return np.array([part[str(name)] or "unused" for name in sample_id], dtype="U10")


def check_apart(
    lon_deg: NDArray[np.float64],
    lat_deg: NDArray[np.float64],
    part: NDArray[np.str_],
    *,
    min_distance_m: float,
    refuse: bool = True,
) -> float:
    """Check that no training place is too close to a held-out one.

    Args:
        lon_deg, lat_deg: (N,) degrees; places without coordinates are not checked.
        part: (N,) names; "unused" does not count.
        min_distance_m: what is too close.
        refuse: raise; else warn.

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
    distance, _ = nearest_m(lon_deg[held], lat_deg[held], lon_deg[train], lat_deg[train])
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
            ids = np.load(file, allow_pickle=False).ravel().tolist()
        elif file.suffix == ".json":
            ids = list(json.loads(file.read_text(encoding="utf-8")))
        else:
            ids = file.read_text(encoding="utf-8").split()
    except (ValueError, TypeError) as error:
        hint = " It holds pickled objects, which are never read: save it as text." if "pickle" in str(error) else ""
        raise InputError(f"'{file}' is not a list of ids ({reason_of(error)}).{hint}") from error
    names = [point_id_of(name.decode() if isinstance(name, bytes) else str(name)) for name in ids]
    return [name for name in names if name]


def point_id_of(text: str) -> str:
    """The point id in a name or path such as `Lucas_Point_46862690` or `.../46862690.npy`."""
    stem = text.strip().rsplit("/", 1)[-1].split(".", 1)[0]
    return stem.removeprefix("Lucas_Point_")
