"""Frozen CLIP-like models on true-colour patches, as a baseline.

Any tower that `load_tower` returns works: a hub id or a folder in the CLIP or SigLIP layout of transformers, and
weights of RemoteCLIP, GeoRSCLIP, SkyCLIP and SenCLIP that `import_clip` has converted. Pixels are processed as follows:
median of the clear steps, bands red, green and blue, reflectance 0 to 0.3 scaled to 0 to 255, then the resizing and
normalisation of the tower.
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
from timesenclip.evaluation.metrics import Metrics, compute_metrics
from timesenclip.ground.prompts import DEFAULT, class_vectors
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.ground.tower import GroundTower
from timesenclip.series import Cube, PixelSeries
from timesenclip.tasks.classify import prior_corrected

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["BRIGHTEST", "RgbBaseline", "labelled_patches", "patches", "rgb_baseline", "true_colour"]

BRIGHTEST = 0.3
"""Reflectance that becomes 255: vegetation and soil keep their contrast, snow and cloud saturate."""


@dataclass(frozen=True, slots=True)
class RgbBaseline:
    """Zero-shot metrics of a frozen model on true-colour patches."""

    tower: str
    """Name of the tower."""
    size_px: int
    """Side of a patch in pixels of 10 m, before the tower's resizing."""
    raw: Metrics
    """Metrics of the raw predictions."""
    corrected: Metrics
    """Metrics after the transductive prior correction."""
    embeddings: NDArray[np.float32]
    """(N, D) unit rows, for probes."""


def patches(cube: Cube, rows: NDArray[np.integer], columns: NDArray[np.integer], *, size_px: int) -> PixelSeries:
    """Cut square patches around pixels of a cube, as series (N, T, C, Y, X).

    A step is valid where every pixel of the patch is clear, and has the bands that every pixel has.

    Args:
        cube: the cube.
        rows, columns: (N,) central pixels; a patch that would extend beyond the cube is moved inside.
        size_px: side of a patch in pixels.

    Raises:
        InputError: the cube is smaller than a patch, or a pixel lies outside it.
    """
    height, width = cube.shape
    if not 1 <= size_px <= min(height, width):
        raise InputError(f"Patches of {size_px} pixels in an area of {height} x {width}; choose a smaller one.")
    if len(rows) == 0 or rows.min() < 0 or columns.min() < 0 or rows.max() >= height or columns.max() >= width:
        raise InputError(f"{len(rows)} pixels, some outside the area of {height} x {width}.")
    top = np.clip(rows - size_px // 2, 0, height - size_px)
    left = np.clip(columns - size_px // 2, 0, width - size_px)
    values, valid, bands = [], [], []
    for y, x in zip(top, left, strict=True):
        values.append(cube.reflectance[:, :, y : y + size_px, x : x + size_px])  # (T, C, Y, X)
        valid.append(cube.valid[:, y : y + size_px, x : x + size_px].all(axis=(1, 2)))
        if cube.band_valid is not None:
            bands.append(cube.band_valid[:, :, y : y + size_px, x : x + size_px].all(axis=(2, 3)))  # (T, C)
    whole = cube.pixel_series()
    middle = whole.take(np.asarray(rows * width + columns))
    return PixelSeries(
        reflectance=np.stack(values).astype(np.float32),
        valid=np.stack(valid) & np.stack(bands).any(axis=2) if bands else np.stack(valid),
        start=middle.start,
        end=middle.end,
        sample_id=middle.sample_id,
        lon_deg=middle.lon_deg,
        lat_deg=middle.lat_deg,
        provenance=cube.provenance,
        band_valid=np.stack(bands) if bands else None,
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
    """Patches around randomly drawn labelled pixels; the label is that of the central pixel.

    Args:
        cube: the cube.
        labels: (Y, X) codes on the same grid.
        taxonomy, mapping: as `labelled_cube`.
        size_px: side of a patch in pixels.
        most: number of pixels drawn at most.
        seed: seed of the draw.
        title: name of the source, for reports.

    Raises:
        InputError: there is no labelled pixel, or no patch has a step that is clear in every pixel.
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
    """N true-colour images: median of the clear steps, reflectance 0..`brightest` scaled to 0..255.

    A series of single pixels gives images of one pixel, which the tower's resizing turns into a uniform area.

    Raises:
        InputError: a series has no clear observation in red, green and blue.
    """
    from PIL import Image

    bands = [band_index(name) for name in ("red", "green", "blue")]
    values = series.reflectance if series.reflectance.ndim == 5 else series.reflectance[..., None, None]
    seen = np.asarray(np.all(series.bands_seen()[:, :, bands], axis=2))  # (N, T)
    unseen = int((~np.asarray(np.any(seen, axis=1))).sum())
    if unseen:
        raise InputError(
            f"{unseen} of {len(series)} series were never seen clearly in red, green and blue; leave them out."
        )
    out = []
    for part, valid in zip(values[:, :, bands], seen, strict=True):
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
    """Zero-shot metrics of a frozen image-text model on true-colour patches of labelled samples.

    Args:
        data: labelled series, patches or pixels.
        tower: a tower that reads images.
        templates: prompt templates, see `prompts_for`.
        seed, draws: seed and number of draws of the bootstrap.

    Raises:
        TowerError: the tower reads text only.
    """
    vectors = tower.encode_images(true_colour(data.series))
    scores = vectors @ class_vectors(data.taxonomy, tower, templates).T
    options: dict[str, Any] = {"names": data.taxonomy.names, "block": data.block, "seed": seed, "draws": draws}
    corrected = prior_corrected(scores)
    return RgbBaseline(
        tower=tower.name,
        size_px=data.series.reflectance.shape[-1] if data.series.reflectance.ndim == 5 else 1,
        raw=compute_metrics(data.truth, scores.argmax(axis=1), scores=scores, **options),
        corrected=compute_metrics(data.truth, corrected.argmax(axis=1), scores=corrected, **options),
        embeddings=vectors,
    )
