"""Read the groups of a Sen4Map file: observations of full patches, monthly small crops, labels and coordinates.

Source: Sen4Map (Sharma et al. 2024) and its public readers; the authors' dataset classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES, SCL_NAME, canonical_band
from timesenclip.data.monthly import Compositing
from timesenclip.data.places import POINT_PREFIX, numbers_in
from timesenclip.eo.radiometry import MISSING_DN
from timesenclip.errors import DataNotFoundError, InputError, TimeSenCLIPError
from timesenclip.messages import shorten_error, show_value

__all__ = [
    "LABEL_COLUMNS",
    "MONTHS",
    "YEAR",
    "FullPatch",
    "open_group",
    "open_image",
    "open_sen4map",
    "read_full_patch",
    "read_labels",
    "read_small_crop",
    "sen4map_keys",
]

YEAR = 2018
"""Year of every Sen4Map series."""
MONTHS = 12
"""Steps of every Sen4Map series."""

_MOST_IMAGES = 2000
"""Images of a place in a year; the most frequently seen places have some 150."""

_ANY_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_DATE = re.compile(rf"{YEAR}(0[1-9]|1[0-2])")
_USUAL_NAMES = {name: name.replace("B0", "B").encode() for name in (*BAND_NAMES, SCL_NAME)}
_LABELS = {
    "nuts0": "nuts0",
    "lc1": "lc1",
    "lc1_label": "lc1_label",
    "lu1": "lu1",
    "EUNIS_L2": "eunis_l2",  # this and the next in the test file only
    "bioregion_class_code": "bioregion",
}
LABEL_COLUMNS = tuple(_LABELS.values())
"""Columns of the labels in the index of a store."""


@contextmanager
def open_sen4map(file: Path) -> Iterator[Any]:
    """Yield an open `h5py.File`.

    Raises:
        DataNotFoundError: the file is not there, cut short, or not HDF5.
    """
    import h5py

    if not file.is_file():
        raise DataNotFoundError(f"No Sen4Map file at '{file}'; correct the path.")
    try:
        source = h5py.File(file, "r")
    except OSError as error:
        reason = str(error).split("(", 1)[-1].rstrip(")")
        raise DataNotFoundError(f"'{file}' is no HDF5 file, or is cut short ({reason}); fetch it again.") from error
    with source:
        yield source


def sen4map_keys(file: str | Path) -> list[str]:
    """Names of the groups of a file, sorted.

    Raises:
        DataNotFoundError: the file is not there, cut short, or not HDF5.
        InputError: it has no group `Lucas_Point_<id>`.
    """
    try:
        with open_sen4map(Path(file)) as source:
            keys = sorted(key for key in source if key.startswith(POINT_PREFIX))
    except (RuntimeError, ValueError, KeyError, OSError) as error:  # h5py's, of a damaged file
        if isinstance(error, TimeSenCLIPError):
            raise
        raise DataNotFoundError(f"'{file}' is a damaged HDF5 file ({shorten_error(error)}); fetch it again.") from error
    if not keys:
        raise InputError(f"'{file}' has no group named {POINT_PREFIX}<id>; expected a Sen4Map file.")
    return keys


@dataclass(frozen=True, slots=True)
class FullPatch:
    """The observations of one place, cut to the middle of its patch."""

    values: NDArray[np.uint16]
    """(T, C, p, p) DN."""
    scl: NDArray[np.uint8]
    """(T, p + 2 margin, p + 2 margin) scene classes."""
    month: NDArray[np.int64]
    """(T,) 0..11, -1 for another year."""
    margin: int
    """Pixels around the patch in `scl`."""


def read_full_patch(key: str, group: Any, file: NDArray[np.uint8], size: int, margin: int) -> FullPatch:
    """Read the observations of a group with full patches.

    Args:
        key: name of the group, for messages.
        group: the opened h5py group.
        file: the bytes of the file, memory-mapped.
        size: p, side of the patch in pixels.
        margin: pixels around it that are read of the SCL.

    Raises:
        InputError: a band, the SCL or Image_ID is missing, or the patch is smaller than what is asked for.
    """
    sets = _open_bands(key, group)
    for name, dataset in sets.items():
        _require_own(key, name, dataset)
    shape = sets[SCL_NAME].shape
    if len(shape) != 3 or min(shape[1:]) < size + 2 * margin:
        side = size + 2 * margin
        raise InputError(f"{key}: SCL has shape {shape}; expected (acquisitions, Y, X), at least {side} x {side} px.")
    if shape[0] > _MOST_IMAGES or any(dataset.shape != shape for dataset in sets.values()):
        shapes = ", ".join(sorted({str(dataset.shape) for dataset in sets.values()}))
        raise InputError(f"{key}: bands of shape {shapes}; expected one shape, of at most {_MOST_IMAGES} images.")
    # Source: the authors' crop: row and column side // 2 - size // 2 onwards.
    top, left = (side // 2 - size // 2 for side in shape[1:])
    start, count = (0, top, left), (shape[0], size, size)
    values = np.stack(
        [_as_dn(_read_window(sets[name], file, start, count)) for name in BAND_NAMES], axis=1
    )  # (T, C, p, p)
    reach = size + 2 * margin
    scl = _read_window(sets[SCL_NAME], file, (0, top - margin, left - margin), (shape[0], reach, reach))
    return FullPatch(values, scl.astype(np.uint8), _read_months(key, group, shape[0]), margin)


def _open_bands(key: str, group: Any) -> dict[str, Any]:
    """The low-level dataset (h5py.h5d) of each band and of the SCL."""
    from h5py import h5d

    try:
        for theirs in _USUAL_NAMES.values():
            _require_inner(key, group, theirs)
        return {ours: h5d.open(group.id, theirs) for ours, theirs in _USUAL_NAMES.items()}
    except KeyError:
        names = {canonical_band(name) or name: name for name in group}
    lacking = [name for name in _USUAL_NAMES if name not in names]
    if lacking:
        raise InputError(f"{key}: no dataset {', '.join(lacking)}; the group is left out.")
    for name in _USUAL_NAMES:
        _require_inner(key, group, names[name].encode())
    return {name: group[names[name]].id for name in _USUAL_NAMES}


def _require_inner(key: str, group: Any, name: bytes) -> None:
    """Refuse an external link, which HDF5 would open and read, and a soft one, which may lead to such a link.

    Raises:
        KeyError: there is no such name.
        InputError: it is such a link.
    """
    from h5py import h5l

    links = group.id.links
    if not links.exists(name):
        raise KeyError(f"{key}: no '{name.decode()}'")
    if links.get_info(name).type != h5l.TYPE_HARD:
        raise InputError(f"{key}: '{name.decode()}' is a link, which may lead to another file and is never followed.")


def _require_own(key: str, name: str, dataset: Any) -> None:
    """Refuse a dataset whose values lie in other files, or are no numbers.

    Raises:
        InputError: it is one.
    """
    from h5py import h5d

    plan = dataset.get_create_plist()
    if plan.get_layout() == h5d.VIRTUAL or plan.get_external_count():
        raise InputError(f"{key}: the values of '{name}' lie in another file, which is never read.")
    if dataset.dtype.kind not in "iuf":
        raise InputError(f"{key}: '{name}' is of type {dataset.dtype}; expected numbers.")


def open_group(source: Any, key: str) -> Any:
    """The group of a point.

    Raises:
        InputError: it is a link, or no group.
    """
    _require_inner(key, source, key.encode())
    group = source[key]
    if not hasattr(group, "keys"):
        raise InputError(f"{key}: is a dataset; expected a group.")
    return group


def open_image(key: str, group: Any) -> Any | None:
    """The dataset `image` of a small crop; None for a full patch.

    Raises:
        InputError: it lies in another file, or is no array of numbers.
    """
    if "image" not in group:
        return None
    _require_inner(key, group, b"image")
    image = group["image"]
    if not hasattr(image, "shape"):
        raise InputError(f"{key}: 'image' is a group; expected an array.")
    _require_own(key, "image", image.id)
    return image


def _read_window(dataset: Any, file: NDArray[np.uint8], start: tuple[int, ...], count: tuple[int, ...]) -> NDArray[Any]:
    """Part of a dataset; of a contiguous one it is copied from the memory-mapped file.

    HDF5 makes a system call for every row of a window, which for one pixel of a patch is one call for every image.
    """
    from h5py import h5s

    offset = dataset.get_offset()
    if offset is not None:  # HDF5 compresses chunked datasets only, and those have no offset
        whole: NDArray[Any] = np.ndarray(dataset.shape, dtype=dataset.dtype, buffer=file.data, offset=offset)
        return whole[tuple(slice(s, s + c) for s, c in zip(start, count, strict=True))].copy()
    space = dataset.get_space()
    space.select_hyperslab(start, count)
    out = np.empty(count, dtype=dataset.dtype)
    dataset.read(h5s.create_simple(count), space, out)
    return out


def _as_dn(values: Any) -> NDArray[np.uint16]:
    """Values as DN; what is not finite is 0, which means no observation in Sen4Map."""
    array = np.asarray(values)
    if array.dtype == np.uint16:
        return array
    return np.where(np.isfinite(array), np.clip(np.rint(array), 0, MISSING_DN), 0).astype(np.uint16)


def _read_months(key: str, group: Any, count: int) -> NDArray[np.int64]:
    """(T,) month of each image, 0..11, from its Image_ID; -1 for another year."""
    if "Image_ID" not in group.attrs and "Image_ID" not in group:
        raise InputError(f"{key}: no Image_ID, so the months of its images are not known; the group is left out.")
    given = group.attrs["Image_ID"] if "Image_ID" in group.attrs else _image_ids(key, group, count)
    texts = [item.decode() if isinstance(item, bytes) else str(item) for item in np.asarray(given).ravel().tolist()]
    if len(texts) != count:
        raise InputError(f"{key}: {len(texts)} Image_IDs for {count} images.")
    found = [_DATE.search(text) for text in texts]
    if not any(_ANY_DATE.search(text) for text in texts):
        raise InputError(f"{key}: no Image_ID holds a day as YYYYMMDD ({show_value(texts[:1], 60)}).")
    return np.array([int(match[1]) - 1 if match else -1 for match in found], dtype=np.int64)


def _image_ids(key: str, group: Any, count: int) -> Any:
    """The dataset Image_ID.

    Raises:
        InputError: it lies in another file, or is not of one text for each image.
    """
    from h5py import h5d

    _require_inner(key, group, b"Image_ID")
    found = group["Image_ID"]
    if getattr(found, "size", None) != count:
        raise InputError(f"{key}: {getattr(found, 'size', 'no')} Image_IDs for {count} images.")
    plan = found.id.get_create_plist()
    if plan.get_layout() == h5d.VIRTUAL or plan.get_external_count():
        raise InputError(f"{key}: Image_ID lies in another file, which is never read.")
    return found[()]


def read_small_crop(
    key: str, image: Any, size: int, compositing: Compositing
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """DN (12, C[, p, p]) and observations (12,) of a group with monthly small crops.

    Raises:
        InputError: the array is not (12, 10, p, p), or smaller than `size`.
    """
    if image.ndim != 4 or image.shape[:2] != (MONTHS, len(BAND_NAMES)) or min(image.shape[2:]) < size:
        raise InputError(f"{key}: 'image' has shape {image.shape}; expected (12, 10, p, p) with p of at least {size}.")
    top, left = (side // 2 - size // 2 for side in image.shape[2:])
    dn = _as_dn(image[:, :, top : top + size, left : left + size])
    # The authors add 1 to a median in which masked values count as 0: nothing seen is 1 (or 0) in every band.
    observed = (dn > 1).any(axis=1).reshape(MONTHS, -1)  # (12, p p)
    seen = np.ones(MONTHS, dtype=np.bool_) if compositing == "authors" else np.asarray(observed.all(axis=1))
    dn[~seen] = MISSING_DN
    return dn if size > 1 else dn[:, :, 0, 0], np.asarray(seen, dtype=np.uint8)


def read_labels(key: str, group: Any) -> dict[str, Any]:
    """`sample_id`, `lon`, `lat` (degrees, NaN where unknown) and the labels of a group, from its attributes."""
    row: dict[str, Any] = {"sample_id": key.removeprefix(POINT_PREFIX)}
    for name, column in _LABELS.items():
        if name in group.attrs:
            value = group.attrs[name]
            value = value.decode() if isinstance(value, bytes) else value
            row[column] = str(value.item() if hasattr(value, "item") and np.ndim(value) == 0 else value)
    numbers = numbers_in(group.attrs["Coordinates"]) if "Coordinates" in group.attrs else []
    row["lon"], row["lat"] = numbers[:2] if len(numbers) >= 2 else (np.nan, np.nan)
    return row
