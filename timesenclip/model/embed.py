"""Embed pixel series and cubes: in batches, through `encoder_input` and the encoder, to vectors of unit length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.outliers import Outliers, cube_without_outliers, series_without_outliers
from timesenclip.errors import BandError, InputError, NoClearObservationError
from timesenclip.grid import pixel_lonlat
from timesenclip.model.checkpoint import Model, as_model
from timesenclip.model.inputs import encoder_input
from timesenclip.model.substitute import with_near_infrared
from timesenclip.series import Cube, PixelSeries, calendar_intervals

__all__ = ["embed", "embed_cube", "readable", "readable_steps", "require_bands_of"]


def embed(
    series: PixelSeries,
    *,
    model: Model | str | Path | None = None,
    batch_size: int = 1024,
    missing: Literal["error", "nan"] = "error",
    outliers: Outliers = "drop",
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Embed pixel series; the encoder reads its own bands of each step, and the middle of patches larger than its own.

    Args:
        series: N pixel series.
        model: a loaded model or a checkpoint's name; default: the shipped checkpoint.
        batch_size: series encoded at a time; 256 to 1024 suits most processors.
        missing: what to do with a series that has no valid step: raise, or give it a row of NaN.
        outliers: leave out outlying steps, or keep them (see `timesenclip.eo.outliers`); series that the readers judged
            already are taken as they are.
        progress: called with (done, N) after each batch.

    Returns:
        (N, D) float32, rows of unit length.

    Raises:
        NoClearObservationError: a series has no valid step and `missing` is "error".
        BandError: the encoder needs all of its bands, and no step has them.
        InputError: `batch_size` is below 1, the encoder reads larger patches, or the series have too many steps.
        CheckpointError: as `timesenclip.model.checkpoint.load`.
    """
    chosen = as_model(model)
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected 1 or more.")
    series = with_near_infrared(series, chosen)
    require_bands_of(chosen, series.band_valid)
    series = series_without_outliers(series, outliers)
    clear = readable(series, chosen)
    if missing == "error" and not clear.all():
        names = [series.sample_id[i] for i in np.flatnonzero(~clear)[:5]]
        raise NoClearObservationError(
            f"{int((~clear).sum())} of {len(series)} series have no clear observation ({', '.join(names)}"
            f"{', ...' if (~clear).sum() > 5 else ''}); leave them out, widen the period, or pass missing='nan'."
        )
    out = np.full((len(series), chosen.encoder.config.embed_dim), np.nan, dtype=np.float32)
    rows = np.flatnonzero(clear)
    for first in range(0, len(rows), batch_size):
        batch = rows[first : first + batch_size]
        out[batch] = _embed_batch(series, batch, chosen)
        if progress is not None:
            progress(first + len(batch), len(series))
    return out


def embed_cube(cube: Cube, *, model: Model, batch_size: int = 1024, outliers: Outliers = "drop") -> NDArray[np.float32]:
    """Embed every pixel of a cube: the same bits as `embed(cube.pixel_series(), missing="nan")`, in less memory.

    Args:
        cube: Y x X pixels.
        model: a loaded model.
        batch_size, outliers: as `embed`.

    Returns:
        (Y * X, D) float32, row by row, of unit length; NaN where a pixel has no step that the encoder can read.

    Raises:
        InputError: `batch_size` is below 1, the encoder reads patches, or the cube has too many steps.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected 1 or more.")
    cube = cube_without_outliers(cube, outliers)
    t, c, y, x = cube.reflectance.shape
    reflectance = cube.reflectance.reshape(t, c, y * x)
    valid = readable_steps(cube.valid, cube.band_valid, model, band_axis=1).reshape(t, y * x)
    _, lat_deg = pixel_lonlat(cube.crs, cube.transform, (y, x))
    calendar = calendar_intervals(cube.start, cube.end)  # (T, 2)
    out = np.full((y * x, model.encoder.config.embed_dim), np.nan, dtype=np.float32)
    rows = np.flatnonzero(valid.any(axis=0))
    for first in range(0, len(rows), batch_size):
        batch = rows[first : first + batch_size]
        out[batch] = _encode(
            np.ascontiguousarray(reflectance[..., batch].transpose(2, 0, 1)),  # (N, T, C)
            np.ascontiguousarray(valid[:, batch].T),  # (N, T)
            np.broadcast_to(calendar, (len(batch), t, 2)),
            lat_deg[batch],
            cube.bands_of(batch),
            model,
        )
    return out


def require_bands_of(model: Model, band_valid: NDArray[np.bool_] | None) -> None:
    """Check that an encoder which needs all of its bands gets them at some step.

    Args:
        model: the model.
        band_valid: (N, T, C) as `PixelSeries.band_valid`.

    Raises:
        BandError: no step has all the bands that the encoder reads; the message names those that are missing.
    """
    if band_valid is None or model.encoder.config.band_mask or not band_valid.size:
        return
    names = model.config.band_names or BAND_NAMES
    seen = band_valid[..., [BAND_NAMES.index(name) for name in names]]  # (N, T, C')
    if seen.all(axis=2).any():
        return
    absent = [name for name, here in zip(names, np.asarray(np.any(seen, axis=(0, 1))), strict=True) if not here]
    raise BandError(
        f"Checkpoint '{model.config.name}' needs all of its {len(names)} bands, and no step has them"
        + (f": {', '.join(absent)} never there" if absent else "")
        + ". Use a checkpoint that reads any bands, such as the shipped one (leave out --checkpoint)."
    )


def readable(series: PixelSeries, model: Model) -> NDArray[np.bool_]:
    """(N,) whether the encoder can read at least one step."""
    return np.asarray(np.any(readable_steps(series.valid, series.band_valid, model, band_axis=2), axis=1))


def readable_steps(
    valid: NDArray[np.bool_], band_valid: NDArray[np.bool_] | None, model: Model, *, band_axis: int
) -> NDArray[np.bool_]:
    """Steps that an encoder can read: any of its bands is there or, if it has no `band_mask`, all of them.

    Args:
        valid: of any shape, True = use.
        band_valid: the same with one more axis of all ten bands; None: all bands at every valid step.
        model: the model.
        band_axis: position of that axis.

    Returns:
        As `valid`.
    """
    masked, names = model.encoder.config.band_mask, model.config.band_names
    if band_valid is None or (masked and names is None):  # a valid step has a band
        return valid
    found = np.full(valid.shape, not masked)
    by_band = np.moveaxis(band_valid, band_axis, 0)
    for name in names or BAND_NAMES:
        seen = by_band[BAND_NAMES.index(name)]
        found = found | seen if masked else found & seen
    return np.asarray(found & valid)


def _embed_batch(series: PixelSeries, rows: NDArray[np.intp], model: Model) -> NDArray[np.float32]:
    contiguous = rows[-1] - rows[0] + 1 == len(rows)
    part = series.take(slice(int(rows[0]), int(rows[-1]) + 1) if contiguous else rows)
    return _encode(part.reflectance, part.valid, part.calendar(), part.lat_deg, part.band_valid, model)


def _encode(
    reflectance: NDArray[np.float32],
    valid: NDArray[np.bool_],
    calendar: NDArray[np.float32],
    lat_deg: NDArray[np.float64],
    band_valid: NDArray[np.bool_] | None,
    model: Model,
) -> NDArray[np.float32]:
    """Vectors (N, D) of one batch; arguments as `encoder_input`."""
    steps = valid.any(axis=0)  # the others cost time and change vectors in the last bits at most
    given = encoder_input(
        reflectance[:, steps],
        valid=valid[:, steps],
        calendar=calendar[:, steps],
        lat_deg=lat_deg,
        normalisation=model.config.normalisation,
        band_names=model.config.band_names,
        patch_size=model.encoder.config.patch_size,
        hemisphere_shift=model.config.hemisphere_shift,
        band_mask=model.encoder.config.band_mask,
        band_valid=None if band_valid is None else band_valid[:, steps],
    )
    with torch.inference_mode():
        vectors = model.encoder(*given)
        unit = torch.nn.functional.normalize(vectors, dim=-1)
    return unit.numpy()
