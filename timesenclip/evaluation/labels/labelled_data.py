"""Labelled places from whatever holds them: tables of points, a cube with a raster of labels, or a training store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from timesenclip.eo.outliers import Outliers
from timesenclip.errors import InputError
from timesenclip.evaluation.labels.labelled import LabelledSet, Labels, labelled_cube, labelled_points, read_labels
from timesenclip.evaluation.labels.store import is_store, labelled_store
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.series import Cube
from timesenclip.spatial import BLOCK_DEG

__all__ = ["LabelledData", "read_labelled"]


_OF_POINTS = ("offset_dn", "step", "sensor")
_OF_CUBES = ("offset_dn", "provider", "collection", "baseline")


@dataclass(frozen=True, slots=True)
class LabelledData:
    """Labelled samples, and what they are samples of."""

    samples: LabelledSet
    """N series whose class is known."""
    unit: str
    """What a sample is: "points", "pixels" (of a cube) or "places" (of a training store)."""
    cube: Cube | None = None
    """The cube that the samples are pixels of, to cut patches from."""

    def drawn(self, most: int, *, seed: int = 0) -> LabelledData:
        """At most so many samples, drawn at random, in their order."""
        pick = np.sort(np.random.default_rng(seed).permutation(len(self.samples))[:most])
        return LabelledData(self.samples.take(pick), self.unit, self.cube)


def read_labelled(
    data: str | Path | Sequence[str | Path],
    labels: str,
    *,
    taxonomy: Taxonomy,
    mapping: Labels | Sequence[Labels] | None = None,
    block_deg: float = BLOCK_DEG,
    **read_options: Any,
) -> LabelledData:
    """Read labelled samples.

    Args:
        data: one or several tables of points, one cube (a `.nc`, a `.zarr`, a folder of `.nc` or of GeoTIFFs), or one
            training store.
        labels: column of a table; of a cube `FILE.tif` or `FILE.nc:VARIABLE`; of a store as `labelled_store`.
        taxonomy: the K classes that are asked.
        mapping: label -> class name, or several that are applied one after the other.
        block_deg: side of a block of land in degrees, for points and stores.
        read_options: period, units, every and `strict`; of points and cubes `offset_dn`, of points `step` and
            `sensor`, of a cube `provider`, `collection` and `baseline`, as `read_points` and `read_cube` take them;
            `outliers` of all.

    Raises:
        InputError: several inputs that cannot be joined, HDF5, an option of another kind of input, no such column, or
            no label is a class.
        GridError: the raster of labels has another shape than the cube.
    """
    outliers: Outliers = read_options.pop("outliers", "drop")
    paths = [Path(data)] if isinstance(data, str | Path) else [Path(path) for path in data]
    first = paths[0]
    if is_store(first):
        if len(paths) > 1:
            raise InputError(f"{len(paths)} inputs were given, the first a training store; give one store.")
        _refuse_others(read_options, (), f"the training store '{first}'")
        found = labelled_store(
            first, labels, taxonomy=taxonomy, mapping=mapping, block_deg=block_deg, outliers=outliers
        )
        return LabelledData(found, "places")
    if first.suffix.lower() in (".h5", ".hdf5"):
        raise InputError(
            f"'{first}' is HDF5; make a training store of it first, and give that: "
            f"timesenclip data sen4map {first} -o {first.with_suffix('.zarr').name}"
        )
    if first.is_dir() or first.suffix.lower() in (".nc", ".zarr"):
        from timesenclip.eo.cube.open import read_cube

        if len(paths) > 1:
            raise InputError(f"{len(paths)} inputs were given, the first a cube; give one cube, or tables of points.")
        _refuse_others(read_options, _OF_CUBES, f"the cube '{first}'")
        options = {name: value for name, value in read_options.items() if name != "strict"}
        cube = read_cube(first, **options)
        truth = read_labels(labels, on=cube)
        found = labelled_cube(cube, truth, taxonomy=taxonomy, mapping=mapping, title=first.name, outliers=outliers)
        return LabelledData(found, "pixels", cube)
    _refuse_others(read_options, _OF_POINTS, f"the table of points '{first}'")
    found = labelled_points(
        paths,
        label_column=labels,
        taxonomy=taxonomy,
        mapping=mapping,
        block_deg=block_deg,
        outliers=outliers,
        **read_options,
    )
    return LabelledData(found, "points")


def _refuse_others(read_options: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    """Refuse what tells how another kind of input is read.

    Raises:
        InputError: such an option was given.
    """
    others = [name for name in (*_OF_POINTS, *_OF_CUBES) if name in read_options and name not in known]
    if others:
        name = others[0]
        raise InputError(f"{name} {read_options[name]} was given, but it has no effect on {what}; leave it out.")
