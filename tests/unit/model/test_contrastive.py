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
