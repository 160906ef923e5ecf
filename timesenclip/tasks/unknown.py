"""What is called `unknown`: the rule of a checkpoint, another cosine, or nothing that was seen clearly."""

from __future__ import annotations

from timesenclip.errors import InputError
from timesenclip.model.checkpoint_config import Calibration

__all__ = ["ANSWERED_ALL", "calibration_for"]

ANSWERED_ALL = "Everything that was seen clearly has an answer (answer_all): none is unknown because no class fits it."
"""Note of evaluations in which nothing is called unknown."""


def calibration_for(
    calibration: Calibration,
    unknown_below: float | None = None,
    *,
    answer_all: bool = False,
    classes: int | None = None,
) -> Calibration:
    """A calibration with another rule of what is `unknown`.

    Args:
        calibration: that of the checkpoint, store or head.
        unknown_below: cosine below which nothing fits; None keeps that of the calibration, -1 calls nothing unknown.
        answer_all: everything that was seen clearly gets its best class; the other values stay.
        classes: K, where it is known.

    Raises:
        InputError: `unknown_below` goes with `answer_all`, or there is one class to answer with.
    """
    if not answer_all:
        return calibration if unknown_below is None else calibration.model_copy(update={"unknown_score": unknown_below})
    if unknown_below is not None:
        raise InputError(
            f"unknown_below {unknown_below:g} (--unknown-below) was given with answer_all (--answer-all), which calls "
            "nothing unknown that was seen; give one of them."
        )
    if classes == 1:
        raise InputError(
            "answer_all (--answer-all) with one phrase would give it to every point; give two phrases or more."
        )
    return calibration.model_copy(update={"unknown_score": None})
