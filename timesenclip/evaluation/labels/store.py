"""Labelled samples from a training store, with its own labels or those of a LUCAS table that is joined by id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesenclip.data.ground_views import read_ground_views
from timesenclip.data.lucas import label_column, read_lucas
from timesenclip.data.store import SeriesStore
from timesenclip.eo.outliers import Outliers, series_without_outliers
from timesenclip.errors import InputError
from timesenclip.evaluation.labels.ground_vectors import Ground
from timesenclip.evaluation.labels.labelled import LabelledSet, Labels, labelled_series
from timesenclip.ground.labels import class_index
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.spatial import BLOCK_DEG

__all__ = ["ground_views", "is_store", "labelled_store"]

_TABLES = (".csv", ".gpkg", ".parquet")


def is_store(path: Path) -> bool:
    """Whether a folder is a training store."""
    return (path / "index.parquet").is_file() and (path / "zarr.json").is_file()


def labelled_store(
    folder: str | Path,
    labels: str,
    *,
    taxonomy: Taxonomy,
    mapping: Labels | Sequence[Labels] | None = None,
    only: Sequence[str] | None = None,
    block_deg: float = BLOCK_DEG,
    outliers: Outliers = "drop",
) -> LabelledSet:
    """Build a labelled set from a training store.

    Args:
        folder: the store.
        labels: column of the store's index (`lc1`, `lu1`, `nuts0`, `eunis_l2`, `bioregion`), `auto` for the one that
            belongs to the taxonomy, or `FILE:COLUMN` (or `FILE:auto`) of a LUCAS table or of the authors' test labels,
            joined by id; columns have our names or those of the file (`lc_label`).
        taxonomy: the K classes.
        mapping: label -> class name; default: labels are LUCAS codes, class names or synonyms.
        only: ids of the places to read, such as those of the test split; default: all.
        block_deg: side of a block of land in degrees.
        outliers: what is done with outlying steps (see `timesenclip.eo.outliers`); a store holds them all.

    Raises:
        InputError: there is no such column, labels and places have no id in common, or no label belongs to a class.
    """
    store = SeriesStore.open(folder)
    ids = store.index["sample_id"].astype(str).to_numpy()
    rows = np.arange(len(ids)) if only is None else np.flatnonzero(np.isin(ids, list(map(str, only))))
    found = _labels(store, labels, taxonomy)[rows]
    rows, found = rows[found != ""], found[found != ""]
    if not len(rows):
        raise InputError(f"'{folder}': none of its places has a label in '{labels}'; do the ids agree?")
    if mapping is None:
        index, _ = class_index(found, taxonomy, lucas_groups=True)
        known = np.array([*taxonomy.names, ""])[index]  # a code becomes the name of its class, any other label stays
        found = np.where(index >= 0, known, found)
    source_name = f"{folder} ({labels})"
    series = series_without_outliers(store.series(rows), outliers)
    title = Path(folder).name
    return labelled_series(
        series, found, taxonomy=taxonomy, mapping=mapping, block_deg=block_deg, title=title, source_name=source_name
    )


def _labels(store: SeriesStore, labels: str, taxonomy: Taxonomy) -> NDArray[np.str_]:
    """A label for each place of the store, "" where there is none."""
    file, _, column = labels.rpartition(":")
    if file and Path(file).suffix.lower() in _TABLES:
        table = read_lucas(file, year=None).set_index("point_id")
        column = label_column(table, taxonomy.name, column)
        if column not in table:
            raise InputError(f"'{file}' has no column '{column}'; it has {', '.join(table.columns)}.")
        chosen = table[column].reindex(store.index["sample_id"].astype(str))
    else:
        column = label_column(store.index, taxonomy.name, labels)
        if column not in store.index:
            raise InputError(f"'{store.folder}' has no column '{column}'; it has {', '.join(store.index.columns)}.")
        chosen = store.index[column]
    return np.array(["" if value != value or value is None else str(value) for value in chosen], dtype=np.str_)


def ground_views(path: str | Path) -> Ground:
    """Read embedded photographs by place: a store of `ground embed`, or the published dictionary."""
    views = read_ground_views(path)
    vectors = views.vectors.astype(np.float32)
    return Ground(tuple(views.point_id.tolist()), vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
