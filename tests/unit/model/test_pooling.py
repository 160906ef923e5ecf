from __future__ import annotations

import pytest
import torch

from timesenclip.errors import InputError
from timesenclip.model.pooling import AttentionPooling


@pytest.mark.parametrize("mode", ["per-image", "per-dim", "mean"])
def test_pooling_ignores_views_that_are_not_there(mode: str) -> None:
    torch.manual_seed(0)
    pooling = AttentionPooling(6, mode)
    views = torch.randn(3, 4, 6)
    mask = torch.tensor([[True, True, False, False]] * 3)
    spoilt = views.clone()
    spoilt[:, 2:] = float("nan")
    assert torch.allclose(pooling(spoilt, mask), pooling(views[:, :2]), atol=1e-6)
    assert torch.allclose(pooling(views[:, :1]), views[:, 0], atol=1e-6)
    shuffled = pooling(views[:, [2, 0, 3, 1]])
    assert torch.allclose(shuffled, pooling(views), atol=1e-6)
    with pytest.raises(InputError, match="Place 1"):
        pooling(views, torch.tensor([[True] * 4, [False] * 4, [True] * 4]))


def test_per_image_pooling_is_the_papers() -> None:
    torch.manual_seed(0)
    pooling, views = AttentionPooling(5), torch.randn(2, 4, 5)
    weights = (views @ pooling.linear.weight[0]).softmax(dim=1)
    assert torch.allclose(pooling(views), (weights[..., None] * views).sum(dim=1), atol=1e-6)
    assert pooling.linear.weight.shape == (1, 5)
    with pytest.raises(InputError, match="sum-of-views"):
        AttentionPooling(5, "sum-of-views")


def test_one_view_is_one_photograph_by_chance_and_the_first_when_it_counts() -> None:
    views = torch.eye(4).expand(200, 4, 4)
    mask = torch.ones(200, 4, dtype=torch.bool)
    mask[:, 1] = False
    pooling = AttentionPooling(4, "one-view")
    assert not list(pooling.parameters())
    torch.manual_seed(5)
    drawn = pooling(views, mask)
    assert torch.equal(drawn.sum(dim=1), torch.ones(200))
    assert torch.equal(drawn.amax(dim=1), torch.ones(200))
    counts = drawn.sum(dim=0)
    assert counts[1] == 0
    assert (counts[[0, 2, 3]] > 40).all()
    torch.manual_seed(5)
    assert torch.equal(drawn, pooling(views, mask))
    mask[:, 0] = False
    assert torch.equal(pooling.eval()(views, mask), views[:, 2])
