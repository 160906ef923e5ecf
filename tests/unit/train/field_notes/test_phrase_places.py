"""Places at which it is known which phrases are true."""

from __future__ import annotations

import numpy as np
import pytest

from timesenclip.ground.load import load_tower
from timesenclip.model.checkpoint import load
from timesenclip.train.field_notes import phrase_places
from timesenclip.train.field_notes.notes import kinds_of_place
from timesenclip.train.field_notes.phrase_places import phrase_truth, with_phrase_fit


def test_own_words_are_true_far_ones_false_and_near_ones_open() -> None:
    tower = load_tower("compact")
    vectors, truth = phrase_truth(tower)
    assert truth.shape == (len(kinds_of_place()), len(vectors))
    kinds = list(kinds_of_place())

    def said(kind: str, phrase: str) -> int:
        same = np.flatnonzero(vectors @ tower.encode_text([phrase])[0] > 0.999)
        return int(truth[kinds.index(kind), same].max())

    assert said("maize", "maize") == 1
    assert said("maize", "crops") == 1
    assert said("maize", "glacier") == said("maize", "trees") == said("clear lake and sea", "maize") == 0
    assert said("winter wheat", "winter barley") == -1
    assert said("any crops", "maize") == -1
    assert (truth == 1).any(axis=0).all()


def test_the_fit_is_written_into_the_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrase_places, "_PLACES", 300)
    model = load()
    fitted = with_phrase_fit(model, seed=1)
    calibration = fitted.config.calibration
    assert calibration.phrase_margin is not None
    assert calibration.phrase_scale is not None
    assert -1 < calibration.phrase_margin < 0.5
    assert calibration.temperature == model.config.calibration.temperature
    assert fitted.encoder is model.encoder
