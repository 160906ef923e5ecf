"""Zero-shot answers against labels, beside chance, the majority class and a random forest that had labels.

The forest is always tested where it was not trained: points are split by spatial blocks, a labelled raster into
strips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import DataNotFoundError, GridError, InputError, TaxonomyError
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.series import Cube, PixelSeries
from timesenclip.tasks.baselines import chance, majority, random_forest
from timesenclip.tasks.classify import classify
from timesenclip.tasks.metrics import Figures, figures

if TYPE_CHECKING:
    from timesenclip.model.checkpoint import Model

__all__ = ["Evaluation", "evaluate_cube", "evaluate_points", "parse_mapping", "read_labels"]

ZERO_SHOT, FOREST = "zero-shot", "random forest (with labels)"
_BLOCK_DEG = 0.25
_FOLDS = 4


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of each method on the same samples."""

    title: str
    """What was evaluated."""
    methods: dict[str, Figures]
    """Zero-shot first, then the comparisons."""
    skipped: dict[str, int]
    """Labels that the mapping does not name, with their counts."""
    notes: tuple[str, ...]
    """How the split was made, and what could not be done."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "title": self.title,
            "methods": {name: result.to_dict() for name, result in self.methods.items()},
            "skipped": self.skipped,
            "notes": list(self.notes),
        }

    def rows(self) -> list[tuple[str, float, float, float, float]]:
        """One row a method: name, accuracy, balanced accuracy, macro F1, calibration error (NaN where none)."""
        return [
            (
                name,
                r.accuracy,
                r.balanced_accuracy,
                r.macro_f1,
                r.calibration_error if r.calibration_error is not None else float("nan"),
            )
            for name, r in self.methods.items()
        ]


def evaluate_points(
    path: str | Path,
    *,
    label_column: str,
    taxonomy: Taxonomy,
    mapping: Mapping[str, str] | None = None,
    model: Model | str | Path | None = None,
    prior_correction: bool = False,
    seed: int = 0,
    **read_options: Any,
) -> Evaluation:
    """Evaluate a labelled table of points.

    Args:
        path: the table, as `read_points` takes it.
        label_column: column with the labels.
        taxonomy: the K classes that are asked.
        mapping: label -> class name; default: labels are class names or codes. Labels it does not name are skipped.
        model: a model or a checkpoint's name.
        prior_correction: as in `classify`.
        seed: of the forest and of chance.
        read_options: period, units and so on, as `read_points`.

    Raises:
        InputError: no label is named by the mapping.
        TaxonomyError: the mapping names a class that is not there.
    """
    from timesenclip.eo.points import read_attributes, read_points

    series = read_points(path, **read_options)
    labels = read_attributes(path, [label_column])[label_column].astype(str).to_numpy().astype(np.str_)
    truth, skipped = _truth(labels, taxonomy, mapping)
    keep = (truth >= 0) & series.valid.any(axis=1)
    _require_some(keep, skipped, str(path))
    series, truth = series.take(keep), truth[keep]
    fold = _spatial_folds(series)
    title = f"{Path(path).name}: {len(series)} labelled points, {len(np.unique(truth))} of {len(taxonomy)} classes"
    return _compare(
        series, truth, fold, taxonomy, title, skipped, "blocks of 0.25 degrees", model, prior_correction, seed
    )


def evaluate_cube(
    cube: Cube,
    labels: NDArray[np.integer],
    *,
    taxonomy: Taxonomy,
    mapping: Mapping[str, str],
    model: Model | str | Path | None = None,
    prior_correction: bool = False,
    seed: int = 0,
) -> Evaluation:
    """Evaluate the pixels of a cube against a label raster on the same grid.

    Args:
        cube: Y x X pixels.
        labels: (Y, X) integer codes.
        taxonomy: the K classes that are asked.
        mapping: code (as text) -> class name; other codes are skipped.
        model, prior_correction, seed: as `evaluate_points`.

    Raises:
        GridError: the raster has another shape.
    """
    if labels.shape != cube.shape:
        raise GridError(f"The labels have {labels.shape} pixels and the cube {cube.shape}; put them on one grid.")
    series = cube.pixel_series()
    truth, skipped = _truth(labels.ravel().astype(str), taxonomy, mapping)
    keep = (truth >= 0) & series.valid.any(axis=1)
    _require_some(keep, skipped, "the label raster")
    column = np.broadcast_to(np.arange(cube.shape[1]), cube.shape).ravel()
    # Vertical strips: pixels of one field seldom lie in two of them, and every strip holds most classes.
    fold = (column * _FOLDS // cube.shape[1])[keep]
    series, truth = series.take(keep), truth[keep]
    title = f"{len(series)} labelled pixels, {len(np.unique(truth))} of {len(taxonomy)} classes"
    how = f"{_FOLDS} vertical strips of the same patch"
    return _compare(series, truth, fold, taxonomy, title, skipped, how, model, prior_correction, seed)


def parse_mapping(text: str) -> dict[str, str]:
    """Read `1200=maize,5100=grassland`, or a YAML or JSON file with label: class.

    Raises:
        InputError: it is neither.
    """
    if "=" in text:
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        if all(key.strip() and sign and value.strip() for key, sign, value in pairs):
            return {key.strip(): value.strip() for key, _, value in pairs}
    file = Path(text)
    if file.is_file():
        import yaml

        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return {str(key): str(value) for key, value in content.items()}
    raise InputError(
        f"Cannot read the mapping '{text}'; expected '1200=maize,5100=grassland' or a YAML file of label: class."
    )


def read_labels(text: str) -> NDArray[np.int64]:
    """Read a label raster: `FILE.tif`, or `FILE.nc:VARIABLE`.

    Raises:
        DataNotFoundError: no such file, or it cannot be read.
        InputError: the variable is not there.
    """
    name, _, variable = text.rpartition(":") if ".nc:" in text else (text, "", "")
    file = Path(name)
    if not file.is_file():
        raise DataNotFoundError(f"No label raster at '{file}'; give FILE.tif or FILE.nc:VARIABLE.")
    if file.suffix.lower() in (".tif", ".tiff"):
        import rasterio

        with rasterio.open(file) as raster:
            return np.asarray(raster.read(1), dtype=np.int64)
    import xarray as xr

    with xr.open_dataset(file, mask_and_scale=False, engine="h5netcdf") as dataset:
        if variable not in dataset:
            raise InputError(f"'{file}' has no variable '{variable}'; it has {', '.join(map(str, dataset.data_vars))}.")
        return np.asarray(dataset[variable].values, dtype=np.int64)


def _compare(
    series: PixelSeries,
    truth: NDArray[np.int64],
    fold: NDArray[np.integer],
    taxonomy: Taxonomy,
    title: str,
    skipped: dict[str, int],
    split: str,
    model: Model | str | Path | None,
    prior_correction: bool,
    seed: int,
) -> Evaluation:
    answer = classify(series, taxonomy, model=model, prior_correction=prior_correction)
    name = f"{ZERO_SHOT}, prior-corrected (transductive)" if prior_correction else ZERO_SHOT
    methods = {name: figures(truth, answer.label_index, names=taxonomy.names, confidence=answer.confidence)}
    methods["chance"] = figures(truth, chance(len(truth), len(taxonomy), seed=seed), names=taxonomy.names)
    forest, most, tested = np.full(len(truth), -1), np.full(len(truth), -1), np.zeros(len(truth), dtype=np.bool_)
    for part in np.unique(fold):
        here = fold == part
        if here.all() or len(np.unique(truth[~here])) < 2:
            continue
        forest[here] = random_forest(series.take(~here), truth[~here], series.take(here), seed=seed)
        most[here] = majority(truth[~here], int(here.sum()))
        tested |= here
    notes = [f"Majority and forest: trained on {split} other than those they are tested on."]
    if tested.all():
        methods["majority"] = figures(truth, most, names=taxonomy.names)
        methods[FOREST] = figures(truth, forest, names=taxonomy.names)
    else:
        notes = ["No forest: the labels do not allow a spatial split with two classes on each side."]
    return Evaluation(title, methods, skipped, tuple(notes))


def _truth(
    labels: NDArray[np.str_], taxonomy: Taxonomy, mapping: Mapping[str, str] | None
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Class index of each label, -1 where the mapping has none, and what was left out."""
    names = {name.lower(): k for k, name in enumerate(taxonomy.names)}
    if mapping is None:
        lookup = names | {taxon.code.lower(): k for k, taxon in enumerate(taxonomy.classes) if taxon.code}
    else:
        wrong = sorted({target for target in mapping.values() if target.lower() not in names})
        if wrong:
            raise TaxonomyError(f"The mapping names '{wrong[0]}', which is not among {', '.join(taxonomy.names[:12])}.")
        lookup = {label.lower(): names[target.lower()] for label, target in mapping.items()}
    unique, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    index = np.array([lookup.get(str(label).lower(), -1) for label in unique], dtype=np.int64)
    skipped = {str(label): int(count) for label, k, count in zip(unique, index, counts, strict=True) if k < 0}
    return index[inverse], skipped


def _require_some(keep: NDArray[np.bool_], skipped: dict[str, int], where: str) -> None:
    if not keep.any():
        seen = ", ".join(f"'{label}' ({count})" for label, count in list(skipped.items())[:8])
        raise InputError(f"{where}: no label belongs to a class; labels seen: {seen or 'none'}. Give a --mapping.")


def _spatial_folds(series: PixelSeries) -> NDArray[np.int64]:
    block = np.stack([np.floor(np.nan_to_num(x) / _BLOCK_DEG) for x in (series.lat_deg, series.lon_deg)], axis=1)
    _, index = np.unique(block, axis=0, return_inverse=True)
    return np.asarray(index.ravel() % _FOLDS, dtype=np.int64)
