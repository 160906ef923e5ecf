"""Encoder input: the only place where the reflectance and dates of a series become the tensors of an encoder.

Embedding, training on photographs and training on field notes all call `encoder_input`, so that an encoder reads
the same numbers, bit for bit, in use as in training. (Presto, an encoder to compare with, has input of its own:
`evaluation/baselines/presto.py`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timesenclip.bands import NORMALISATIONS, band_index
from timesenclip.errors import InputError

__all__ = ["EncoderInput", "cut", "encoder_input"]

_HALF_A_YEAR = np.float32(0.5)


class EncoderInput(NamedTuple):
    """The arguments of `SeriesEncoder.forward`, in its order."""

    x: Tensor
    """(N, T, C') or (N, T, C', p, p) float32, normalised reflectance; 0 where not valid."""
    calendar: Tensor
    """(N, T, 2) float32, start and end of each step in years; half a year later in the south where so configured."""
    valid: Tensor
    """(N, T) bool, True = use."""
    bands: Tensor | None = None
    """(N, T, C') bool, True = the band was seen at this step; None: all of them at every valid step."""

    def bands_seen(self) -> Tensor:
        """(N, T, C') bool whether each band was seen at each step; False at steps that are not valid."""
        if self.bands is None:
            return self.valid[..., None].expand(*self.valid.shape, self.x.shape[2])
        return self.bands & self.valid[..., None]


def encoder_input(
    reflectance: NDArray[np.float32],
    *,
    valid: NDArray[np.bool_],
    calendar: NDArray[np.float32],
    lat_deg: NDArray[np.float64],
    normalisation: str,
    band_names: Sequence[str] | None,
    patch_size: int,
    hemisphere_shift: bool,
    band_mask: bool,
    band_valid: NDArray[np.bool_] | None,
) -> EncoderInput:
    """Turn series into what an encoder reads: its bands, its patch, normalised, with their dates.

    No setting has a default: a caller that forgot one would give the encoder something it was not trained on.

    Args:
        reflectance: (N, T, C) or (N, T, C, Y, X), all ten bands, 0..1. It is not changed.
        valid: (N, T) True = use.
        calendar: (N, T, 2) start and end of each step in years, as `PixelSeries.calendar`. It is not changed.
        lat_deg: (N,) latitude, EPSG:4326; NaN (unknown) counts as north.
        normalisation: name in `timesenclip.bands.NORMALISATIONS`.
        band_names: bands that the encoder reads, in its order; None: all ten, in table order.
        patch_size: p, side of the patch that the encoder reads; 1 for single pixels.
        hemisphere_shift: add half a year to the calendar south of the equator, so that a date tells the season.
        band_mask: whether the encoder is told which bands are there; if not, it reads only steps that have all of its
            bands.
        band_valid: (N, T, C) as `PixelSeries.band_valid`; None: all bands at every valid step. It is not changed.

    Raises:
        InputError: the patches are smaller than what the encoder reads.
    """
    seen = cut(reflectance, band_names=band_names, patch_size=patch_size)
    x = NORMALISATIONS[normalisation].of(band_names)(seen)  # (N, T, C'[, p, p])
    bands = None
    if band_valid is not None:
        bands = band_valid if band_names is None else band_valid[:, :, [band_index(name) for name in band_names]]
        valid = valid & (bands.any(axis=2) if band_mask else bands.all(axis=2))
        bands = bands & valid[..., None]  # (N, T, C')
    if bands is None or not band_mask:
        x[~valid] = 0.0
    else:
        x[~bands] = 0.0
    if hemisphere_shift:
        calendar = calendar + np.where(lat_deg < 0, _HALF_A_YEAR, np.float32(0))[:, None, None]  # (N, T, 2)
    return EncoderInput(
        torch.from_numpy(x),
        torch.from_numpy(calendar),
        torch.from_numpy(np.ascontiguousarray(valid)),
        torch.from_numpy(np.ascontiguousarray(bands)) if bands is not None and band_mask else None,
    )


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
