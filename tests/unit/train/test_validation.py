"""Retrieval among held-out places."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from timesenclip.train.validation import instance_recall


def test_recall_counts_ties_as_misses() -> None:
    assert instance_recall(torch.eye(20), torch.eye(20)) == {1: 1.0, 5: 1.0, 10: 1.0}
    assert instance_recall(torch.ones(20, 3), torch.ones(20, 3)) == {1: 0.0, 5: 0.0, 10: 0.0}
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(300, 8, generator=rng), torch.randn(300, 8, generator=rng)
    rank = [(a[i] @ b.T > a[i] @ b[i]).sum() for i in range(300)]
    assert instance_recall(a, b, block=7)[5] == pytest.approx(np.mean([r < 5 for r in rank]))
