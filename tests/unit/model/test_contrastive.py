"""The loss in cases that can be worked out by hand; tests/parity/test_loss.py compares it with an independent one."""

from __future__ import annotations

import math

import pytest
import torch

from timesenclip.errors import InputError
from timesenclip.model.contrastive import Temperature, info_nce

PAIRS = torch.eye(2)


def test_the_loss_of_two_orthogonal_pairs_is_that_of_their_logits() -> None:
    loss = info_nce(PAIRS, PAIRS, scale=3.0, in_batch=True)
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-3.0)), abs=1e-6)
    assert float(info_nce(5 * PAIRS, 7 * PAIRS, scale=3.0, in_batch=True)) == pytest.approx(float(loss), abs=1e-6)


@pytest.mark.parametrize("ids", [{"place": torch.tensor([4, 4])}, {"label": torch.tensor([2, 2])}])
def test_keys_of_the_same_place_or_label_are_not_negatives(ids: dict[str, torch.Tensor]) -> None:
    assert float(info_nce(PAIRS, PAIRS, scale=3.0, in_batch=True, **ids)) == pytest.approx(0.0, abs=1e-6)
    unknown = {name: torch.full((2,), -1) for name in ids}
    assert float(info_nce(PAIRS, PAIRS, scale=3.0, in_batch=True, **unknown)) > 0.01


def test_keys_of_the_bank_are_negatives_unless_they_are_of_the_same_place() -> None:
    bank = {"bank_keys": torch.tensor([[1.0, 0.0]]), "bank_place": torch.tensor([5])}
    one = PAIRS[:1]
    assert float(info_nce(one, one, scale=3.0, place=torch.tensor([6]), **bank)) == pytest.approx(math.log(2), abs=1e-6)
    assert float(info_nce(one, one, scale=3.0, place=torch.tensor([5]), **bank)) == pytest.approx(0.0, abs=1e-6)


def test_wrong_shapes_and_a_symmetric_loss_without_negatives_are_refused() -> None:
    with pytest.raises(InputError, match=r"shapes \(2, 2\) and \(1, 2\)"):
        info_nce(PAIRS, PAIRS[:1], scale=1.0)
    with pytest.raises(InputError, match="set in_batch=True"):
        info_nce(PAIRS, PAIRS, scale=1.0, symmetric=True)


def test_keys_of_another_width_are_refused() -> None:
    with pytest.raises(InputError, match=r"`bank_keys` have shape \(4, 3\) and the embeddings \(2, 2\)"):
        info_nce(PAIRS, PAIRS, scale=1.0, bank_keys=torch.ones(4, 3))
    with pytest.raises(InputError, match=r"shape \(0, 3\)"):
        info_nce(PAIRS, PAIRS, scale=1.0, bank_keys=torch.ones(0, 3))


def test_an_empty_bank_gives_a_loss_of_zero_and_gradients_of_zero() -> None:
    satellite, ground = torch.rand(2, 2, requires_grad=True), torch.rand(2, 2, requires_grad=True)
    loss = info_nce(satellite, ground, scale=3.0, bank_keys=torch.ones(0, 2))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert satellite.grad is not None
    assert ground.grad is not None
    assert not satellite.grad.any()
    assert not ground.grad.any()


def test_the_symmetric_half_ignores_the_bank() -> None:
    bank = torch.tensor([[1.0, 1.0]])
    both = info_nce(PAIRS, PAIRS, scale=3.0, in_batch=True, symmetric=True, bank_keys=bank)
    forth = info_nce(PAIRS, PAIRS, scale=3.0, in_batch=True, bank_keys=bank)
    back = info_nce(PAIRS, PAIRS, scale=3.0, in_batch=True)
    assert float(both) == pytest.approx(float((forth + back) / 2), abs=1e-6)
    assert float(forth) > float(back) + 0.01


def test_a_temperature_stays_in_its_range() -> None:
    temperature = Temperature(0.05)
    assert float(temperature().detach()) == pytest.approx(20.0, rel=1e-5)
    with torch.no_grad():
        temperature.log_scale.fill_(9.0)
    assert float(temperature().detach()) == pytest.approx(100.0, rel=1e-5)
    temperature.clamp_()
    assert float(temperature.log_scale.detach()) == pytest.approx(math.log(100.0), rel=1e-6)
    assert not Temperature(learnable=False).log_scale.requires_grad
    with pytest.raises(InputError, match=r"Temperature 2 is outside"):
        Temperature(2.0)
