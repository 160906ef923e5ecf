"""Compare two stores of one area: changes of the embedding and of the class, and the months that differ most.

The same place differs a little from year to year. The default threshold of change is therefore measured on the area
itself: the median of all distances + 3 robust standard deviations.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from affine import Affine

from timesenclip.eo.area import AreaSource
from timesenclip.eo.band_presence import describe_bands
from timesenclip.errors import CheckpointError, DegradedInputWarning, GridError, InputError
from timesenclip.files import write_json
from timesenclip.grid import six_numbers
from timesenclip.mapping.change_blocks import ChangeMarks, StorePair
from timesenclip.mapping.change_statistics import Transition
from timesenclip.mapping.output.layers import AreaGrid
from timesenclip.mapping.output.staging import CHANGE_FILES, check_map_folder, map_folder, staged
from timesenclip.mapping.output.write_map import write_rasters
from timesenclip.mapping.query import Query
from timesenclip.mapping.run.blocks import Progress
from timesenclip.mapping.store.store import EmbeddingStore

__all__ = ["ChangeResult", "change_stores"]


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """The result of a comparison, and its files."""

    folder: Path
    """Where the files are."""
    files: dict[str, Path]
    """By kind: distance, changed, before, after, month, statistics."""
    threshold: float
    """Cosine distance above which a pixel counts as changed."""
    compared: int
    """Pixels seen in both stores."""
    changed: int
    """Pixels whose embedding moved by more than the threshold."""
    hectares: float
    """Their area."""
    median_distance: float
    """Median distance over the area."""
    transitions: tuple[Transition, ...] = ()
    """Pixels whose class differs, the largest number first; empty without a query."""
    months: dict[str, float] = field(default_factory=dict)
    """Share of the changed pixels whose largest difference lies in a month; empty without cubes."""
    answer_all: bool = False
    """Whether every pixel that was seen has a class."""


def change_stores(
    before: EmbeddingStore | str | Path,
    after: EmbeddingStore | str | Path,
    *,
    out: str | Path,
    query: Query | None = None,
    threshold: float | None = None,
    min_clear: int = 0,
    cubes: tuple[AreaSource, AreaSource] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ChangeResult:
    """Compare two stores of one area.

    Args:
        before, after: complete stores of the same grid and checkpoint.
        out: folder for the files; it is made.
        query: also compare the classes (see `make_query`, asked of `before`).
        threshold: cosine distance above which a pixel has changed; default: median + 3 robust standard deviations.
        min_clear: pixels with fewer clear observations in either store are left out.
        cubes: areas that the two stores were made of; the month of the largest difference is then mapped, too.
        workers: threads; default: one a core.
        progress: called with (done, all) in pixels.

    Raises:
        GridError: the stores are not on one grid.
        CheckpointError: they were made by different checkpoints, whose vectors cannot be compared.
        InputError: a store is not complete, the threshold is no cosine distance, or a file would replace one that is
            not ours.
        NoClearObservationError: no pixel was seen in both.

    Warns:
        DegradedInputWarning: the stores were made of different bands.
    """
    check_map_folder(out, "change map", CHANGE_FILES)
    first, second = (s if isinstance(s, EmbeddingStore) else EmbeddingStore.open(s) for s in (before, after))
    _check_comparable(first, second)
    _warn_of_bands(first, second)
    if threshold is not None and not 0 <= threshold <= 2:
        raise InputError(f"threshold is {threshold:g}; a cosine distance is 0..2.")
    if cubes is not None:
        _check_cubes(cubes, (first, second))
    pair = StorePair(first, second, None if query is None else (query, query.for_store(second)), min_clear)
    with (
        map_folder(out, "change map", CHANGE_FILES) as folder,
        staged(folder, "change map", CHANGE_FILES) as stage,
    ):
        found = _compare(pair, stage, threshold, cubes, workers, progress)
    return replace(found, folder=folder, files={name: folder / path.name for name, path in found.files.items()})


def _compare(
    pair: StorePair,
    folder: Path,
    threshold: float | None,
    cubes: tuple[AreaSource, AreaSource] | None,
    workers: int | None,
    progress: Progress | None,
) -> ChangeResult:
    """Write all files into a folder."""
    first, second, grid = pair.first, pair.second, AreaGrid.of(pair.first)
    files = write_rasters(pair.layers(), pair.blocks(workers), folder=folder, grid=grid, progress=progress)
    limit = pair.distances.outlier_threshold() if threshold is None else threshold
    marks = ChangeMarks((first, second), files["distance"], limit, cubes)
    files |= write_rasters(marks.layers(), marks.blocks(), folder=folder, grid=grid)
    classes = None if pair.queries is None else pair.queries[0].taxonomy
    result = ChangeResult(
        folder=folder,
        files=files,
        threshold=limit,
        compared=pair.distances.total,
        changed=marks.changed,
        hectares=marks.changed * grid.pixel_m**2 / 10_000,
        median_distance=pair.distances.quantile(0.5),
        transitions=() if classes is None else pair.classes.transitions(classes, grid.pixel_m),
        months=marks.month_shares(),
        answer_all=pair.queries is not None and bool(pair.queries[0].origin.get("answer_all")),
    )
    files["statistics"] = _write_statistics(result, first, second, None if pair.queries is None else pair.queries[0])
    return result


def _check_comparable(first: EmbeddingStore, second: EmbeddingStore) -> None:
    for store in (first, second):
        store.require_complete()
    one, other = first.info, second.info
    if (one.shape, one.crs, one.transform) != (other.shape, other.crs, other.transform):
        raise GridError(
            f"The stores are on different grids ({one.shape} pixels, {six_numbers(one.transform)} and "
            f"{other.shape} pixels, {six_numbers(other.transform)}); embed one area for both periods."
        )
    if one.digest != other.digest:
        raise CheckpointError(
            f"'{first.path}' was made by checkpoint '{one.checkpoint}' ({one.digest}), '{second.path}' by "
            f"'{other.checkpoint}' ({other.digest}); their vectors cannot be compared. Embed both with one."
        )


def _warn_of_bands(first: EmbeddingStore, second: EmbeddingStore) -> None:
    """Warn where the stores were made of different bands: then the embedding differs although the land may not."""
    one, other = first.bands, second.bands
    if one and other and one != other:
        warnings.warn(
            f"'{first.path}' was made of bands {describe_bands(one)}, '{second.path}' of {describe_bands(other)}; part "
            "of the difference comes from the bands. Embed both from the same bands to be sure.",
            DegradedInputWarning,
            stacklevel=3,
        )


def _corner(transform: Affine) -> tuple[float, float]:
    """X and y of the upper left corner of a grid."""
    return transform.xoff, transform.yoff


def _check_cubes(cubes: tuple[AreaSource, AreaSource], stores: tuple[EmbeddingStore, EmbeddingStore]) -> None:
    for cube, store in zip(cubes, stores, strict=True):
        if (cube.shape, cube.transform) != (store.shape, store.transform):
            raise GridError(
                f"{cube.source_name} has {cube.shape} pixels from {_corner(cube.transform)} on, the store "
                f"'{store.path}' has {store.shape} from {_corner(store.transform)} on; give the area that the "
                "store was made of."
            )
    for cube, store in zip(cubes, stores, strict=True):
        cube.check_offset(store.period)


def _write_statistics(result: ChangeResult, first: EmbeddingStore, second: EmbeddingStore, query: Query | None) -> Path:
    path = result.folder / "change.json"
    content = {
        "before": {"store": str(first.path), "period": first.info.period, "bands": first.bands},
        "after": {"store": str(second.path), "period": second.info.period, "bands": second.bands},
        "checkpoint": {"name": first.info.checkpoint, "digest": first.info.digest},
        **({} if query is None or query.rivals is None else {"against": query.rivals.about}),
        **{key: value for key, value in asdict(result).items() if key not in ("folder", "files")},
    }
    if not math.isfinite(result.threshold):
        raise InputError("The threshold is not a number; give one with --threshold.")
    return write_json(path, content)
