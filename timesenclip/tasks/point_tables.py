"""Classify or embed a table of points of any size: it is read in batches, and each batch is written when it is done."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from timesenclip._version import __version__
from timesenclip.eo.outliers import OUTLYING_STEPS, count_outlying
from timesenclip.errors import DegradedInputWarning, InputError, NoClearObservationError
from timesenclip.ground.taxonomy import Taxonomy, as_taxonomy
from timesenclip.series import PixelSeries
from timesenclip.tasks.classify import UNKNOWN, Classification, classify
from timesenclip.tasks.parquet import (
    check_output,
    classify_columns,
    classify_schema,
    embed_schema,
    embedding_column,
    open_table,
)
from timesenclip.tasks.phrase_alone import rivals_of

if TYPE_CHECKING:
    from timesenclip.model.checkpoint import Model

__all__ = ["SHOWN_ROWS", "TableSummary", "classify_table", "embed_table"]

_BATCH = 20_000
"""Series read at once: some 10 MB of reflectance for twelve months, whatever the size of the table."""
_NAMED = 5
"""Points without a clear observation that a message names."""
SHOWN_ROWS = 20
"""Predictions that a summary keeps one by one."""

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class TableSummary:
    """The predictions of a table, counted batch by batch."""

    names: Sequence[str]
    """The K classes."""
    count: int = 0
    """Points."""
    points: dict[str, int] = field(default_factory=dict)
    """Points by class; `unknown` is the last."""
    first: list[tuple[str, str, float]] = field(default_factory=list)
    """`sample_id`, label and confidence (NaN where unknown) of the first `SHOWN_ROWS` points."""
    _confidence: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start every class at zero."""
        self.points = dict.fromkeys([*self.names, UNKNOWN], 0)
        self._confidence = dict.fromkeys([*self.names, UNKNOWN], 0.0)

    def add(self, result: Classification) -> None:
        """Count the predictions of one batch."""
        for sample, label, confidence in zip(result.sample_id, result.label, result.confidence, strict=True):
            self.count += 1
            self.points[label] += 1
            self._confidence[label] += float(confidence)
            if self.count <= SHOWN_ROWS:
                self.first.append((sample, label, float(confidence)))

    @property
    def unknown_share(self) -> float:
        """Share of the points that are `unknown`."""
        return self.points[UNKNOWN] / self.count

    def rows(self) -> list[tuple[str, int, float, float]]:
        """Label, points, share and mean confidence (NaN without a point, and of `unknown`) of each class."""
        return [
            (label, points, points / self.count, self._confidence[label] / points if points else float("nan"))
            for label, points in self.points.items()
        ]


def classify_table(
    points: str | Path,
    taxonomy: Taxonomy | str | Path | Sequence[str],
    *,
    model: Model,
    out: str | Path | None = None,
    templates: str | Sequence[str] = "default",
    against: Taxonomy | str | Path | Sequence[str] | None = None,
    prior_correction: bool = False,
    unknown_below: float | None = None,
    answer_all: bool = False,
    head: str | Path | None = None,
    progress: Progress | None = None,
    **read_options: Any,
) -> TableSummary:
    """Classify the points of a table by words, and write one row a point.

    Args:
        points: the table, as `read_points` takes it.
        taxonomy: a taxonomy, its name, a YAML file, or a list of phrases: the K classes.
        model: the model; with a head, the one that `adapted` gives.
        out: Parquet file to write (docs/cli.md says its columns); None: none.
        templates, against, unknown_below, answer_all: as `classify`.
        prior_correction: as `classify`, over the whole table, which is then read at once.
        head: where the model's head lies, for the file's provenance.
        progress: called with (points done, 0).
        read_options: period, units and so on, as `read_points`.

    Raises:
        InputError: `out` does not end in .parquet.
        NoClearObservationError: no point was ever seen clearly.

    Warns:
        DegradedInputWarning: some points were never seen clearly, or some bands are not there.
    """
    file = None if out is None else Path(out)
    check_output(file, points)
    classes = as_taxonomy(taxonomy)
    summary = TableSummary(classes.names)
    reading = _Reading(points, read_options)
    query: dict[str, Any] = {
        "taxonomy": classes.name,
        "templates": templates,
        "head": None if head is None else str(head),
        "unknown_below": unknown_below,
        "answer_all": answer_all,
        "prior_correction": prior_correction,
    }
    rivals = rivals_of(classes, model.tower, against=against, templates=templates)
    if rivals is not None:
        query["against"] = rivals.about
    with open_table(file, classify_schema(classes.names)) as table:
        for series in reading.batches(model, whole=prior_correction):
            result = classify(
                series,
                classes,
                model=model,
                templates=templates,
                against=against,
                prior_correction=prior_correction,
                unknown_below=unknown_below,
                answer_all=answer_all,
            )
            summary.add(result)
            if table:
                table.write(series, classify_columns(result))
            if progress is not None:
                progress(summary.count, 0)
        if table:
            table.finish(reading.provenance(model) | query)
    return summary


def embed_table(
    points: str | Path, out: str | Path, *, model: Model, progress: Progress | None = None, **read_options: Any
) -> int:
    """Embed the points of a table, and write one unit vector a point.

    Args:
        points: the table, as `read_points` takes it.
        out: Parquet file to write (docs/cli.md says its columns).
        model: the model.
        progress: called with (points done, 0).
        read_options: period, units and so on, as `read_points`.

    Returns:
        The number of points.

    Raises:
        InputError: `out` does not end in .parquet.
        NoClearObservationError: no point was ever seen clearly.

    Warns:
        DegradedInputWarning: some points were never seen clearly, or some bands are not there.
    """
    from timesenclip.model.embed import embed

    file = Path(out)
    check_output(file, points)
    reading = _Reading(points, read_options)
    count = 0
    with open_table(file, embed_schema()) as table:
        assert table is not None  # a file is given
        for series in reading.batches(model):
            vectors = embed(series, model=model, missing="nan")
            table.write(series, {"embedding": embedding_column(vectors)})
            count += len(series)
            if progress is not None:
                progress(count, 0)
        table.finish(reading.provenance(model))
    return count


class _Reading:
    """A table that is read in batches, and how it was read."""

    def __init__(self, points: str | Path, options: Mapping[str, Any]) -> None:
        self._points = points
        self._options = dict(options)
        self._input: dict[str, Any] = {}

    def batches(self, model: Model, *, whole: bool = False) -> Iterator[PixelSeries]:
        """The table in batches, or `whole` if the prediction for one point depends on all of them.

        Args:
            model: what reads them; bands that a table does not have are said if it reads whatever is there.
            whole: in one batch.

        Raises:
            InputError: there is no point.
            NoClearObservationError: after the last batch, when no point of any was seen clearly.
        """
        from timesenclip.eo.points.absent_bands import AbsentBands
        from timesenclip.eo.points.read import iter_points, read_points
        from timesenclip.model.embed import readable
        from timesenclip.model.substitute import with_near_infrared

        bands = AbsentBands()
        if whole:
            batches: Iterator[PixelSeries] = iter([read_points(self._points, **self._options)])
        else:
            batches = iter_points(self._points, batch_size=_BATCH, **self._options)
        count, unseen = 0, 0
        names: list[str] = []
        for series in batches:
            bands.add(series)
            series = with_near_infrared(series, model)
            self._input = self._counted(series.provenance)
            cloudy = np.flatnonzero(~readable(series, model))
            count, unseen = count + len(series), unseen + len(cloudy)
            names += [series.sample_id[i] for i in cloudy[: _NAMED - len(names)]]
            yield series
        if not count:
            raise InputError(f"{self._points} has no points; expected at least one row.")
        if unseen:
            self._tell_unseen(count, unseen, names)
        if model.encoder.config.band_mask:
            bands.tell(str(self._points))

    def _counted(self, provenance: Mapping[str, Any]) -> dict[str, Any]:
        """The provenance of a batch, with the outlying steps and the substitutions of all batches so far."""
        outlying = count_outlying([self._input, provenance])
        before = {key: self._input[key] for key in ("substituted",) if key in self._input}
        return before | dict(provenance) | ({} if outlying is None else {OUTLYING_STEPS: outlying})

    def _tell_unseen(self, count: int, unseen: int, names: list[str]) -> None:
        listed = ", ".join(names) + (", ..." if unseen > len(names) else "")
        found = f"{self._points}: {unseen} of {count} points have no clear observation ({listed})"
        if unseen == count:
            raise NoClearObservationError(f"{found}; choose another --period, or points that were seen.")
        warnings.warn(f"{found}; they get no prediction.", DegradedInputWarning, stacklevel=2)

    def provenance(self, model: Model) -> dict[str, Any]:
        """The provenance of the predictions, for the metadata of the file."""
        return {
            "timesenclip": __version__,
            "points": str(self._points),
            "checkpoint": {"name": model.config.name, "digest": model.digest},
            "options": self._options,
            "input": self._input,
        }
