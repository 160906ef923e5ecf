"""What a checkpoint answers in one region, by class, with intervals, beside forests, chance and the majority."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesenclip.evaluation.metrics import compute_metrics
from timesenclip.series import PixelSeries
from timesenclip.spatial import spatial_blocks
from timesenclip.train.field_notes.forests import Learned
from timesenclip.train.field_notes.questions import Asked

__all__ = ["ClassResult", "TaskResult", "balanced_accuracy", "measure_task", "wilson_interval"]

_Z = 1.959964  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class ClassResult:
    """Answers for the places of one class."""

    name: str
    """The class."""
    count: int
    """Places of the class."""
    recall: float
    """Share of them that are answered with the class, when every place is answered."""
    interval: tuple[float, float]
    """95 % interval of `recall`, by Wilson's formula: places are taken to be independent."""
    shipped: float
    """The same share when places that are `unknown` count as wrong."""
    elsewhere: float | None
    """Recall of the forest that had labels from elsewhere; None without one, or where it has not met the class."""
    same: float | None
    """Recall of the forest that had labels of the same region; None where there is none."""
    instead: str
    """The wrong answer that is given most often; empty where there is none."""
    instead_share: float
    """Share of the places that get it."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """Answers to one question in one region."""

    region: str
    """Name of the region."""
    title: str
    """What its set is."""
    task: str
    """The question."""
    asked: int
    """Number of classes that compete."""
    places: int
    """Places that take part."""
    classes: tuple[ClassResult, ...]
    """The classes that have enough places."""
    few: Mapping[str, int]
    """Classes with too few places, with their numbers."""
    balanced: float
    """Mean recall over the classes, every place answered."""
    interval: tuple[float, float] | None
    """95 % interval of `balanced`, from a bootstrap over blocks of land; None with one block."""
    shipped: float
    """Mean recall over the classes when places that are `unknown` count as wrong."""
    unknown: float
    """Share of the places that are `unknown`."""
    elsewhere: float | None
    """Balanced accuracy of the forest that had labels from elsewhere."""
    same: float | None
    """Balanced accuracy of the forest that had labels of the same region."""
    notes: tuple[str, ...]
    """How the forests were made."""

    @property
    def chance(self) -> float:
        """Balanced accuracy of answers drawn at random from the classes that compete."""
        return 1 / self.asked

    @property
    def majority(self) -> float:
        """Balanced accuracy of the answer that is right most often, given to every place."""
        return 1 / len(self.classes)

    @property
    def mapped(self) -> tuple[float, float]:
        """Share of the places of the most frequent class, and of places that are answered right."""
        right = sum(row.count * row.recall for row in self.classes)
        return max(row.count for row in self.classes) / self.places, right / self.places


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share. Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Args:
        right: successes.
        count: trials, at least one.
    """
    share = right / count
    middle = share + _Z**2 / (2 * count)
    spread = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    scale = 1 + _Z**2 / count
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def balanced_accuracy(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Mean recall over the classes of `truth` (N,)."""
    return float(np.mean([np.mean(predicted[truth == k] == k) for k in np.unique(truth)]))


def measure_task(
    series: PixelSeries,
    asked: Asked,
    scores: NDArray[np.float32],
    *,
    region: str,
    title: str,
    task: str,
    unknown_score: float | None,
    elsewhere: Learned | None = None,
    same: Learned | None = None,
) -> TaskResult:
    """Compare answers with labels.

    Args:
        series: N series, for their places.
        asked: the question, with at least one class that has enough places.
        scores: (N, K) cosines.
        region, title, task: names.
        unknown_score: cosine below which a place is `unknown`; None: never.
        elsewhere, same: what the forests answer.
    """
    used = asked.used
    truth, answer = asked.truth[used], scores[used].argmax(axis=1)
    unknown = scores[used].max(axis=1) < (-1.0 if unknown_score is None else unknown_score)
    kept = np.where(unknown, -1, answer)
    block = spatial_blocks(lat_deg=series.lat_deg[used], lon_deg=series.lon_deg[used])
    found = compute_metrics(truth, answer, names=asked.taxonomy.names, block=block)
    forests = {"elsewhere": elsewhere, "same": same}
    rows = tuple(_class_row(k, asked, answer, kept, forests) for k in asked.present)
    notes = [
        f"Forest with labels {where}: {learned.places:,} places, {learned.how}; bands {' '.join(learned.bands)}."
        for where, learned in (("from elsewhere", elsewhere), ("of the region", same))
        if learned is not None
    ]
    overall = {
        name: None if learned is None else balanced_accuracy(truth, learned.predicted[used])
        for name, learned in forests.items()
    }
    return TaskResult(
        region=region,
        title=title,
        task=task,
        asked=len(asked.taxonomy),
        places=len(used),
        classes=rows,
        few=asked.few,
        balanced=found.balanced_accuracy,
        interval=found.intervals.get("balanced_accuracy"),
        shipped=balanced_accuracy(truth, kept),
        unknown=float(unknown.mean()),
        notes=tuple(notes),
        **overall,
    )


def _class_row(
    k: int,
    asked: Asked,
    answer: NDArray[np.int64],
    kept: NDArray[np.int64],
    forests: Mapping[str, Learned | None],
) -> ClassResult:
    """Answers for class k; `answer` and `kept` (-1 where unknown) are those of the places that take part."""
    used, names = asked.used, asked.taxonomy.names
    here = asked.truth[used] == k
    count, right = int(here.sum()), int((answer[here] == k).sum())
    wrong = np.bincount(answer[here & (answer != k)], minlength=len(names))
    most = int(wrong.argmax())
    recalls = {
        name: float((learned.predicted[used][here] == k).mean()) if learned is not None and k in learned.known else None
        for name, learned in forests.items()
    }
    return ClassResult(
        name=names[k],
        count=count,
        recall=right / count,
        interval=wilson_interval(right, count),
        shipped=float((kept[here] == k).mean()),
        instead=names[most] if wrong[most] else "",
        instead_share=float(wrong[most] / count),
        **recalls,
    )
