from __future__ import annotations

import numpy as np

from timesenclip.mapping.store.info import BlockData
from timesenclip.mapping.store.overviews import pool
from timesenclip.mapping.store.quantise import quantise


def block(vectors: np.ndarray, clear: np.ndarray, colour: int = 100) -> BlockData:
    values, scale = quantise(vectors.reshape(-1, vectors.shape[-1]))
    shape = vectors.shape[:2]
    seen = scale.reshape(shape) > 0
    return BlockData(
        values.reshape(vectors.shape),
        scale.reshape(shape),
        clear.astype(np.uint16),
        np.where(seen[..., None], colour, 0).astype(np.uint8).repeat(3, axis=-1),
    )


def test_a_pixel_is_the_mean_of_those_seen_below_it_and_as_long_as_they_are() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3, 5, 16)).astype(np.float32)
    vectors *= 0.9 / np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors[0, 0] = np.nan
    vectors[0:2, 2:4] = np.nan  # four that were not seen
    pooled = pool(block(vectors, np.arange(15).reshape(3, 5)))
    assert pooled.scale.shape == (2, 3)
    assert pooled.scale[0, 1] == 0
    assert pooled.colour[0, 1].tolist() == [0, 0, 0]
    assert (pooled.colour[0, 0] == 100).all()
    back = pooled.unpacked()
    expected = np.nanmean([vectors[0, 1], vectors[1, 0], vectors[1, 1]], axis=0)
    assert np.allclose(back[0, 0], expected / np.linalg.norm(expected) * 0.9, atol=0.01)
    assert np.allclose(back[1, 2], vectors[2, 4], atol=0.01)  # the corner of an odd area stands alone
    lengths = np.linalg.norm(back, axis=-1)
    assert np.allclose(lengths[np.isfinite(lengths)], 0.9, atol=0.01)
    assert pooled.clear.tolist() == [[3, 5, 6], [10, 12, 14]]  # (0+1+5+6)/4, ..., the edge counts what exists
