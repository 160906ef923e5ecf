"""The notes of every kind of place."""

from __future__ import annotations

import numpy as np

from timesenclip.ground.load import load_tower
from timesenclip.train.field_notes.notes import FieldNotes, kinds_of_place


def test_every_kind_of_place_has_notes_and_every_class_named_exists() -> None:
    notes = FieldNotes(load_tower("compact"))
    kinds = list(range(len(kinds_of_place())))
    views = notes.views(kinds, ["arid"] * len(kinds), rng=np.random.default_rng(0))
    assert views.shape == (len(kinds), 4, 256)
    assert np.allclose(np.linalg.norm(views, axis=2), 1, atol=1e-4)
    everyday, covers = notes.class_lists[:2]
    assert (everyday.true.sum(axis=1) == 1).all()
    exact = [i for i, kind in enumerate(kinds_of_place()) if not kind.startswith("any ")]
    assert (covers.true[exact].sum(axis=1) == 1).all()
    broad = kinds_of_place().index("any grassland")
    assert 1 < covers.true[broad].sum() < 20  # every grassland, and nothing else
    for listed in notes.class_lists:
        for single in (False, True):
            vectors = listed.vectors(single=single, rng=np.random.default_rng(0))
            assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
