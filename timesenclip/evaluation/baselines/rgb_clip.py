"""Frozen CLIP-like models on true-colour patches: what a user would otherwise have taken.

Any tower that `load_tower` gives works: a hub id or a folder in transformers' CLIP or SigLIP layout, and RemoteCLIP,
GeoRSCLIP, SkyCLIP and SenCLIP weights made into one by `import_clip`. What is done to the pixels, so that figures can
be repeated: the median of the clear steps, bands red, green, blue, reflectance 0 to 0.3 onto 0 to 255, then the tower's
own resizing and normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import band_index
from timesenclip.errors import InputError
from timesenclip.evaluation.labels.labelled import LabelledSet, labelled_cube
from timesenclip.evaluation.metrics import Figures, figures
from timesenclip.ground.prompts import DEFAULT, class_weights
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.ground.tower import GroundTower
from timesenclip.series import Cube, PixelSeries
from timesenclip.tasks.classify import prior_corrected

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["BRIGHTEST", "RgbBaseline", "labelled_patches", "patches", "rgb_baseline", "true_colour"]

BRIGHTEST = 0.3
"""Reflectance that is shown as 255: vegetation and soil keep their contrast, snow and cloud saturate."""


@dataclass(frozen=True, slots=True)
class RgbBaseline:
    """Zero-shot figures of a frozen model on true-colour patches."""

    tower: str
    """Its name."""
    size_px: int
    """Side of a patch in pixels of 10 m, before the tower's resizing."""
    raw: Figures
    """As it answers."""
    corrected: Figures
    """After the transductive prior correction."""
    embeddings: NDArray[np.float32]
    """(N, D) unit rows, for probes."""


def patches(cube: Cube, rows: NDArray[np.integer], columns: NDArray[np.integer], *, size_px: int) -> PixelSeries:
    """Square patches of a cube around pixels, as series (N, T, C, Y, X). A step counts where the whole patch is clear.

    Args:
        cube: the area.
        rows, columns: (N,) pixels in the middle; a patch that would leave the area is moved inside.
        size_px: side of a patch.

    Raises:
        InputError: the area is smaller than a patch, or a pixel lies outside.
    """
    height, width = cube.shape
    if not 1 <= size_px <= min(height, width):
        raise InputError(f"Patches of {size_px} pixels in an area of {height} x {width}; choose a smaller one.")
    if len(rows) == 0 or rows.min() < 0 or columns.min() < 0 or rows.max() >= height or columns.max() >= width:
        raise InputError(f"{len(rows)} pixels, some outside the area of {height} x {width}.")
    top = np.clip(rows - size_px // 2, 0, height - size_px)
    left = np.clip(columns - size_px // 2, 0, width - size_px)
    values, valid = [], []
    for y, x in zip(top, left, strict=True):
        values.append(cube.reflectance[:, :, y : y + size_px, x : x + size_px])  # (T, C, Y, X)
        valid.append(cube.valid[:, y : y + size_px, x : x + size_px].all(axis=(1, 2)))
    whole = cube.pixel_series()
    middle = whole.take(np.asarray(rows * width + columns))
    return PixelSeries(
        reflectance=np.stack(values).astype(np.float32),
        valid=np.stack(valid),
        start=middle.start,
        end=middle.end,
        sample_id=middle.sample_id,
        lon_deg=middle.lon_deg,
        lat_deg=middle.lat_deg,
        provenance=cube.provenance,
    )


def labelled_patches(
    cube: Cube,
    labels: NDArray[np.integer],
    *,
    taxonomy: Taxonomy,
    mapping: Mapping[str, str] | Sequence[Mapping[str, str]] | None,
    size_px: int,
    most: int = 1000,
    seed: int = 0,
    title: str = "patches",
) -> LabelledSet:
    """Patches around labelled pixels, drawn at random; the label is that of the pixel in the middle.

    Args:
        cube: the area.
        labels: (Y, X) codes on the same grid.
        taxonomy, mapping: as `labelled_cube`.
        size_px: side of a patch.
        most: patches at most.
        seed: of the draw.
        title: where they come from.

    Raises:
        InputError: no labelled pixel, or no patch that was seen clearly as a whole.
    """
    pixels = labelled_cube(cube, labels, taxonomy=taxonomy, mapping=mapping, title=title)
    pixels = pixels.take(np.sort(np.random.default_rng(seed).permutation(len(pixels))[:most]))
    number = np.array([int(name) for name in pixels.series.sample_id])
    series = patches(cube, number // cube.shape[1], number % cube.shape[1], size_px=size_px)
    seen = np.asarray(series.valid.any(axis=1))
    if not seen.any():
        raise InputError(f"No patch of {size_px} pixels was seen clearly as a whole; choose smaller patches.")
    return replace(pixels, series=series).take(seen)


def true_colour(series: PixelSeries, *, brightest: float = BRIGHTEST) -> list[Image.Image]:
    """N true-colour pictures: median of the clear steps, reflectance 0..`brightest` onto 0..255.

    A pixel series is a picture of one pixel: the tower's resizing makes an even surface of it.

    Raises:
        InputError: a series was never seen clearly.
    """
    from PIL import Image

    bands = [band_index(name) for name in ("red", "green", "blue")]
    values = series.reflectance if series.reflectance.ndim == 5 else series.reflectance[..., None, None]
    unseen = int((~series.valid.any(axis=1)).sum())
    if unseen:
        raise InputError(f"{unseen} of {len(series)} series were never seen clearly; leave them out.")
    out = []
    for part, valid in zip(values[:, :, bands], series.valid, strict=True):
        middle = np.median(part[valid], axis=0).transpose(1, 2, 0)  # (Y, X, 3)
        scaled = np.clip(middle / brightest, 0, 1) * 255
        out.append(Image.fromarray(np.round(scaled).astype(np.uint8), mode=None))
    return out


def rgb_baseline(
    data: LabelledSet,
    tower: GroundTower,
    *,
    templates: str | Sequence[str] = DEFAULT,
    seed: int = 0,
    draws: int = 1000,
) -> RgbBaseline:
    """Zero-shot figures of a frozen image-text model on true-colour patches of labelled places.

    Args:
        data: labelled series, patches or pixels.
        tower: a tower that reads images.
        templates: how the classes are put into words.
        seed, draws: of the bootstrap.

    Raises:
        TowerError: the tower reads text only.
    """
    vectors = tower.encode_images(true_colour(data.series))
    scores = vectors @ class_weights(data.taxonomy, tower, templates).T
    options: dict[str, Any] = {"names": data.taxonomy.names, "block": data.block, "seed": seed, "draws": draws}
    corrected = prior_corrected(scores)
    return RgbBaseline(
        tower=tower.name,
        size_px=data.series.reflectance.shape[-1] if data.series.reflectance.ndim == 5 else 1,
        raw=figures(data.truth, scores.argmax(axis=1), scores=scores, **options),
        corrected=figures(data.truth, corrected.argmax(axis=1), scores=corrected, **options),
        embeddings=vectors,
    )
