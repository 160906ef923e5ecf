"""Places at which it is known which phrases are true, to fit what one phrase alone must reach.

At a kind of place its own words and the plain words of its group are true. A phrase is false there where it is far
from all these words in the tower; of phrases in between nobody can say.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesenclip.ground.background import embed_background, load_background
from timesenclip.ground.tower import GroundTower
from timesenclip.model.checkpoint import Model
from timesenclip.model.embed import embed
from timesenclip.series import PixelSeries
from timesenclip.simulate.series import simulate_series
from timesenclip.tasks.phrase_fit import fit_phrase
from timesenclip.train.field_notes.notes import FieldNotes, kinds_of_place
from timesenclip.train.field_notes.places import cover_shares

__all__ = ["phrase_truth", "with_phrase_fit"]

_PLACES = 8000
_FAR = 0.45
"""Cosine above the mean of unrelated words (0) towards equal ones (1) below which a phrase is false."""
_WORDS = 3
"""Words of each kind of place that are asked as phrases."""


def phrase_truth(tower: GroundTower) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Phrases and where they are true.

    Returns:
        (P, D) unit vectors of the phrases, and (kinds, P): 1 true, 0 false, -1 unknown; kinds as `kinds_of_place`.
    """
    everyday, covers = FieldNotes(tower).class_lists[:2]
    unrelated = embed_background(load_background(), tower).unrelated
    exact = np.array([not kind.startswith("any ") for kind in kinds_of_place()])  # a broad kind is any of its covers
    truths = (everyday.true, covers.true & exact[:, None])
    lists = [
        (phrases, true[:, k])
        for of, true in zip((everyday, covers), truths, strict=True)
        for k, phrases in enumerate(of.phrases)
    ]
    vectors = np.concatenate([phrases[:_WORDS] for phrases, _ in lists])  # (P, D)
    true = np.stack([where for phrases, where in lists for _ in phrases[:_WORDS]], axis=1)  # (kinds, P)
    alike = np.full(true.shape, -1.0)
    for phrases, where in lists:
        alike[where] = np.maximum(alike[where], (phrases @ vectors.T).max(axis=0))
    false = (alike - unrelated) / (1 - unrelated) < _FAR
    return vectors, np.where(true, 1, np.where(false, 0, -1)).astype(np.int8)


def with_phrase_fit(
    model: Model, *, seed: int, real: tuple[PixelSeries, tuple[str, ...]] | None = None, false_share: float = 0.03
) -> Model:
    """The model with `phrase_margin` and `phrase_scale` fitted; its temperature must be fitted before.

    Args:
        model: a trained model with its temperature.
        seed: of the simulated places.
        real: real places that were not trained on, and their kinds (`kinds_of_place`), beside the simulated ones.
        false_share: as `fit_phrase`: less makes absent things rarer, and loses more of those that are there.
    """
    made = simulate_series(_PLACES, rng=np.random.default_rng(20_000 + seed), shares=cover_shares())
    vectors, truth = phrase_truth(model.tower)
    position = {kind: k for k, kind in enumerate(kinds_of_place())}
    sets = [(made.series, made.cover), *([] if real is None else [real])]
    embeddings = np.concatenate([embed(series, model=model, missing="nan") for series, _ in sets])
    kinds = np.array([position[kind] for _, names in sets for kind in names])
    fitted = fit_phrase(
        embeddings,
        vectors,
        truth[kinds],
        background=embed_background(load_background(), model.tower),
        temperature=model.config.calibration.temperature,
        false_share=false_share,
    )
    calibration = model.config.calibration.model_copy(
        update={"phrase_margin": fitted.margin, "phrase_scale": fitted.scale}
    )
    config = model.config.model_copy(update={"calibration": calibration})
    return Model(model.encoder, config, digest=model.digest, tower=model.tower)
