"""Classify one block of a store."""

from __future__ import annotations

import numpy as np

from timesenclip.mapping.output.class_map import ClassBlock
from timesenclip.mapping.query import Query
from timesenclip.mapping.store.info import BlockData
from timesenclip.mapping.store.quantise import score_rows

__all__ = ["ask_block"]


def ask_block(data: BlockData, query: Query, *, min_clear: int, keep_scores: bool) -> ClassBlock:
    """Classify a window that was read from a store.

    Args:
        data: a window of the store.
        query: what is asked, in the store's dimensions.
        min_clear: pixels with fewer clear observations are not classified.
        keep_scores: whether the scores will be written.

    Raises:
        InputError: the query was made for another store.
    """
    masked = (data.scale > 0) & (data.clear < min_clear)
    scale = np.where(masked, np.float32(0), data.scale).reshape(-1)
    scores = score_rows(data.vectors.reshape(len(scale), -1), scale, query.compared)  # (N, K)
    return ClassBlock.from_scores(
        scores, query, clear=data.clear, colour=data.colour, masked=int(masked.sum()), keep_scores=keep_scores
    )
