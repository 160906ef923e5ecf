"""What an encoder reads of a pixel series: which of the ten bands, and how much of the patch around the pixel.

Training and embedding both cut here, so that an encoder is asked of exactly what it was shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from timesenclip.bands import band_index
from timesenclip.errors import InputError

__all__ = ["cut"]


def cut(array: NDArray[Any], *, band_names: Sequence[str] | None = None, patch_size: int) -> NDArray[Any]:
    """The bands and the middle of the patches that an encoder reads.

    Args:
        array: (N, T, C) or (N, T, C, Y, X), all ten bands, reflectance or DN.
        band_names: bands to keep, in this order; default: all, in table order.
        patch_size: p, side of the middle; 1 gives single pixels. Of an even side the middle is the pixel after the
            centre, as in Sen4Map.

    Returns:
        (N, T, C') or, for p > 1, (N, T, C', p, p); the array itself where nothing is to be cut.

    Raises:
        InputError: the patches are smaller than what is asked for.
    """
    if array.ndim == 5 and array.shape[3:] != (patch_size, patch_size):
        rows, columns = array.shape[3:]
        if min(rows, columns) < patch_size:
            raise _too_small(f"{rows} x {columns} pixels", patch_size)
        y, x = rows // 2 - patch_size // 2, columns // 2 - patch_size // 2
        array = array[..., y : y + patch_size, x : x + patch_size]  # (N, T, C, p, p)
    elif array.ndim == 3 and patch_size > 1:
        raise _too_small("single pixels", patch_size)
    if array.ndim == 5 and patch_size == 1:
        array = array[..., 0, 0]  # (N, T, C)
    if band_names is not None:
        array = array[:, :, [band_index(name) for name in band_names]]  # (N, T, C', ...)
    return array


def _too_small(seen: str, wanted: int) -> InputError:
    return InputError(
        f"The series are {seen}, but the encoder reads {wanted} x {wanted}; give larger patches (`data sen4map --patch "
        f"{wanted}`), or use an encoder of smaller ones."
    )
