from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timesenclip.errors import InputError
from timesenclip.model.memory_bank import MemoryBank


@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=8), capacity=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_the_bank_holds_the_last_keys(sizes: list[int], capacity: int) -> None:
    bank, pushed = MemoryBank(2, capacity), []
    assert len(bank) == 0
    assert bank.keys.shape == (0, 2)
    for count in sizes:
        values = torch.arange(len(pushed), len(pushed) + count)
        pushed.extend(values.tolist())
        bank.push(values[:, None].expand(-1, 2).float(), label=values)
        expected = sorted(pushed[max(len(pushed) - capacity, 0) :])
        assert sorted(bank.keys[:, 0].tolist()) == expected
        assert torch.equal(bank.keys[:, 0].long(), bank.label)
        assert (bank.place == -1).all()


def test_the_bank_survives_a_state_dict() -> None:
    bank, other = MemoryBank(3, 5), MemoryBank(3, 5)
    bank.push(torch.randn(3, 3), place=torch.tensor([4, 5, 6]))
    other.load_state_dict(bank.state_dict())
    for b in (bank, other):
        b.push(torch.ones(4, 3))
    assert torch.equal(bank.keys, other.keys)
    assert torch.equal(bank.place, other.place)


def test_the_bank_carries_no_gradient() -> None:
    bank = MemoryBank(2, 4)
    bank.push(torch.ones(2, 2, requires_grad=True))
    assert not bank.keys.requires_grad


def test_a_bank_knows_the_place_and_label_of_each_key() -> None:
    bank = MemoryBank(2, 3)
    bank.push(torch.eye(2), place=torch.tensor([7, 8]), label=torch.tensor([1, 2]))
    bank.push(2 * torch.eye(2), place=torch.tensor([9, 10]))
    held = {int(place): (int(label), float(key.sum())) for place, label, key in zip(bank.place, bank.label, bank.keys)}  # noqa: B905
    assert held == {8: (2, 1.0), 9: (-1, 2.0), 10: (-1, 2.0)}


def test_no_bank_has_a_negative_size() -> None:
    with pytest.raises(InputError, match="cannot hold -1 keys"):
        MemoryBank(2, -1)
