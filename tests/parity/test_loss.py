"""InfoNCE against a slow, obvious loop in float64."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from timesenclip.errors import InputError
from timesenclip.model.contrastive import Temperature, info_nce


def _ids(values: list[int] | None) -> Tensor | None:
    return None if values is None else torch.tensor(values)


def _slow(
    satellite: Tensor,
    ground: Tensor,
    scale: float,
    bank: Tensor | None,
    in_batch: bool,
    symmetric: bool,
    label: list[int] | None,
    bank_label: list[int] | None,
) -> float:
    unit = lambda v: v / v.norm()  # noqa: E731

    def same(a: int | None, b: int | None) -> bool:
        return a is not None and b is not None and a >= 0 and a == b

    def one_way(asking: Tensor, answering: Tensor, extra: Tensor | None) -> float:
        total = 0.0
        for i in range(len(asking)):
            right = scale * float(unit(asking[i]) @ unit(answering[i]))
            terms = [right]
            for j in range(len(answering)):
                if in_batch and j != i and not same(label[i] if label else None, label[j] if label else None):
                    terms.append(scale * float(unit(asking[i]) @ unit(answering[j])))
            for j in range(0 if extra is None else len(extra)):
                if not same(label[i] if label else None, bank_label[j] if bank_label else None):
                    terms.append(scale * float(unit(asking[i]) @ unit(extra[j])))
            total += math.log(sum(math.exp(t) for t in terms)) - right
        return total / len(asking)

    forward = one_way(satellite, ground, bank)
    return (forward + one_way(ground, satellite, None)) / 2 if symmetric else forward


CASES = [
    (bank, in_batch, symmetric, labelled)
    for bank, in_batch, symmetric, labelled in itertools.product([0, 9], [False, True], [False, True], [False, True])
    if in_batch or not symmetric
]


@pytest.mark.parametrize(("bank", "in_batch", "symmetric", "labelled"), CASES)
def test_loss_equals_the_obvious_one(bank: int, in_batch: bool, symmetric: bool, labelled: bool) -> None:
    generator = torch.Generator().manual_seed(bank + 2 * in_batch + 4 * symmetric)
    satellite, ground = (torch.randn(6, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    keys = torch.randn(bank, 5, generator=generator, dtype=torch.float64) if bank else None
    label = [0, 1, 1, -1, -1, 2] if labelled else None
    bank_label = [1, 1, 2, -1, 0, 5, 6, -1, 2][:bank] if labelled and bank else None
    expected = _slow(satellite, ground, 7.0, keys, in_batch, symmetric, label, bank_label)
    found = info_nce(
        satellite,
        ground,
        scale=7.0,
        bank_keys=keys,
        in_batch=in_batch,
        symmetric=symmetric,
        label=_ids(label),
        bank_label=_ids(bank_label),
    )
    assert abs(float(found) - expected) < 1e-10
    placed = info_nce(
        satellite,
        ground,
        scale=7.0,
        bank_keys=keys,
        in_batch=in_batch,
        symmetric=symmetric,
        place=_ids(label),
        bank_place=_ids(bank_label),
    )
    assert abs(float(placed) - expected) < 1e-10  # places are left out by the same rule


def test_the_papers_loss_is_a_cross_entropy_over_positive_and_bank() -> None:
    torch.manual_seed(0)
    s, g, q = torch.randn(4, 8), torch.randn(4, 8), torch.randn(16, 8)
    unit_s, unit_g, unit_q = (F.normalize(t, dim=-1) for t in (s, g, q))
    logits = torch.cat([(unit_s * unit_g).sum(dim=1, keepdim=True), unit_s @ unit_q.T], dim=1) / 0.07
    expected = F.cross_entropy(logits, torch.zeros(4, dtype=torch.long))
    assert torch.allclose(info_nce(s, g, scale=1 / 0.07, bank_keys=q), expected, atol=1e-5)


def test_gradients_are_right() -> None:
    torch.manual_seed(0)
    s, g = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    bank, label = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 0, 1, -1])

    def loss(a: Tensor, b: Tensor) -> Tensor:
        return info_nce(
            a, b, scale=5.0, bank_keys=bank, in_batch=True, symmetric=True, label=label, bank_label=torch.arange(5)
        )

    assert torch.autograd.gradcheck(loss, (s, g))


def test_without_negatives_the_loss_is_zero() -> None:
    s = torch.randn(3, 4, requires_grad=True)
    loss = info_nce(s, torch.randn(3, 4), scale=10.0).detach()
    assert float(loss) == pytest.approx(0.0, abs=1e-5)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(InputError, match="in_batch"):
        info_nce(torch.ones(2, 3), torch.ones(2, 3), scale=1.0, symmetric=True)
    with pytest.raises(InputError, match="shapes"):
        info_nce(torch.ones(2, 3), torch.ones(3, 3), scale=1.0)


def test_temperature_is_a_scale_within_its_range() -> None:
    assert float(Temperature(0.07)().detach()) == pytest.approx(1 / 0.07, rel=1e-5)
    temperature = Temperature(0.02)
    with torch.no_grad():
        temperature.log_scale += 10
    assert float(temperature().detach()) == pytest.approx(100.0)
    temperature.clamp_()
    assert float(temperature.log_scale.detach()) == pytest.approx(math.log(100.0))
    assert not Temperature(0.1, learnable=False).log_scale.requires_grad
    with pytest.raises(InputError):
        Temperature(0.0)
