from __future__ import annotations

import numpy as np
import pytest

from timesenclip.errors import InputError
from timesenclip.grid import Window
from timesenclip.mapping.embed_area import StoreResult
from timesenclip.mapping.query import Query, make_query
from timesenclip.mapping.run.ask_block import ask_block


def test_pixels_are_classified_by_their_cosines(embedded: StoreResult) -> None:
    store = embedded.store
    query, data = make_query(store, ["maize", "grassland", "water"]), store.read(Window(0, 16, 0, 16))
    block = ask_block(data, query, min_clear=0, keep_scores=True)
    cosines = data.unpacked() @ query.vectors.T  # (Y, X, K)
    seen = data.scale > 0
    assert (block.classes[~seen] == 255).all()
    assert (~seen).sum() >= 8 * 6
    best = np.where(cosines.max(axis=-1) < query.calibration.unknown_score, 0, cosines.argmax(axis=-1) + 1)
    assert np.array_equal(block.classes[seen], best[seen])
    assert block.scores is not None
    assert np.allclose(block.scores[:, seen].T, cosines[seen], atol=1e-5)
    assert block.masked == 0


def test_pixels_with_too_few_observations_are_masked(embedded: StoreResult) -> None:
    query, data = make_query(embedded.store, ["maize"]), embedded.store.read(Window(0, 16, 0, 16))
    block = ask_block(data, query, min_clear=4, keep_scores=False)
    rare = (data.scale > 0) & (data.clear < 4)
    assert block.masked == rare.sum() > 0
    assert (block.classes[rare] == 255).all()
    assert block.scores is None


def test_a_query_in_other_dimensions_is_refused(embedded: StoreResult, query: Query) -> None:
    with pytest.raises(InputError, match="64 dimensions, class vectors 256"):
        ask_block(embedded.store.read(Window(0, 16, 0, 16)), query, min_clear=0, keep_scores=False)
