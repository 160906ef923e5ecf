"""One phrase alone: what it is compared with, and where it fits.

With several phrases the question is which fits best. With one there would be no competitor, so it is compared with the
phrases of a background that do not mean the same (`timesenclip.ground.background`), and the answer is whether it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesenclip.errors import InputError
from timesenclip.ground.background import as_background, embed_background, phrase_texts
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.ground.tower import GroundTower
from timesenclip.model.checkpoint_config import Calibration
from timesenclip.tasks.phrase_fit import phrase_fit, phrase_margin

__all__ = ["Rivals", "judge", "rivals_of"]


@dataclass(frozen=True, slots=True)
class Rivals:
    """The background phrases that compete with one phrase."""

    background: str
    """Name of the background."""
    names: tuple[str, ...]
    """(J,) those that compete."""
    kin: tuple[str, ...]
    """Those that do not, as they mean the same, something more general, or a kind of it."""
    vectors: NDArray[np.float32]
    """(J, D) unit rows."""

    @property
    def about(self) -> dict[str, Any]:
        """What the provenance says."""
        return {"background": self.background, "competitors": list(self.names), "left_out_as_kin": list(self.kin)}

    def moved(self, vectors: NDArray[np.float32]) -> Rivals:
        """The same phrases in the dimensions of a store."""
        return replace(self, vectors=vectors)


def rivals_of(
    classes: Taxonomy,
    tower: GroundTower,
    *,
    against: Taxonomy | str | Path | Sequence[str] | None = None,
    templates: str | Sequence[str] = "default",
) -> Rivals | None:
    """What one phrase is compared with; None for several classes, which compete with each other.

    Args:
        classes: what is asked.
        tower: the tower that it is embedded with.
        against: a class list, its name, a YAML file, or a list of phrases, instead of the shipped background. Phrases
            of a list compete even if they are near in meaning, as they were chosen for this one question.
        templates: prompt templates.

    Raises:
        InputError: `against` was given with several classes, or none of it competes.
        TaxonomyError, DataNotFoundError, PromptError: the background cannot be read or embedded.
    """
    if len(classes) != 1:
        if against is not None:
            raise InputError(
                f"A background was given (--against) with {len(classes)} classes, which compete with each other; give "
                "it with one phrase alone."
            )
        return None
    taxon = classes.classes[0]
    chosen = as_background(against)
    background = embed_background(chosen, tower, templates)
    if against is None or isinstance(against, Taxonomy | str | Path):
        competing = background.competitors(phrase_texts(taxon, tower), (taxon.name, *taxon.synonyms))
    else:
        competing = np.array([name.casefold() != taxon.name.casefold() for name in chosen.names])
    if not competing.any():
        raise InputError(
            f"No phrase of the background '{chosen.name}' competes with '{taxon.name}': all mean the same, or kinds of "
            "it; give others with --against."
        )
    names = np.array(chosen.names, dtype=object)
    return Rivals(chosen.name, tuple(names[competing]), tuple(names[~competing]), background.vectors[competing])


def judge(
    scores: NDArray[np.float32], calibration: Calibration, unknown_below: float | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where a phrase fits.

    Args:
        scores: (N, 1 + J) cosines of the phrase and of its competitors; NaN rows stay NaN.
        calibration: of the checkpoint.
        unknown_below: the phrase fits where its own cosine is at least this, instead of where the probability is 0.5.

    Returns:
        (N,) the probability that the phrase fits, and (N,) whether it does.
    """
    probability = phrase_fit(calibration).probability(
        phrase_margin(scores[:, 0], scores[:, 1:], calibration.temperature)
    )
    fits = probability >= 0.5 if unknown_below is None else scores[:, 0] >= unknown_below
    return probability, np.asarray(fits)
