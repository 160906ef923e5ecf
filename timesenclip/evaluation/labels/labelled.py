"""Labelled places: series with the truth, from tables or from an area with a raster of labels.

Every figure of the package is made of a `LabelledSet`, so that what was left out, and why, is said in one place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.cube.netcdf import open_netcdf
from timesenclip.eo.points.read import read_attributes, read_points
from timesenclip.errors import DataNotFoundError, GridError, InputError, TaxonomyError
from timesenclip.ground.taxonomy import Taxonomy, loose_name
from timesenclip.messages import reason_of
from timesenclip.series import Cube, PixelSeries, concatenate
from timesenclip.spatial import BLOCK_DEG, spatial_blocks, spatial_folds

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "LabelledSet",
    "class_index",
    "labelled_cube",
    "labelled_points",
    "labelled_series",
    "parse_mapping",
    "read_labels",
]

FOLDS = 4
"""Folds of a labelled set."""
_STRIPS = 16
_STRIPS_SPLIT = f"{FOLDS} vertical strips of the same area"
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """N series whose class is known."""

    title: str
    """Where they come from."""
    series: PixelSeries
    """N series, each with a clear observation."""
    truth: NDArray[np.int64]
    """(N,) class index 0..K - 1."""
    taxonomy: Taxonomy
    """The K classes that are asked."""
    block: NDArray[np.int64]
    """(N,) block of land, the unit of splits and of intervals."""
    fold: NDArray[np.int64]
    """(N,) fold 0..3; who learns from labels is tested on a fold that it did not see."""
    split: str
    """What folds are made of, in words."""
    skipped: dict[str, int]
    """Labels that are no class of the taxonomy, with their counts, most first."""
    notes: tuple[str, ...] = ()
    """What else was left out or is doubtful."""

    def __len__(self) -> int:
        """Number of series."""
        return len(self.series)

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the classes that have a sample."""
        return tuple(self.taxonomy.names[k] for k in np.unique(self.truth))

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> LabelledSet:
        """The samples at `index`."""
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
        paths: tables, as `read_points` takes them.
        label_column: column with the labels; empty cells have none.
        taxonomy: the K classes that are asked.
        mapping: label -> class name, or several that are applied one after the other; default: labels are class names,
            synonyms or codes. Labels without a class are left out and counted.
        block_deg: side of a block of land in degrees.
        read_options: period, units and so on, as `read_points`.

    Raises:
        InputError: no label is a class, or no labelled point was seen.
        TaxonomyError: the mapping names a class that is not there.
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    parts, labels = [], []
    for file in files:
        parts.append(read_points(file, **read_options))
        labels.append(_texts(read_attributes(file, [label_column])[label_column]))
    return labelled_series(
        concatenate(parts),
        np.concatenate(labels),
        taxonomy=taxonomy,
        mapping=mapping,
        title=", ".join(Path(file).name for file in files),
        where=", ".join(map(str, files)),
        block_deg=block_deg,
    )


def _texts(labels: pd.Series) -> NDArray[np.str_]:
    """(N,) labels as text, "" where there is none; whole numbers stay whole beside those that are missing."""
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
    where: str | None = None,
    block_deg: float = BLOCK_DEG,
) -> LabelledSet:
    """Labels (N,) of series from anywhere: Sen4Map groups, arrays, another reader.

    Args:
        series: N series.
        labels: (N,) as text.
        taxonomy, mapping, block_deg: as `labelled_points`.
        title: where they come from, for the report.
        where: the same for messages; default: the title.

    Raises:
        InputError: lengths differ, no label is a class, or no labelled series was seen.
        TaxonomyError: the mapping names a class that is not there.
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
        where=where or title,
        split=f"blocks of {block_deg:g} degrees",
    )


def labelled_cube(
    cube: Cube,
    labels: NDArray[np.integer],
    *,
    taxonomy: Taxonomy,
    mapping: Labels | Sequence[Labels] | None,
    title: str,
) -> LabelledSet:
    """The pixels of a cube against a label raster on the same grid; blocks are vertical strips of the area.

    Raises:
        GridError: the raster has another shape.
        InputError: no label is a class.
    """
    if labels.shape != cube.shape:
        raise GridError(f"The labels have {labels.shape} pixels and the cube {cube.shape}; put them on one grid.")
    column = np.broadcast_to(np.arange(cube.shape[1]), cube.shape).ravel()
    # Vertical: pixels of one field seldom lie in two wide strips (the folds), and every strip holds most classes.
    strips = min(_STRIPS, cube.shape[1])
    block = np.asarray(column * strips // cube.shape[1], dtype=np.int64)
    return _labelled(
        cube.pixel_series(),
        labels.ravel().astype(str),
        taxonomy,
        mapping,
        block,
        block * FOLDS // strips,
        title=title,
        where="the label raster",
        split=_STRIPS_SPLIT,
    )


def class_index(
    labels: NDArray[np.str_], taxonomy: Taxonomy, mapping: Labels | Sequence[Labels] | None = None
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Class index of each label, -1 where it has none, and the labels left out with their counts, most first.

    An empty label is none: it has no class, and is not left out.

    Raises:
        TaxonomyError: the last mapping names a class that is not there.
    """
    names = {name.lower(): k for k, name in enumerate(taxonomy.names)}
    lookup = {taxon.code.lower(): k for k, taxon in enumerate(taxonomy.classes) if taxon.code}
    lookup |= {word.lower(): k for k, taxon in enumerate(taxonomy.classes) for word in taxon.synonyms}
    chain = [mapping] if isinstance(mapping, Mapping) else list(mapping or [])
    if chain:
        lookup = {}
        wrong = sorted({target for target in chain[-1].values() if target.lower() not in names})
        if wrong:
            raise TaxonomyError(f"The mapping names '{wrong[0]}', which is not among {', '.join(taxonomy.names[:12])}.")
    lookup |= names
    loose = {loose_name(word): k for word, k in lookup.items() if loose_name(word)}
    steps = [{label.lower(): target for label, target in step.items()} for step in chain]
    unique, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    index = np.full(len(unique), -1, dtype=np.int64)
    for i, label in enumerate(unique):
        found: str | None = str(label)
        for step in steps:
            found = step.get(found.lower()) if found is not None else None
        if found is not None:
            index[i] = lookup.get(found.lower(), loose.get(loose_name(found), -1))
    left = sorted((-int(n), str(text)) for text, k, n in zip(unique, index, counts, strict=True) if k < 0 and text)
    return index[inverse], {label: -count for count, label in left}


def parse_mapping(text: str) -> dict[str, str]:
    """Read `1200=maize,5100=grassland`, a YAML or JSON file with label: class, or `FILE:KEY` for a table inside it.

    Raises:
        InputError: it is none of these.
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
    try:
        return _label_values(file, variable)
    except InputError:
        raise
    except Exception as error:  # rasterio, h5py and h5netcdf raise many kinds; all mean that it cannot be read
        reason = reason_of(error.__cause__ or error)
        raise DataNotFoundError(
            f"Cannot read labels from '{file}' ({reason}); give FILE.tif or FILE.nc:VARIABLE."
        ) from error


def _label_values(file: Path, variable: str) -> NDArray[np.int64]:
    if file.suffix.lower() in (".tif", ".tiff"):
        import rasterio

        with rasterio.open(file) as raster:
            return np.asarray(raster.read(1), dtype=np.int64)
    with open_netcdf(file) as dataset:
        if variable not in dataset:
            raise InputError(f"'{file}' has no variable '{variable}'; it has {', '.join(map(str, dataset.data_vars))}.")
        return np.asarray(dataset[variable].values, dtype=np.int64)


def _mapping_file(file: Path) -> Any:
    import yaml

    text = file.read_text(encoding="utf-8")
    try:
        return json.loads(text) if file.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(f"'{file}' is not readable ({reason_of(error)}); correct the file.") from error


def _labelled(
    series: PixelSeries,
    labels: NDArray[np.str_],
    taxonomy: Taxonomy,
    mapping: Labels | Sequence[Labels] | None,
    block: NDArray[np.int64],
    fold: NDArray[np.int64],
    *,
    title: str,
    where: str,
    split: str,
) -> LabelledSet:
    truth, skipped = class_index(labels, taxonomy, mapping)
    seen = series.valid.any(axis=1)
    keep = (truth >= 0) & seen
    if not keep.any():
        listed = ", ".join(f"'{label}' ({count})" for label, count in list(skipped.items())[:8])
        if (truth >= 0).any():
            raise InputError(f"{where}: none of the {int((truth >= 0).sum())} labelled samples was ever seen clearly.")
        raise InputError(f"{where}: no label belongs to a class; labels seen: {listed or 'none'}. Give a --mapping.")
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
    names = [series.sample_id[i] for i in np.flatnonzero(keep)]
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
