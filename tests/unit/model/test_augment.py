from __future__ import annotations

import pytest
import torch
from torch import Tensor

from timesenclip.errors import InputError
from timesenclip.model.augment import AUGMENTATIONS, Compose, MonthDropout, RandomTS, SpectralDropout, TSMixAug


def _batch(count: int = 400, steps: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    start = (torch.arange(steps) / 12 + 0.5) % 1  # July to June: the series crosses New Year
    calendar = torch.stack([start, start + 1 / 12], dim=-1).expand(count, -1, -1)
    valid = torch.rand(count, steps, generator=generator) < 0.8
    valid[:, 0] = True
    return torch.rand(count, steps, 10, generator=generator), calendar, valid


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_augmentations_keep_dates_and_a_valid_step_and_leave_the_input_alone(name: str) -> None:
    x, calendar, valid = _batch()
    before = [t.clone() for t in (x, calendar, valid)]
    new_x, new_calendar, new_valid = AUGMENTATIONS[name](x, calendar, valid, torch.Generator().manual_seed(3))
    for now, was in zip((x, calendar, valid), before, strict=True):
        assert torch.equal(now, was)
    assert new_valid.any(dim=1).all()
    changed = (new_valid != valid).any(dim=1) | (new_x != x).flatten(1).any(dim=1)
    assert 0 < int(changed.sum()) < len(x)  # drawn for each sample, not for the batch
    same_dates = (new_calendar == calendar).all(dim=-1)
    assert same_dates[:, 1:].all()  # only the single annual step of TSMixAug gets other dates, and it is step 0
    again = AUGMENTATIONS[name](x, calendar, valid, torch.Generator().manual_seed(3))
    assert torch.equal(again[2], new_valid)


def test_ts_mix_aug_drops_three_months_in_a_row_or_takes_the_median() -> None:
    x, calendar, _ = _batch(2000)
    valid = torch.ones(2000, 12, dtype=torch.bool)
    new_x, new_calendar, new_valid = TSMixAug()(x, calendar, valid, torch.Generator().manual_seed(1))
    left = new_valid.sum(dim=1)
    shares = {int(k): float((left == k).float().mean()) for k in left.unique()}
    assert set(shares) == {1, 9, 12}
    assert shares[12] == pytest.approx(0.5, abs=0.05)
    assert shares[1] == pytest.approx(0.25, abs=0.05)
    gone = (~new_valid[left == 9]).int()
    assert (gone.diff(dim=1).abs().sum(dim=1) <= 2).all()  # one run
    annual = left == 1
    assert torch.allclose(new_x[annual, 0], x[annual].median(dim=1).values, atol=1e-6)
    assert torch.allclose(new_calendar[annual, 0], torch.tensor([0.5, 1.5]), atol=1e-5)


def test_random_ts_keeps_one_to_all_but_one() -> None:
    x, calendar, _ = _batch(3000)
    valid = torch.ones(3000, 12, dtype=torch.bool)
    _, _, left = RandomTS(p=1.0)(x, calendar, valid, torch.Generator().manual_seed(0))
    counts = left.sum(dim=1)
    assert counts.min() == 1
    assert counts.max() == 11
    assert float(counts.float().mean()) == pytest.approx(6.0, abs=0.3)


def test_spectral_dropout_zeroes_whole_bands_and_keeps_three() -> None:
    x, calendar, valid = _batch()
    new_x, _, _ = SpectralDropout(p=1.0)(x + 0.1, calendar, valid, torch.Generator().manual_seed(0))
    zero = new_x == 0
    assert torch.equal(zero.any(dim=1), zero.all(dim=1))
    kept = 10 - zero.all(dim=1).sum(dim=1)
    assert kept.min() == 3
    assert kept.max() == 9
    patches = SpectralDropout(p=1.0)(torch.ones(8, 12, 10, 5, 5), calendar[:8], valid[:8], torch.Generator())[0]
    assert patches.shape == (8, 12, 10, 5, 5)
    with pytest.raises(InputError, match="11 bands"):
        SpectralDropout(least=11)(x, calendar, valid, torch.Generator())


def test_compose_applies_all_in_order() -> None:
    x, calendar, valid = _batch()
    both = Compose((MonthDropout(p=1.0), SpectralDropout(p=1.0)))(x, calendar, valid, torch.Generator().manual_seed(0))
    assert (both[2] != valid).any()
    assert (both[0] == 0).any()
