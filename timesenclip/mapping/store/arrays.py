"""Open and read the arrays of an embedding store, which another program may have changed or cut short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.cube.files_read import zarr_entries
from timesenclip.errors import DataNotFoundError, InputError, TimeSenCLIPError
from timesenclip.extras import require
from timesenclip.grid import Window
from timesenclip.mapping.store.info import BLOCK_ARRAYS, StoreInfo
from timesenclip.messages import shorten_error

__all__ = ["check_files", "open_arrays", "open_basis", "read_window"]

_TYPES = {"vectors": "int8", "colour": "uint8", "clear": "uint16", "scale": "float32"}
_REPAIR = "embed the area again"


def open_arrays(folder: Path, info: StoreInfo, shape: tuple[int, int]) -> dict[str, Any]:
    """The arrays of one level, by name.

    Args:
        folder: the level.
        info: what the store says that it is.
        shape: (Y, X) of the level.

    Raises:
        DataNotFoundError: an array is missing, or its metadata cannot be read.
        InputError: an array has another shape or type than the store says.
    """
    tails = {"vectors": (info.dims,), "colour": (3,)}
    return {name: _open(folder / name, (*shape, *tails.get(name, ())), _TYPES[name]) for name in BLOCK_ARRAYS}


def open_basis(folder: Path, info: StoreInfo) -> NDArray[np.float32]:
    """(D, d) float32, what vectors of words are multiplied by; errors as `open_arrays`."""
    array = _open(folder / "basis", (info.full_dims, info.dims), "float32")
    values = read_window(array, folder / "basis", None)
    if not np.isfinite(values).all():
        raise InputError(f"'{folder / 'basis'}' holds values that are not finite; {_REPAIR}.")
    return np.asarray(values, dtype=np.float32)


def read_window(array: Any, place: Path, window: Window | None) -> NDArray[Any]:
    """A window of an array; None: all of it.

    Raises:
        InputError: a chunk is damaged.
        OSError: it cannot be read.
    """
    try:
        if window is None:
            return np.asarray(array[...])
        row, row_end, column, column_end = window
        return np.asarray(array[row:row_end, column:column_end])
    # What Zarr and its codecs raise of a chunk that is cut short or holds something else.
    except (ValueError, RuntimeError, LookupError, TypeError) as error:
        raise InputError(f"'{place}' has a damaged chunk ({shorten_error(error)}); {_REPAIR}.") from error


def check_files(folder: Path) -> None:
    """Refuse links, pipes and devices among the chunks: reading them could wait for ever.

    Raises:
        InputError: there is one.
        DataNotFoundError: a folder is missing.
    """
    for name in BLOCK_ARRAYS:
        try:
            for _ in zarr_entries(str(folder / name)):
                pass
        except OSError as error:
            if isinstance(error, TimeSenCLIPError):
                raise
            raise DataNotFoundError(
                f"'{folder / name}' cannot be listed ({shorten_error(error)}); {_REPAIR}."
            ) from error


def _open(place: Path, shape: tuple[int, ...], dtype: str) -> Any:
    zarr = require("zarr", "zarr", needed_by="Embedding stores")
    try:
        array = zarr.open_array(place, mode="r+")
        found = (tuple(array.shape), str(array.dtype))
    # What Zarr raises of an array that is missing, or whose metadata are of no kind that it knows.
    except (OSError, ValueError, TypeError, LookupError, RuntimeError) as error:
        raise DataNotFoundError(f"The array '{place}' cannot be opened ({shorten_error(error)}); {_REPAIR}.") from error
    if found != (shape, dtype):
        raise InputError(f"'{place}' is {found[1]} of shape {found[0]}, expected {dtype} of {shape}; {_REPAIR}.")
    return array
