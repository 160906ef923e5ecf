"""Labelled samples: series with their true class, from tables of points or from a cube with a raster of labels.

Evaluation starts from a `LabelledSet`, which records what was left out and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.outliers import Outliers, count_outlying, series_without_outliers
from timesenclip.eo.points.absent_bands import describe_absent_bands
from timesenclip.eo.points.read import read_attributes, read_points
from timesenclip.eo.sensors import AUTO
from timesenclip.errors import GridError, InputError
from timesenclip.evaluation.labels.label_raster import read_labels
from timesenclip.ground.labels import class_index
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.read_files import read_json, read_yaml
from timesenclip.series import Cube, PixelSeries, concatenate
from timesenclip.spatial import BLOCK_DEG, spatial_blocks, spatial_folds

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "LabelledSet",
    "labelled_cube",
    "labelled_points",
    "labelled_series",
    "parse_mapping",
    "read_labels",
]

FOLDS = 4
"""Number of folds of a labelled set."""
_STRIPS = 16
"""Blocks of a cube: vertical strips, since an area is often smaller than a block of `BLOCK_DEG`."""
_STRIPS_SPLIT = f"{FOLDS} vertical strips of the same area"
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """N series with their true class."""

    title: str
    """Name of the source, for reports."""
    series: PixelSeries
    """N series, each with at least one clear observation."""
    truth: NDArray[np.int64]
    """(N,) class index 0..K - 1."""
    taxonomy: Taxonomy
    """The K classes."""
    block: NDArray[np.int64]
    """(N,) block of land, the unit of splits and of the bootstrap."""
    fold: NDArray[np.int64]
    """(N,) fold 0..3; supervised models are tested on a fold that they were not trained on."""
    split: str
    """What the folds consist of, in words."""
    skipped: dict[str, int]
    """Labels that belong to no class, with their counts, most frequent first."""
    notes: tuple[str, ...] = ()
    """What else was left out or is uncertain, in sentences."""

    def __len__(self) -> int:
        """Number of series."""
        return len(self.series)

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the classes that have a sample."""
        return tuple(self.taxonomy.names[k] for k in np.unique(self.truth))

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> LabelledSet:
        """The samples at `index` (numbers or a mask)."""
        chosen = np.arange(len(self))[index]
        return LabelledSet(
            self.title,
            self.series.take(chosen),
            self.truth[chosen],
            self.taxonomy,
            self.block[chosen],
            self.fold[chosen],
            self.split,
            self.skipped,
            self.notes,
        )


def labelled_points(
    paths: str | Path | Sequence[str | Path],
    *,
    label_column: str,
    taxonomy: Taxonomy,
    mapping: Labels | Sequence[Labels] | None = None,
    block_deg: float = BLOCK_DEG,
    **read_options: Any,
) -> LabelledSet:
    """Read one or several labelled tables of points.

    Args:
        paths: one or several tables in a form that `read_points` reads.
        label_column: column with the labels; an empty cell means that there is no label.
        taxonomy: the K classes.
        mapping: label -> class name, or several mappings that are applied one after the other; default: labels are
            names, synonyms or codes of classes. Labels without a class are left out and counted.
        block_deg: side of a block of land in degrees.
        read_options: further options of `read_points`, such as period and units.

    Raises:
        InputError: no label belongs to a class, or no labelled point has a clear observation.
        TaxonomyError: the mapping names a class that the taxonomy does not have.
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    sensor = str(read_options.get("sensor", AUTO))
    parts, labels = [], []
    for file in files:
        parts.append(read_points(file, **read_options))
        labels.append(_texts(read_attributes(file, [label_column], sensor=sensor)[label_column]))
    return labelled_series(
        concatenate(parts),
        np.concatenate(labels),
        taxonomy=taxonomy,
        mapping=mapping,
        title=", ".join(Path(file).name for file in files),
        source_name=", ".join(map(str, files)),
        block_deg=block_deg,
    )


def _texts(labels: pd.Series) -> NDArray[np.str_]:
    """(N,) labels as text, "" where there is none; whole numbers stay whole although pandas reads them as floats."""
    if labels.dtype.kind == "f" and (labels.dropna() % 1 == 0).all():
        labels = labels.astype("Int64")
    return labels.astype(object).where(labels.notna(), "").astype(str).to_numpy().astype(np.str_)


def labelled_series(
    series: PixelSeries,
    labels: NDArray[np.str_],
    *,
    taxonomy: Taxonomy,
    mapping: Labels | Sequence[Labels] | None = None,
    title: str,
    source_name: str | None = None,
    block_deg: float = BLOCK_DEG,
) -> LabelledSet:
    """Build a labelled set from series of any source and their labels (N,).

    Args:
        series: N series.
        labels: (N,) as text.
        taxonomy, mapping, block_deg: as `labelled_points`.
        title: name of the source, for reports.
        source_name: name of the source in messages; default: the title.

    Raises:
        InputError: lengths differ, no label belongs to a class, or no labelled series has a clear observation.
        TaxonomyError: the mapping names a class that the taxonomy does not have.
    """
    if len(labels) != len(series):
        raise InputError(f"{len(labels)} labels for {len(series)} series; give one for each.")
    block = spatial_blocks(lat_deg=series.lat_deg, lon_deg=series.lon_deg, block_deg=block_deg)
    return _labelled(
        series,
        labels,
        taxonomy,
        mapping,
        block,
        spatial_folds(block, folds=FOLDS),
        title=title,
        source_name=source_name or title,
        split=f"blocks of {block_deg:g} degrees",
    )


def labelled_cube(
    cube: Cube,
    labels: NDArray[np.integer],
    *,
    taxonomy: Taxonomy,
    mapping: Labels | Sequence[Labels] | None,
    title: str,
    outliers: Outliers = "drop",
) -> LabelledSet:
    """Build a labelled set from the pixels of a cube and a raster of labels on the same grid.

    Blocks are vertical strips of the area.

    Args:
        cube: Y x X pixels.
        labels: (Y, X) integer codes.
        taxonomy: the K classes.
        mapping: code as text -> class name, as in `labelled_points`.
        title: name of the source, for reports.
        outliers: what is done with outlying steps (see `timesenclip.eo.outliers`).

    Raises:
        GridError: the raster has another shape.
        InputError: no label belongs to a class.
    """
    if labels.shape != cube.shape:
        raise GridError(f"The labels have {labels.shape} pixels and the cube {cube.shape}; put them on one grid.")
    column = np.broadcast_to(np.arange(cube.shape[1]), cube.shape).ravel()
    # Pixels of one field seldom lie in two wide strips (the folds), and every strip holds most classes.
    strips = min(_STRIPS, cube.shape[1])
    block = np.asarray(column * strips // cube.shape[1], dtype=np.int64)
    return _labelled(
        series_without_outliers(cube.pixel_series(), outliers),
        labels.ravel().astype(str),
        taxonomy,
        mapping,
        block,
        block * FOLDS // strips,
        title=title,
        source_name="the label raster",
        split=_STRIPS_SPLIT,
    )


def parse_mapping(text: str) -> dict[str, str]:
    """Read `1200=maize,5100=grassland`, a YAML or JSON file with label: class, or `FILE:KEY` for one table of a file.

    Raises:
        InputError: the text is none of these.
    """
    if "=" in text:
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        if all(key.strip() and sign and value.strip() for key, sign, value in pairs):
            return {key.strip(): value.strip() for key, _, value in pairs}
    name, _, key = text.rpartition(":")
    file, key = (Path(text), "") if Path(text).is_file() or not name else (Path(name), key)
    if file.is_file():
        content = _mapping_file(file)
        if key and isinstance(content, dict):
            if key not in content:
                raise InputError(f"'{file}' has no '{key}'; it has {', '.join(map(str, list(content)[:12]))}.")
            content = content[key]
        if isinstance(content, dict) and not any(isinstance(value, dict) for value in content.values()):
            return {str(label): str(value) for label, value in content.items()}
        if isinstance(content, dict):
            raise InputError(f"'{file}' holds several tables; name one: {file}:{next(iter(content))}.")
    raise InputError(
        f"Cannot read the mapping '{text}'; expected '1200=maize,5100=grassland', or a YAML or JSON file of "
        "label: class."
    )


def _mapping_file(file: Path) -> Any:
    read = read_json if file.suffix.lower() == ".json" else read_yaml
    return read(file, what="mapping of labels")


def _labelled(
    series: PixelSeries,
    labels: NDArray[np.str_],
    taxonomy: Taxonomy,
    mapping: Labels | Sequence[Labels] | None,
    block: NDArray[np.int64],
    fold: NDArray[np.int64],
    *,
    title: str,
    source_name: str,
    split: str,
) -> LabelledSet:
    truth, skipped = class_index(labels, taxonomy, mapping)
    seen = series.valid.any(axis=1)
    keep = (truth >= 0) & seen
    if not keep.any():
        listed = ", ".join(f"'{label}' ({count})" for label, count in list(skipped.items())[:8])
        if (truth >= 0).any():
            raise InputError(
                f"{source_name}: none of the {int((truth >= 0).sum())} labelled samples was ever seen clearly."
            )
        raise InputError(
            f"{source_name}: no label belongs to a class; labels seen: {listed or 'none'}. Give a --mapping."
        )
    notes = []
    silent = int((labels == "").sum())
    if silent:
        notes.append(f"{silent} {'sample has' if silent == 1 else 'samples have'} no label.")
    unseen = int((truth >= 0).sum() - keep.sum())
    if unseen:
        notes.append(
            f"{unseen} labelled {'sample was' if unseen == 1 else 'samples were'} never seen clearly and "
            f"{'does' if unseen == 1 else 'do'} not count."
        )
    if series.band_valid is not None:
        absent = describe_absent_bands(np.any(series.bands_seen()[keep], axis=(0, 1)), series.provenance)
        notes += [f"The series have {absent}."] if absent else []
    names = [series.sample_id[i] for i in np.flatnonzero(keep)]
    counted = count_outlying([series.provenance, *series.provenance.get("joined", ())])
    if isinstance(counted, Mapping) and counted["removed"]:
        notes.append(
            f"{counted['removed']:,} of {counted['steps']:,} steps ({counted['share']:.1%}) are outlying, like clouds "
            "that were not masked, and were left out."
        )
    doubles = len(names) - len(set(names))
    if doubles:
        notes.append(f"{doubles} samples repeat the id of another; each counts as a sample of its own.")
    nowhere = int((~(np.isfinite(series.lat_deg) & np.isfinite(series.lon_deg)))[keep].sum())
    if nowhere and split != _STRIPS_SPLIT:
        notes.append(
            f"{nowhere} samples have no coordinates, so that each is a block of its own: where they are neighbours, "
            "intervals are too narrow and the methods with labels too good."
        )
    if len(np.unique(truth[keep])) == 1:
        only = taxonomy.names[int(truth[keep][0])]
        notes.append(f"Every label is '{only}': accuracy is its recall, and nothing can be learned from the labels.")
    return LabelledSet(
        title, series.take(keep), truth[keep], taxonomy, block[keep], fold[keep], split, skipped, tuple(notes)
    )
