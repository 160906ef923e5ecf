from __future__ import annotations

import pytest
import torch

from timesenclip.errors import InputError
from timesenclip.model.augment import (
    AUGMENTATIONS,
    BandDropout,
    Compose,
    MonthDropout,
    RandomTS,
    SpectralDropout,
    TSMixAug,
)
from timesenclip.model.inputs import EncoderInput


def _batch(count: int = 400, steps: int = 12) -> EncoderInput:
    generator = torch.Generator().manual_seed(0)
    start = (torch.arange(steps) / 12 + 0.5) % 1  # July to June: the series crosses New Year
    calendar = torch.stack([start, start + 1 / 12], dim=-1).expand(count, -1, -1)
    valid = torch.rand(count, steps, generator=generator) < 0.8
    valid[:, 0] = True
    return EncoderInput(torch.rand(count, steps, 10, generator=generator), calendar, valid)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_augmentations_keep_dates_and_a_valid_step_and_leave_the_input_alone(name: str) -> None:
    batch = _batch()
    x, calendar, valid, _ = batch
    before = [t.clone() for t in (x, calendar, valid)]
    new_x, new_calendar, new_valid, new_bands = AUGMENTATIONS[name](batch, torch.Generator().manual_seed(3))
    for now, was in zip((x, calendar, valid), before, strict=True):
        assert torch.equal(now, was)
    assert new_valid.any(dim=1).all()
    assert new_bands is None or new_bands[new_valid].any(dim=1).all()
    changed = (new_valid != valid).any(dim=1) | (new_x != x).flatten(1).any(dim=1)
    assert 0 < int(changed.sum()) < len(x)  # drawn for each sample, not for the batch
    same_dates = (new_calendar == calendar).all(dim=-1)
    assert same_dates[:, 1:].all()  # only the single annual step of TSMixAug gets other dates, and it is step 0
    again = AUGMENTATIONS[name](batch, torch.Generator().manual_seed(3))
    assert torch.equal(again[2], new_valid)


def test_ts_mix_aug_drops_three_months_in_a_row_or_takes_the_median() -> None:
    x, calendar = _batch(2000)[:2]
    valid = torch.ones(2000, 12, dtype=torch.bool)
    new_x, new_calendar, new_valid, _ = TSMixAug()(EncoderInput(x, calendar, valid), torch.Generator().manual_seed(1))
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
    batch = _batch(3000)._replace(valid=torch.ones(3000, 12, dtype=torch.bool))
    left = RandomTS(p=1.0)(batch, torch.Generator().manual_seed(0)).valid
    counts = left.sum(dim=1)
    assert counts.min() == 1
    assert counts.max() == 11
    assert float(counts.float().mean()) == pytest.approx(6.0, abs=0.3)


def test_spectral_dropout_zeroes_whole_bands_and_keeps_three() -> None:
    batch = _batch()
    new_x = SpectralDropout(p=1.0)(batch._replace(x=batch.x + 0.1), torch.Generator().manual_seed(0)).x
    zero = new_x == 0
    assert torch.equal(zero.any(dim=1), zero.all(dim=1))
    kept = 10 - zero.all(dim=1).sum(dim=1)
    assert kept.min() == 3
    assert kept.max() == 9
    patch = EncoderInput(torch.ones(8, 12, 10, 5, 5), batch.calendar[:8], batch.valid[:8])
    patches = SpectralDropout(p=1.0)(patch, torch.Generator()).x
    assert patches.shape == (8, 12, 10, 5, 5)
    with pytest.raises(InputError, match="11 bands"):
        SpectralDropout(least=11)(batch, torch.Generator())


def test_compose_applies_all_in_order() -> None:
    batch = _batch()
    both = Compose((MonthDropout(p=1.0), SpectralDropout(p=1.0)))(batch, torch.Generator().manual_seed(0))
    assert (both[2] != batch.valid).any()
    assert (both[0] == 0).any()


def test_band_dropout_marks_bands_and_keeps_those_of_sensors_half_of_the_time() -> None:
    batch = _batch(2000)
    dropped = BandDropout(p=1.0)(batch, torch.Generator().manual_seed(0))
    assert dropped.bands is not None
    assert torch.equal(dropped.valid, batch.valid)
    assert torch.equal(dropped.bands.any(dim=2), batch.valid)  # no step loses its last band
    assert (dropped.x[~dropped.bands] == 0).all()
    assert torch.equal(dropped.x[dropped.bands], batch.x[dropped.bands])
    kept = dropped.bands[:, 0]  # (B, C): step 0 is valid everywhere
    landsat = torch.tensor([True] * 3 + [False] * 4 + [True] * 3)
    rgb = torch.tensor([True] * 3 + [False] * 7)
    for sensor in (landsat, rgb):
        assert 0.05 < float((kept == sensor).all(dim=1).float().mean()) < 0.2
    assert int(kept.sum(dim=1).min()) == 3


def test_band_dropout_does_not_bring_back_what_was_missing() -> None:
    batch = _batch(500)
    bands = batch.valid[..., None] & torch.tensor([False] * 3 + [True] * 7)
    dropped = BandDropout(p=1.0)(batch._replace(bands=bands), torch.Generator().manual_seed(1))
    assert dropped.bands is not None
    assert not (dropped.bands & ~bands).any()
    assert torch.equal(dropped.bands.any(dim=2), batch.valid)  # RGB alone would leave nothing: such samples keep all
    with pytest.raises(InputError, match="10 bands"):
        BandDropout()(batch._replace(x=batch.x[..., :4]), torch.Generator())


def test_the_annual_median_leaves_missing_bands_out() -> None:
    batch = _batch(200)
    bands = batch.valid[..., None].repeat(1, 1, 10)
    bands[:, ::2, 3] = False  # in every other month
    bands[:, :, 5] = False  # never there
    annual = TSMixAug(p=1.0)(batch._replace(bands=bands), torch.Generator().manual_seed(0))
    one = (annual.valid.sum(dim=1) == 1) & (batch.valid.sum(dim=1) > 1)
    assert annual.bands is not None
    assert not annual.bands[one, 0, 5].any()
    assert (annual.x[one, 0, 5] == 0).all()
    i = int(one.nonzero()[0, 0])
    months = batch.x[i, :, 3][bands[i, :, 3]]
    assert float(annual.x[i, 0, 3]) == pytest.approx(float(months.nanquantile(0.5, interpolation="lower")))
