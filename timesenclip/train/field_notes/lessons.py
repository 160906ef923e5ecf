"""What a teacher says about simulated and real places, put together with what is known about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from timesenclip.eo.outliers import series_without_outliers
from timesenclip.series import PixelSeries
from timesenclip.train.field_notes.notes import ClassList, kinds_of_place
from timesenclip.train.field_notes.real_sets import RealSet
from timesenclip.train.field_notes.teacher import CLASSES, PLACES, Lessons, Teacher, balanced

__all__ = ["GROUP_OF_CLASS", "kinds_of_classes", "restricted", "teach_real", "teach_simulated", "with_votes"]

GROUP_OF_CLASS: tuple[str, ...] = (
    "water",
    "woodland",
    "grassland",
    "wetland",
    "crops",
    "shrubland",
    "built-up",
    "bare land",
    "snow and ice",
)
"""Everyday group of each of the teacher's classes: its notes are those of the kind `any <group>`."""

_RARE = ("Flooded vegetation", "Snow and ice")  # too rare in the real sets for their prior to be known


def teach_real(teacher: Teacher, sets: list[RealSet], *, balance: float) -> list[Lessons]:
    """What the teacher says about the places of real sets, with its class priors taken out.

    It is asked without outlying steps. The prior of a class is its geometric mean over all sets, each set counting the
    same.

    Args:
        teacher: the teacher.
        sets: real sets.
        balance: how far priors are taken out, as `balanced`.
    """
    lessons = [teacher.teach(series_without_outliers(real.series)) for real in sets]
    logs = np.stack([np.log(np.maximum(told.probabilities, 1e-6)).mean(axis=0) for told in lessons]).mean(axis=0)
    rare = np.isin(CLASSES, _RARE)
    logs[rare] = logs[~rare].mean()
    return [replace(told, probabilities=balanced(told.probabilities, logs, strength=balance)) for told in lessons]


def teach_simulated(teacher: Teacher, series: PixelSeries, *, rng: np.random.Generator) -> Lessons:
    """What the teacher says about simulated places, asked at one of its places, drawn for this call."""
    return teacher.teach(series, places=(PLACES[int(rng.integers(len(PLACES)))],))


def with_votes(probabilities: NDArray[np.float32], votes: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """The teacher's probabilities times Dynamic World's votes (N, 9), scaled to one; a class without votes keeps 5 %.

    Neither is right alone: the votes are of single images, some of them cloudy.
    """
    if votes is None:
        return probabilities
    joint = probabilities * (votes + 0.05)
    return np.asarray(joint / joint.sum(axis=1, keepdims=True), dtype=np.float32)


def kinds_of_classes() -> NDArray[np.float32]:
    """(9, kinds) the kind of place that each of the teacher's classes speaks of: `any <group>`."""
    kinds = kinds_of_place()
    out = np.zeros((len(CLASSES), len(kinds)), dtype=np.float32)
    for row, group in enumerate(GROUP_OF_CLASS):
        out[row, kinds.index(f"any {group}")] = 1.0
    return out


def restricted(
    probabilities: NDArray[np.float32], mixture: NDArray[np.float32], dynamic_world: ClassList
) -> NDArray[np.float32]:
    """The teacher's probabilities where a label is known: only classes that may be true of it, scaled to one.

    Args:
        probabilities: (N, 9) of the teacher.
        mixture: (N, kinds) what the labels say; rows of zeros where there is none, which keep the probabilities.
        dynamic_world: the class list `dynamic-world`, in the teacher's order.
    """
    possible = mixture @ dynamic_world.true.astype(np.float32)  # (N, 9)
    labelled = mixture.sum(axis=1, keepdims=True) > 0
    joint = np.where(labelled, (probabilities + 0.02) * possible, probabilities)
    return np.asarray(joint / joint.sum(axis=1, keepdims=True), dtype=np.float32)
